import { type DataArea, Segments } from '../wire'

/** Blocks of a data area, given out and taken back; the one used last first, for it is in the caches. */
export class BlockPool {
  private readonly free: Float64Array
  private count: number

  /** The area from byte `start` on, in blocks of `blockBytes`. */
  constructor(private readonly area: DataArea, start: number, readonly blockBytes: number) {
    this.count = Math.floor((area.bytes.length - start) / blockBytes)
    this.free = Float64Array.from({ length: this.count }, (_, i) => start + (this.count - 1 - i) * blockBytes)
  }

  get available(): number {
    return this.count
  }

  blocksFor(length: number): number {
    return Math.ceil(length / this.blockBytes)
  }

  /** Append `length` bytes of blocks to `into`, neighbours as one range. Look at `available` before. */
  take(length: number, into: Segments): void {
    into.start(this.area)
    let left = length
    while (left > 0) {
      const start = this.free[--this.count]!
      let end = start + this.blockBytes
      while (end - start < left && this.count > 0 && this.free[this.count - 1] === end) {
        this.count--
        end += this.blockBytes
      }
      const n = Math.min(left, end - start)
      into.add(start, n)
      left -= n
    }
  }

  /** Take back what `take` gave. */
  give(segments: Segments): void {
    for (let i = segments.count - 1; i >= 0; i--) {
      const start = segments.offsets[i]!
      for (let at = start + (this.blocksFor(segments.lengths[i]!) - 1) * this.blockBytes; at >= start; at -= this.blockBytes) this.free[this.count++] = at
    }
  }
}
