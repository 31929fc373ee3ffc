import { Random } from './random'

/** What memory that belongs to nobody is filled with: stale data, and proof that nobody wrote there. */
export const POISON = 0xdb

export interface Extent {
  /** Bytes from the start of the mapping. */
  readonly offset: number
  readonly length: number
}

/** The data area of the fake kernel: blocks handed out in random order, poisoned while they are free. */
export class DataBlocks {
  /** Offsets of the blocks that belong to nobody. */
  readonly free: number[] = []
  private readonly poison: Uint8Array

  constructor(private readonly bytes: Uint8Array, private readonly start: number, private readonly blockBytes: number, private readonly random: Random) {
    for (let at = start; at + blockBytes <= bytes.length; at += blockBytes) this.free.push(at)
    bytes.fill(POISON, start)
    this.poison = new Uint8Array(blockBytes).fill(POISON)
  }

  get total(): number {
    return Math.floor((this.bytes.length - this.start) / this.blockBytes)
  }

  get used(): number {
    return this.total - this.free.length
  }

  blocksFor(length: number): number {
    return Math.ceil(length / this.blockBytes)
  }

  has(blocks: number): boolean {
    return this.free.length >= blocks
  }

  /** Blocks for `length` bytes; call `has` before. */
  allocate(length: number): number[] {
    return Array.from({ length: this.blocksFor(length) }, () => this.free.splice(this.random.below(this.free.length), 1)[0])
  }

  release(blocks: readonly number[]): void {
    for (const at of blocks) this.bytes.fill(POISON, at, at + this.blockBytes)
    this.free.push(...blocks)
  }

  /** `length` bytes over the blocks, neighbours merged as the kernel does. */
  extents(blocks: readonly number[], length: number): Extent[] {
    const out: { offset: number; length: number }[] = []
    let left = length
    for (const offset of blocks) {
      const n = Math.min(left, this.blockBytes)
      const last = out.at(-1)
      if (last && last.offset + last.length === offset) last.length += n
      else out.push({ offset, length: n })
      left -= n
    }
    return out
  }

  /** A copy of `length` bytes over the blocks. */
  gather(blocks: readonly number[], length: number): Uint8Array {
    return Buffer.concat(this.extents(blocks, length).map((e) => this.bytes.slice(e.offset, e.offset + e.length)))
  }

  /** The first of these blocks that is not all poison. */
  dirty(blocks: readonly number[]): number | undefined {
    return blocks.find((at) => Buffer.compare(this.bytes.subarray(at, at + this.blockBytes), this.poison) !== 0)
  }
}
