import { constants } from 'node:os'
import { Status } from '@tcmu/host/handler'

export type Access = 'read' | 'write' | 'none'
/** What a result says beside the command: the cluster does not answer, or it has shut this client out. */
export type News = 'timed-out' | 'shut-out'

interface Row {
  readonly name: keyof typeof constants.errno | 'ESHUTDOWN'
  /** By what the command does with the image; a flush is a write. */
  readonly read: Status
  readonly write: Status
  readonly news?: News
}
const row = (name: Row['name'], read: Status, write = read, news?: News): Row => ({ name, read, write, ...(news && { news }) })

/** Linux has it, Node's list has not. */
const ESHUTDOWN = 108

/** What librbd answers, and what the initiator is told. */
export const answerRows: readonly Row[] = [
  row('ETIMEDOUT', Status.BUSY, Status.BUSY, 'timed-out'),
  row('ESHUTDOWN', Status.BUSY, Status.BUSY, 'shut-out'),
  // Once a lock was taken by name, writes without it; a snapshot is declared read-only and never gets here.
  row('EROFS', Status.BUSY, Status.BUSY, 'shut-out'),
  row('EILSEQ', Status.RD_ERR, Status.MISCOMPARE),
  row('EOVERFLOW', Status.RANGE),
  row('EINVAL', Status.INVALID_CDB),
  row('ENOSPC', Status.RD_ERR, Status.SPACE_FAILED),
  row('EDQUOT', Status.RD_ERR, Status.SPACE_FAILED),
  row('EPERM', Status.RD_ERR, Status.WRITE_PROTECTED),
  row('EACCES', Status.RD_ERR, Status.WRITE_PROTECTED),
  row('ENOMEM', Status.NO_RESOURCE),
  row('EBADF', Status.BUSY),
  row('EOPNOTSUPP', Status.NOT_HANDLED),
]
const other = { read: Status.RD_ERR, write: Status.WR_ERR }
const errnoOf = ({ name }: Row): number => (name === 'ESHUTDOWN' ? ESHUTDOWN : constants.errno[name])
const byErrno = new Map(answerRows.map((r) => [errnoOf(r), r]))

export interface Answer {
  readonly status: Status
  readonly news: News | undefined
}

/** What an operation that failed with `errno` means. */
export function answerOf(errno: number, access: Access): Answer {
  const found: Pick<Row, 'read' | 'write' | 'news'> = byErrno.get(errno) ?? other
  return { status: access === 'read' ? found.read : found.write, news: found.news }
}
