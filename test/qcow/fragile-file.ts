import type { ByteLocks, Extent, HandlerIo, IoFile, OpenFile } from '../../packages/host/src/handler'
import { Status } from '../../packages/host/src/scsi'
import type { Segments } from '../../packages/host/src/wire'
import type { Dice } from './lib'

const SECTOR = 512

interface Pending { readonly offset: number; readonly bytes: Uint8Array }

/** A file on a disk whose power can go: what was written since the last sync is there in any part, sector by sector. */
export class FragileFile implements IoFile {
  readonly readOnly = false
  readonly granularity = 4096
  readonly alignment = 1
  readonly canPunch = true
  readonly rotational = undefined
  readonly lock: boolean | ByteLocks = false
  private now: Buffer
  private durable: Buffer
  private pending: Pending[] = []
  private under = 0
  operations = 0
  /** The power goes at this operation. */
  private dead = Infinity
  private syncing: Promise<Status> | undefined = undefined

  /** A block device does not grow: writes behind its end fail. */
  constructor(readonly path: string, content: Buffer, private readonly dice: Dice, readonly blockDevice = false) {
    this.now = Buffer.from(content)
    this.durable = Buffer.from(content)
  }

  get size(): number {
    return this.now.length
  }

  dieAfter(operations: number): void {
    this.dead = this.operations + operations
  }
  get isDead(): boolean {
    return this.operations >= this.dead
  }

  /** Operations take a while, and overtake each other; once the power is gone they never end. */
  private async begin(): Promise<void> {
    this.operations++
    for (let i = this.dice.below(4); i > 0; i--) await new Promise((resolve) => setImmediate(resolve))
    if (this.isDead) await new Promise(() => undefined)
  }

  private put(offset: number, bytes: Uint8Array): void {
    if (this.blockDevice && offset + bytes.length > this.now.length) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    if (offset + bytes.length > this.now.length) this.now = Buffer.concat([this.now, Buffer.alloc(offset + bytes.length - this.now.length)])
    this.now.set(bytes, offset)
    this.pending.push({ offset, bytes: Uint8Array.from(bytes) })
  }

  async readv(data: Segments, offset: number): Promise<Status> {
    await this.begin()
    const there = this.now.subarray(offset, offset + data.length)
    data.zero()
    data.set(there)
    return Status.OK
  }

  async writev(data: Segments, offset: number): Promise<Status> {
    this.under++
    const bytes = data.toBuffer()
    await this.begin()
    this.put(offset, bytes)
    this.under--
    return Status.OK
  }

  async sync(): Promise<Status> {
    const mine = (this.syncing ?? Promise.resolve(Status.OK)).then(async () => {
      const covered = this.pending.length
      await this.begin()
      for (const p of this.pending.splice(0, covered)) this.durable = apply(this.durable, p.offset, p.bytes)
      return Status.OK
    })
    return (this.syncing = mine)
  }

  async punch(offset: number, length: number): Promise<Status> {
    await this.begin()
    this.put(offset, new Uint8Array(Math.max(0, Math.min(length, this.now.length - offset))))
    return Status.OK
  }
  async zero(offset: number, length: number): Promise<Status> {
    return this.punch(offset, length)
  }
  async allocate(): Promise<Status> {
    return Status.OK
  }
  async extents(offset: number, length: number): Promise<readonly Extent[]> {
    return [{ offset, length, state: 'mapped' }]
  }
  space(): Promise<{ used: number; available: number }> {
    return Promise.resolve({ used: this.size, available: 0 })
  }

  async truncate(): Promise<void> {
    throw new Error('not in this test')
  }
  async refresh(): Promise<number> {
    return this.size
  }
  async drained(): Promise<void> {
    while (this.under > 0) await new Promise((resolve) => setImmediate(resolve))
  }
  async close(): Promise<void> {
    // Nothing is held.
  }

  /** What is on the disk when the power comes back. */
  remains(): Buffer {
    let disk: Buffer = Buffer.from(this.durable)
    for (const p of this.pending) {
      const how = this.dice.below(3)
      for (let at = 0; at < p.bytes.length; at += SECTOR - ((p.offset + at) % SECTOR)) {
        const end = Math.min(p.bytes.length, at + SECTOR - ((p.offset + at) % SECTOR))
        if (how === 0 || (how === 1 && this.dice.below(2) === 0)) disk = apply(disk, p.offset + at, p.bytes.subarray(at, end))
      }
    }
    return disk
  }
}

function apply(disk: Buffer, offset: number, bytes: Uint8Array): Buffer {
  const grown = offset + bytes.length > disk.length ? Buffer.concat([disk, Buffer.alloc(offset + bytes.length - disk.length)]) : disk
  grown.set(bytes, offset)
  return grown
}

/** Opens one fragile file, whatever its path. */
export const fragileIo = (file: FragileFile): HandlerIo => ({ open: async (_path: string, _options?: OpenFile) => file })
