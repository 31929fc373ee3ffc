import type { TcmuError } from '../errors'
import type { MalformedEntry } from '../ring'
import type { LogicalUnit } from '../scsi'

/** A mapped ring and its doorbells: a UIO device, or something that behaves like one. */
export interface RingPort {
  readonly memory: ArrayBuffer
  /** `fn` is called after the peer posted entries; one call may stand for many. Not from inside `kick`. */
  onWake(fn: () => void): void
  /** What `kick` writes to, and how many bytes, where threads of the I/O engine may do that. */
  readonly doorbell?: { readonly fd: number; readonly wordSize: number }
  /** Tell the peer that the tail moved. */
  kick(): void
}

/** What a pump asks of the logical unit it feeds. */
export type PumpedUnit = Pick<LogicalUnit, 'name' | 'execute' | 'abort' | 'join' | 'leave'>

export interface PumpOptions {
  readonly batch?: number
  readonly maxInFlight?: number
  /** Microseconds that an idle ring is looked at before sleeping, while its peer is quick. 0: never. Default: what fits the machine. */
  readonly pollMicros?: number | undefined
  /** Called at the end of each batch, before the kernel is told: hand collected I/O to its engine. */
  readonly flush?: () => void
  /** The ring is corrupt; nothing more is taken from it. */
  readonly broken?: (error: TcmuError) => void
  /** The peer posted nonsense that was answered or skipped. May be called for every command: limit what is logged. */
  readonly malformed?: (fault: MalformedEntry) => void
  /** The logical unit threw: a bug of the host. The command was answered. */
  readonly failed?: (error: unknown) => void
}
