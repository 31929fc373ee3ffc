import { constants } from 'node:os'
import { Status } from '@tcmu/host/handler'

/** Linux; Node.js does not name it. A descriptor that was opened before its brick was lost. */
const EBADFD = 77

/** What an answer means beside the status: the way to the file is lost, or the lock is another client's. */
export type Loss = 'connection-lost' | 'lock-lost'
type Access = 'read' | 'write' | 'none'

interface Row {
  readonly errnos: readonly number[]
  readonly status: Status
  readonly loss?: Loss
}

const e = constants.errno
const rows: readonly Row[] = [
  { errnos: [e.ENOTCONN, EBADFD, e.ESTALE, e.ETIMEDOUT, e.ECONNRESET, e.EPIPE], status: Status.BUSY, loss: 'connection-lost' },
  { errnos: [e.EAGAIN, e.EBUSY], status: Status.BUSY, loss: 'lock-lost' },
  // After the device began to close.
  { errnos: [e.EBADF, e.ECANCELED], status: Status.BUSY },
  { errnos: [e.ENOSPC, e.EDQUOT], status: Status.SPACE_FAILED },
  { errnos: [e.EROFS], status: Status.WRITE_PROTECTED },
  { errnos: [e.EINVAL, e.EFBIG], status: Status.INVALID_CDB },
  { errnos: [e.ENOMEM], status: Status.NO_RESOURCE },
  { errnos: [e.EOPNOTSUPP, e.ENOSYS], status: Status.NOT_HANDLED },
]
const byErrno: ReadonlyMap<number, Row> = new Map(rows.flatMap((row) => row.errnos.map((n) => [n, row] as const)))

/** Any other error is the medium's: a command without data is a flush, whose failure is that of earlier writes. */
const medium: Readonly<Record<Access, Row>> = {
  read: { errnos: [], status: Status.RD_ERR }, write: { errnos: [], status: Status.WR_ERR }, none: { errnos: [], status: Status.WR_ERR },
}

/** What the initiator is told of an operation that failed with `errno`, and what else that means. */
export const answerOf = (errno: number, access: Access): Pick<Row, 'status' | 'loss'> => byErrno.get(errno) ?? medium[access]
