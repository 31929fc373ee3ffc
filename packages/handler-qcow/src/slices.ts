import type { IoFile } from '@tcmu/host/handler'
import { DataArea, Segments } from '@tcmu/host/scsi'
import type { Piece } from './disk'

/** Tables are cached in pieces of this many bytes, or whole when they are smaller: a cold read costs one page, not 2 MiB. */
export const MAX_SLICE = 4096
/** Memory comes in arenas of this size, as it is needed. */
const ARENA = 256 * 1024
/** Of the slices: how many may be changed and not written back before writers are asked to wait. */
const MAX_DIRTY = 0.5

/** A piece of a table in memory. It stays valid over an `await` only while `pins` is not 0. */
export interface Slice {
  key: number
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly memory: Segments
  dirty: boolean
  pins: number
  used: boolean
  /** Indexes of entries that point where they must not; found when it was read. */
  bad: ReadonlySet<number> | undefined
}

/** Changed slices as they were at one moment, and what to do when they were, or were not, written. */
export interface Changes {
  readonly pieces: readonly Piece[]
  /** Only the first call counts. */
  done(written: boolean): void
}

/** A bounded cache of pieces of tables, by a dense key. Hits are synchronous; several who miss the same piece share its read. */
export class SliceCache {
  private readonly slices = new Map<number, Slice>()
  private readonly loading = new Map<number, Promise<Slice>>()
  private readonly free: Slice[] = []
  private readonly all: Slice[] = []
  private readonly capacity: number
  private hand = 0
  /** Slices changed since they were last taken for writing. */
  dirty = 0

  /** `offsetOf`: where a slice lies in the file by now. `check` looks at what was read and tells which entries are bad. */
  constructor(
    private readonly file: IoFile, readonly sliceBytes: number, memoryBytes: number, private readonly offsetOf: (key: number) => number,
    private readonly check: (slice: Slice) => ReadonlySet<number> | undefined = () => undefined,
  ) {
    this.capacity = Math.max(16, Math.floor(memoryBytes / sliceBytes))
  }

  /** Writers should have changes written back before they make more. */
  get full(): boolean {
    return this.dirty > this.capacity * MAX_DIRTY
  }

  get(key: number): Slice | undefined {
    const slice = this.slices.get(key)
    if (slice) slice.used = true
    return slice
  }

  /** The slice, read from the file when it is not here. Rejects with the error of the read. */
  load(key: number): Promise<Slice> {
    const there = this.loading.get(key)
    if (there) return there
    const present = this.get(key)
    if (present) return Promise.resolve(present)
    const reading = this.read(key).finally(() => this.loading.delete(key))
    this.loading.set(key, reading)
    return reading
  }

  private async read(key: number): Promise<Slice> {
    const slice = this.slot()
    try {
      await this.file.readv(slice.memory, this.offsetOf(key))
    } catch (error) {
      this.free.push(slice)
      throw error
    }
    slice.key = key
    slice.used = true
    slice.bad = this.check(slice)
    this.slices.set(key, slice)
    return slice
  }

  touch(slice: Slice): void {
    if (slice.dirty) return
    slice.dirty = true
    this.dirty++
  }

  private slot(): Slice {
    const spare = this.free.pop()
    if (spare) return spare
    if (this.all.length >= this.capacity && this.evict()) return this.free.pop()!
    this.grow()
    return this.free.pop()!
  }

  /** Clock: what was used since the hand last passed gets another round. False when everything is pinned or changed. */
  private evict(): boolean {
    for (let step = 0; step < 2 * this.all.length; step++) {
      const slice = this.all[this.hand]!
      this.hand = (this.hand + 1) % this.all.length
      if (slice.dirty || slice.pins > 0 || this.slices.get(slice.key) !== slice) continue
      if (slice.used) {
        slice.used = false
        continue
      }
      this.slices.delete(slice.key)
      this.free.push(slice)
      return true
    }
    return false
  }

  private grow(): void {
    const count = Math.max(1, Math.min(Math.ceil(ARENA / this.sliceBytes), Math.max(1, this.capacity - this.all.length)))
    const area = DataArea.allocate(count * this.sliceBytes)
    for (let i = 0; i < count; i++) {
      const bytes = area.bytes.subarray(i * this.sliceBytes, (i + 1) * this.sliceBytes)
      const memory = new Segments().start(area)
      memory.add(i * this.sliceBytes, this.sliceBytes)
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      const slice = { key: -1, bytes, view, memory, dirty: false, pins: 0, used: false, bad: undefined }
      this.all.push(slice)
      this.free.push(slice)
    }
  }

  /** Copy what changed, in order of position, neighbours in one piece. Changes made later are not in it. */
  take(): Changes {
    const taken: Placed[] = [...this.slices.values()].filter((s) => s.dirty)
      .map((slice) => ({ slice, offset: this.offsetOf(slice.key) })).sort((a, b) => a.offset - b.offset)
    for (const { slice: s } of taken) {
      s.dirty = false
      s.pins++
    }
    this.dirty = 0
    let ended = false
    return {
      pieces: merge(taken, this.sliceBytes),
      done: (written) => {
        if (ended) return
        ended = true
        for (const { slice: s } of taken) {
          s.pins--
          if (!written) this.touch(s)
        }
      },
    }
  }
}

interface Placed {
  readonly slice: Slice
  readonly offset: number
}

function merge(slices: readonly Placed[], sliceBytes: number): Piece[] {
  const pieces: Piece[] = []
  for (let i = 0; i < slices.length; ) {
    let end = i + 1
    while (end < slices.length && slices[end]!.offset === slices[end - 1]!.offset + sliceBytes) end++
    const bytes = new Uint8Array((end - i) * sliceBytes)
    for (let k = i; k < end; k++) bytes.set(slices[k]!.slice.bytes, (k - i) * sliceBytes)
    pieces.push({ offset: slices[i]!.offset, bytes })
    i = end
  }
  return pieces
}

