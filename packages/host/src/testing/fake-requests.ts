import type { CmdResponse } from '../ring/abi'
import { MailboxFlag, UserFlag } from '../ring/abi'
import { sam } from '../scsi'

export const none = new Uint8Array(0)

export interface FakeKernelOptions {
  /** Mailbox and command ring, bytes; small, so that it wraps. Default 4096. */
  readonly ringBytes?: number
  /** Default 1 MiB. */
  readonly dataBytes?: number
  readonly blockBytes?: number
  /** Mailbox flags; default: everything. */
  readonly flags?: number
  readonly seed?: number
  /** `ringBytes + dataBytes` to live in, e.g. a mapping that the other side has too. Default: its own. */
  readonly memory?: ArrayBuffer
  /** `fail`: TASK SET FULL when there is no room (qfull_time_out=0), instead of queueing. */
  readonly whenFull?: 'queue' | 'fail'
}

/** Bytes an initiator sends or has room for; both make a bidirectional command. */
export interface Transfer {
  readonly dataIn?: number
  readonly dataOut?: Uint8Array
}

/** What the initiator gets. */
export interface KernelAnswer {
  readonly id: number
  readonly status: number
  readonly sense: Uint8Array | null
  /** Data-In that was delivered. */
  readonly data: Uint8Array
  /** Data-In asked for and not delivered. */
  readonly residual: number
  /** Ended by task management; user space's answer was not looked at. */
  readonly aborted: boolean
}

/** A command on its way through the fake kernel. */
export interface Request {
  readonly id: number
  readonly cdb: Uint8Array
  readonly dataIn: number
  readonly dataOut: Uint8Array
  readonly tell: ((a: KernelAnswer) => void) | undefined
  state: 'waiting' | 'posted' | 'expired' | 'kept'
  aborted: boolean
  out: number[]
  in: number[]
}

export type Response = ReturnType<typeof CmdResponse.decode>

/** Bytes of Data-In that the kernel copies to the initiator, by what user space said (tcmu-kernel-abi 4.3, 4.4). */
export function delivered(r: Request, uflags: number, flags: number, { scsiStatus, readLen }: Response): number {
  const counted = (uflags & UserFlag.READ_LEN) !== 0 && (flags & MailboxFlag.READ_LEN) !== 0 && readLen > 0 && r.dataOut.length === 0
  if (counted) return Math.min(readLen, r.dataIn)
  return scsiStatus === sam.CHECK_CONDITION ? 0 : r.dataIn
}
