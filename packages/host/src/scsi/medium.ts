import { Segments } from '../wire'
import type { BlockIo, Lun, Result } from './lun'
import { Status } from './status'
import { Direction, type Task } from './task'

/** What works on the medium and can be told to stop: a command, or an operation that outlives its command. */
export interface Activity {
  readonly aborted: boolean
  readonly signal: AbortSignal
}

/** Largest private buffer of a command that the host makes out of reads and writes. */
export const CHUNK_BYTES = 2 ** 20

/** A stretch of the medium and memory for it, on behalf of a task or operation. */
export class PartIo implements BlockIo {
  constructor(
    private readonly task: Activity, readonly data: Segments, readonly offset: number, readonly length = data.length, readonly fua = false,
  ) {}
  get signal(): AbortSignal {
    return this.task.signal
  }
}

/** Everything acknowledged is on the medium when this settles; a handler without `flush` writes through. */
export function flush(lun: Lun, task: Activity): Result {
  const flushed = lun.ops.flush?.(task.signal) ?? Status.OK
  if (typeof flushed === 'number') return flushed === Status.NOT_HANDLED ? Status.OK : flushed
  return flushed.then((s) => (s === Status.NOT_HANDLED ? Status.OK : s))
}

/** `next` when `first` went well, its status otherwise; no promise while there is none. */
export function andThen(first: Result, next: () => Result): Result {
  if (typeof first === 'number') return first === Status.OK ? next() : first
  return first.then((s) => (s === Status.OK ? next() : s))
}

/** Whether a write has to ask for FUA, and whether the host has to flush after it (SBC-3 4.13, FUA). */
export const fuaNative = (lun: Lun, fua: boolean): boolean => fua && lun.writeCache && lun.abilities.fua === 'native'
export const fuaFlush = (lun: Lun, fua: boolean): boolean => fua && lun.writeCache && lun.abilities.fua !== 'native'

/** Write `data` at `offset`, on the medium when it settles if `fua`. */
export function writePart(lun: Lun, task: Task, data: Segments, offset: number, fua: boolean): Result {
  const written = lun.ops.write(new PartIo(task, data, offset, data.length, fuaNative(lun, fua)))
  return fuaFlush(lun, fua) ? andThen(written, () => flush(lun, task)) : written
}

/** Bytes of whole blocks there are for the task's range: fewer than `task.length` when the initiator sent less. */
export const wholeBlocks = (lun: Lun, task: Task): number =>
  task.data.length >= task.length ? task.length : task.data.length - (task.data.length % lun.blockSize)

/** Data-Out was promised the other way round: memory of `task.data` is not what the initiator sent. */
export const noDataOut = (task: Task): boolean => task.direction === Direction.IN

const chunkBytes = (lun: Lun): number => Math.max(lun.blockSize, CHUNK_BYTES - (CHUNK_BYTES % lun.blockSize))

/** So many hold something at a time, the others wait in order. */
export class Turns {
  private readonly waiting: (() => void)[] = []
  private held = 0
  constructor(private readonly most: number) {}

  take(): Promise<void> | undefined {
    if (this.held >= this.most) return new Promise((go) => void this.waiting.push(go))
    this.held++
    return undefined
  }
  give(): void {
    const next = this.waiting.shift()
    if (next) next()
    else this.held--
  }
}

/** Memory for the stretches of `eachChunk`: one area a command, since I/O engines keep a registration for each. */
export class ChunkBuffer {
  readonly bytes: Uint8Array
  private readonly whole: Segments
  constructor(lun: Lun, length: number) {
    this.bytes = new Uint8Array(Math.min(length, chunkBytes(lun)))
    this.whole = Segments.of(this.bytes)
  }
  /** The first `size` bytes of it. */
  segments(size: number): Segments {
    return size === this.whole.length ? this.whole : this.whole.slice(0, size)
  }
}

/** Run `work` with a buffer for `length` bytes, when it is this command's turn to have one. */
export async function withChunks(lun: Lun, task: Activity, length: number, work: (buffer: ChunkBuffer) => Result): Promise<Status> {
  await lun.scratch?.take()
  try {
    return task.aborted ? Status.ABORTED : await work(new ChunkBuffer(lun, length))
  } finally {
    lun.scratch?.give()
  }
}

/**
 * Call `step` for consecutive stretches of at most CHUNK_BYTES whole blocks. Ends at the first status that is not OK, and
 * between stretches when the task was aborted.
 */
export async function eachChunk(
  lun: Lun, task: Activity, length: number, step: (at: number, size: number) => Result,
): Promise<Status> {
  const most = chunkBytes(lun)
  for (let at = 0; at < length; at += most) {
    if (task.aborted) return Status.ABORTED
    const status = await step(at, Math.min(most, length - at))
    if (status !== Status.OK) return status
  }
  return Status.OK
}

/** Blocks can be unmapped (LBPME), and what they read as then: READ CAPACITY(16) and VPD B2h say the same. */
export const provisioned = (lun: Lun): boolean => lun.abilities.unmap !== 'none'
/** Resource provisioned (SBC-3 4.7.3.3): an unmapped block is anchored, which is to say zeroed; its storage stays. */
export const anchors = (lun: Lun): boolean => lun.abilities.unmap === 'emulate'
/** The device can tell how much storage it has left, so that it may be told to report when that falls short. */
export const thresholdsOf = (lun: Lun): boolean => provisioned(lun) && !anchors(lun) && lun.abilities.space !== 'none'
export const readsZero = (lun: Lun): boolean => anchors(lun) || (provisioned(lun) && lun.unmappedReadsZero)
