import { losesBackend, statusOfError } from '../handler/errno'
import type { Access } from '../scsi/command-table'
import { Status } from '../scsi/status'

/** What can be told of something that a handler threw. */
export interface Fault {
  readonly status: Status
  readonly message: string
  /** errno name, or the name of its class. */
  readonly kind: string
  /** Where it came from, when it is no error of the system. */
  readonly stack?: string | undefined
  /** The backend is not there any more: it has to be opened again. */
  readonly lost?: boolean
}

/** Anything can be thrown, also what throws again when it is looked at. */
export function faultOf(e: unknown, access: Access): Fault {
  try {
    const error = e instanceof Error ? e : new Error(String(e))
    const { code } = error as { code?: string | number }
    return {
      status: statusOfError(e, access), message: String(error.message), kind: String(code ?? error.name), lost: losesBackend(e), ...(code === undefined && { stack: error.stack }),
    }
  } catch {
    return { status: Status.HW_ERR, message: 'something was thrown that cannot be looked at', kind: 'unknown' }
  }
}

export function isThenable(value: unknown): value is PromiseLike<Status> {
  try {
    return typeof (value as Partial<PromiseLike<Status>> | null | undefined)?.then === 'function'
  } catch {
    return false
  }
}
