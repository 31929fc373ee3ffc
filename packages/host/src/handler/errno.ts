import type { Access } from '../scsi/command-table'
import { Status } from '../scsi/status'

/** Errors that mean the way to the backend is lost, not the command. */
const connection = [
  'ETIMEDOUT', 'ECONNRESET', 'ENOTCONN', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN',
]

type Directed = Readonly<Record<Access, Status>>
const always = (s: Status): Directed => ({ read: s, write: s, none: s })
/** A command without data that reaches a handler is a flush; what it could not do is a write. */
const medium: Directed = { read: Status.RD_ERR, write: Status.WR_ERR, none: Status.WR_ERR }
const forbidden: Directed = { read: Status.HW_ERR, write: Status.WRITE_PROTECTED, none: Status.HW_ERR }

const rows: readonly (readonly [names: readonly string[], status: Directed])[] = [
  [['EIO', 'EILSEQ'], medium],
  [['ENOSPC', 'EDQUOT'], always(Status.SPACE_FAILED)],
  [['EROFS', 'EPERM', 'EACCES'], forbidden],
  [['EAGAIN', 'EBUSY', ...connection], always(Status.BUSY)],
  [['ENOMEM', 'EMFILE', 'ENFILE'], always(Status.NO_RESOURCE)],
  [['ENODEV', 'ENXIO', 'ESTALE'], always(Status.NOT_READY)],
  [['EFBIG', 'EOVERFLOW'], always(Status.RANGE)],
  [['ABORT_ERR'], always(Status.ABORTED)],
]
const byCode: ReadonlyMap<string, Directed> = new Map(rows.flatMap(([names, status]) => names.map((n) => [n, status] as const)))
const lost: ReadonlySet<string> = new Set(connection)
const gone: ReadonlySet<string> = new Set([...connection, 'ENODEV', 'ENXIO', 'ESTALE'])

/** Libraries wrap errors; deeper than this nobody looks. */
const MAX_CAUSES = 4

/** The first errno name in an error or its causes that the table knows. */
function codeOf(error: unknown): string | undefined {
  let e = error
  for (let depth = 0; depth < MAX_CAUSES && typeof e === 'object' && e !== null; depth++) {
    const { code, name, cause } = e as { code?: unknown; name?: unknown; cause?: unknown }
    if (typeof code === 'string' && byCode.has(code)) return code
    if (name === 'AbortError') return 'ABORT_ERR'
    e = cause
  }
  return undefined
}

/**
 * What the initiator is told when a handler throws: by errno `code` of the error or of what caused it, and by what the
 * command does with the medium. Anything without a known errno is a fault of the handler: HW_ERR.
 */
export function statusOfError(error: unknown, access: Access): Status {
  const code = codeOf(error)
  return code === undefined ? Status.HW_ERR : byCode.get(code)![access]
}

/** Whether an error says that the connection to the backend is gone. */
export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && lost.has(code)
}

/** Whether an error says that the backend has to be opened again: the connection is gone, or what it led to. */
export function losesBackend(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && gone.has(code)
}

/** errno names by the status they become on a write and on a read; for the documentation. */
export const errnoTable: readonly (readonly [names: readonly string[], read: Status, write: Status])[] =
  rows.map(([names, status]) => [names, status.read, status.write])
