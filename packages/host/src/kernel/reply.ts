import { constants } from 'node:os'
import { TcmuError } from '../errors'
import { Status } from '../scsi'

const { errno } = constants

/** errno that the administrator's write ends with, by the code of what went wrong here. */
const byCode: Readonly<Record<string, number>> = {
  E_UNKNOWN_SUBTYPE: errno.ENOENT,
  E_CFGSTRING: errno.EINVAL,
  E_CONFIG_REFUSED: errno.EINVAL,
  E_DEVICE_GEOMETRY: errno.EINVAL,
  E_FILE_PATH: errno.EINVAL,
  E_FILE_KIND: errno.EINVAL,
  E_FILE_FOLDER: errno.ENOENT,
  E_FILE_LOCKED: errno.EBUSY,
  E_RING_MAILBOX: errno.EPROTO,
  E_UIO_BUSY: errno.EBUSY,
}

const byStatus: ReadonlyMap<Status, number> = new Map([
  [Status.NOT_HANDLED, errno.EOPNOTSUPP],
  [Status.INVALID_CMD, errno.EOPNOTSUPP],
  [Status.INVALID_CDB, errno.EINVAL],
  [Status.INVALID_PARAM_LIST, errno.EINVAL],
  [Status.RANGE, errno.EINVAL],
  [Status.BUSY, errno.EBUSY],
  [Status.FRMT_IN_PROGRESS, errno.EBUSY],
  [Status.NO_RESOURCE, errno.ENOMEM],
  [Status.SPACE_FAILED, errno.ENOSPC],
  [Status.WRITE_PROTECTED, errno.EROFS],
  [Status.NOT_READY, errno.ENODEV],
  [Status.TIMEOUT, errno.ETIMEDOUT],
])

/** Libraries wrap errors; deeper than this nobody looks. */
const MAX_CAUSES = 4

/** The negative errno that says best what was thrown: ours by its code, the system's own, EIO for anything else. */
export function errnoOf(error: unknown): number {
  let e = error
  for (let depth = 0; depth < MAX_CAUSES && typeof e === 'object' && e !== null; depth++) {
    const { code, errno: number, cause } = e as { code?: unknown; errno?: unknown; cause?: unknown }
    const known = e instanceof TcmuError ? byCode[e.code] : undefined
    if (known !== undefined) return -known
    if (typeof number === 'number' && number < 0 && number > -4096) return number
    const named = typeof code === 'string' ? (errno as Readonly<Record<string, number>>)[code] : undefined
    if (named !== undefined) return -named
    e = cause
  }
  return -errno.EIO
}

/** 0 or the negative errno for what a handler answered to a change. */
export const errnoOfStatus = (status: Status): number => (status === Status.OK ? 0 : -(byStatus.get(status) ?? errno.EIO))

export const EINTR = -errno.EINTR
export const ENOENT = -errno.ENOENT
export const EBUSY = -errno.EBUSY
export const EINVAL = -errno.EINVAL
export const EOPNOTSUPP = -errno.EOPNOTSUPP
