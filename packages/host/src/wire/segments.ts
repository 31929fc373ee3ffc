/** As in NativeAnswer. */
export interface Answering {
  readonly state: Int32Array
  /** Bytes into the area. */
  readonly tailAt: number
  readonly kickFd: number
  readonly wordSize: number
}

/**
 * Memory that commands' data lies in: the TCMU data area of a device, or a buffer of the portal's pool. An I/O engine
 * that wants to reach it registers it once and keeps its own index in `slot`.
 */
export class DataArea {
  /** The engine that registered this area, and its index there; engines set both. */
  owner: object | undefined = undefined
  slot = -1
  /** How whoever finishes a transfer can answer its command, where the memory is a ring's. Set before the first transfer. */
  answering: Answering | undefined = undefined
  constructor(readonly bytes: Uint8Array) {}
  static allocate(size: number): DataArea {
    return new DataArea(new Uint8Array(size))
  }
}

/** Thrown by every method of a `Segments` whose command was completed (DESIGN F2: its pages may be gone). */
export class SegmentsRevokedError extends Error {
  readonly code = 'E_SEGMENTS_REVOKED'
  constructor() {
    super('E_SEGMENTS_REVOKED: the data of a completed command was used; finish with io.data before the callback settles')
  }
}

const none = new DataArea(new Uint8Array(0))
const nothing = new Float64Array(0)

/**
 * The data of one command: byte ranges of one area, seen as one piece of `length` bytes. Reusable: a front end calls
 * `start`, `add`..., hands it out, and `revoke`s it when the command completes.
 */
export class Segments {
  /** Out of the reach of handlers: through it one gets at the data of other commands, and at memory that is gone. */
  #area: DataArea = none
  /** Ranges in use; `offsets[i]` and `lengths[i]` are bytes within the area. For I/O engines. */
  count = 0
  /** Total bytes. */
  length = 0
  /** Told of every use after `revoke`, just before it throws: for tests of handlers. */
  lateUse: (() => void) | undefined = undefined
  /** I/O operations under way on this memory; a command is not completed while it is not zero. Engines keep it. */
  pins = 0
  private live = true
  private root: Segments = this
  /** Counts the commands this object has served; a slice remembers the one it was cut from. */
  private generation = 0
  private born = 0

  constructor(public offsets = new Float64Array(4), public lengths = new Float64Array(4)) {}

  /** A new object with the memory of a revoked one, which stays revoked whoever still has it. */
  static successor(of: Segments): Segments {
    const s = new Segments(of.offsets, of.lengths)
    of.offsets = of.lengths = nothing
    of.count = of.length = 0
    return s
  }

  /** The same memory, until `of` is revoked: whoever has it afterwards finds it dead, whatever `of` serves by then. */
  static view(of: Segments): Segments {
    const s = new Segments(of.offsets, of.lengths)
    s.#area = of.#area
    s.count = of.count
    s.length = of.length
    s.root = of.root
    s.born = of.born
    return s
  }

  /** For I/O engines. */
  static areaOf(s: Segments): DataArea {
    return s.#area
  }

  static of(bytes: Uint8Array): Segments {
    const s = new Segments().start(new DataArea(bytes))
    if (bytes.length) s.add(0, bytes.length)
    return s
  }

  static allocate(size: number): Segments {
    return Segments.of(new Uint8Array(size))
  }

  /** Begin anew over `area`, empty and live. */
  start(area: DataArea): this {
    this.#area = area
    this.count = 0
    this.length = 0
    this.live = true
    this.root = this
    this.born = ++this.generation
    return this
  }

  /** Append a range; throws a RangeError when it does not lie inside the area, a TypeError where the ranges are another's: of a slice or view. */
  add(offset: number, length: number): void {
    if (this.root !== this) throw new TypeError('a range was added to a part of other data')
    if (!(offset >= 0 && length >= 0 && offset + length <= this.#area.bytes.length)) {
      throw new RangeError(`range ${offset}+${length} is outside a data area of ${this.#area.bytes.length} bytes`)
    }
    if (this.count === this.offsets.length) this.grow()
    this.offsets[this.count] = offset
    this.lengths[this.count++] = length
    this.length += length
  }

  private grow(): void {
    const double = (a: Float64Array): Float64Array<ArrayBuffer> => {
      const b = new Float64Array(a.length * 2)
      b.set(a)
      return b
    }
    this.offsets = double(this.offsets)
    this.lengths = double(this.lengths)
  }

  /** After this every method throws SegmentsRevokedError, on slices too. */
  revoke(): void {
    this.live = false
  }

  /** The command is over; for a slice also when its memory serves another command by now. */
  get revoked(): boolean {
    return !this.root.live || this.root.generation !== this.born
  }

  /** Throws SegmentsRevokedError when the command is over. */
  check(): void {
    if (!this.revoked) return
    this.root.lateUse?.()
    throw new SegmentsRevokedError()
  }

  /** The object whose `pins` count for this memory: itself, or what it was sliced from. */
  get pinned(): Segments {
    return this.root
  }

  /** Call `fn(at, start, end)` for each contiguous piece of [from, from+length); `at` counts from `from`. */
  private pieces(from: number, length: number, fn: (at: number, start: number, end: number) => void): void {
    this.check()
    let skip = from
    let at = 0
    for (let i = 0; i < this.count && at < length; i++) {
      const size = this.lengths[i]!
      if (skip >= size) {
        skip -= size
        continue
      }
      const start = this.offsets[i]! + skip
      const n = Math.min(size - skip, length - at)
      fn(at, start, start + n)
      at += n
      skip = 0
    }
  }

  /** Copy `source` in at byte `at`, cut off at the end; returns the bytes copied. */
  set(source: Uint8Array, at = 0): number {
    const n = Math.max(0, Math.min(source.length, this.length - at))
    const whole = n === source.length
    this.pieces(at, n, (pos, start, end) => {
      this.#area.bytes.set(whole && end - start === n ? source : source.subarray(pos, pos + end - start), start)
    })
    return n
  }

  /** Copy this data out into `target` from its byte `at` on; `from` skips bytes of this. Returns the bytes copied. */
  copyTo(target: Uint8Array, at = 0, from = 0): number {
    const n = Math.max(0, Math.min(target.length - at, this.length - from))
    this.pieces(from, n, (pos, start, end) => target.set(this.#area.bytes.subarray(start, end), at + pos))
    return n
  }

  /** Zero [from, from+length), by default all. */
  zero(from = 0, length = this.length - from): void {
    this.pieces(from, Math.max(0, length), (_pos, start, end) => void this.#area.bytes.fill(0, start, end))
  }

  /** Index, counted from `from`, of the first byte that differs from `other`; −1 if the common length is equal. */
  compare(other: Uint8Array, from = 0): number {
    let found = -1
    const n = Math.max(0, Math.min(other.length, this.length - from))
    this.pieces(from, n, (pos, start, end) => {
      if (found >= 0) return
      const mine = this.#area.bytes.subarray(start, end)
      if (Buffer.compare(mine, other.subarray(pos, pos + mine.length)) === 0) return
      for (let i = 0; i < mine.length; i++) {
        if (mine[i] !== other[pos + i]) {
          found = pos + i
          return
        }
      }
    })
    return found
  }

  /** The same memory, [from, from+length) of it; dies with this one. Throws a RangeError beyond the end. */
  slice(from: number, length = this.length - from): Segments {
    if (!(from >= 0 && length >= 0 && from + length <= this.length)) throw new RangeError(`slice ${from}+${length} of ${this.length} bytes`)
    const s = new Segments().start(this.#area)
    this.pieces(from, length, (_pos, start, end) => s.add(start, end - start))
    s.root = this.root
    s.born = this.born
    return s
  }

  /** A copy in one piece, for libraries that need one. */
  toBuffer(): Buffer {
    const b = Buffer.allocUnsafe(this.length)
    this.copyTo(b)
    return b
  }
}

/** No data. */
export const noData: Segments = new Segments()

/** Data of a command that is over: every use throws. */
export const deadData: Segments = new Segments()
deadData.revoke()
