import type { CommandTable, Lun, Task } from '../scsi'
import { MAX_TRANSFER_BYTES } from './spec'

/** Bytes of data that a front end has to have room for; `owned`: the handler may know commands that the table does not. */
export function transferOf(lun: Lun, commands: CommandTable, task: Task, owned: boolean): number {
  const row = commands.find(task.cdb)
  if (!row || task.cdbLength < row.cdb.size) return owned ? Math.min(task.expected, MAX_TRANSFER_BYTES) : 0
  const wanted = row.transfer?.(commands.viewOf(row, task.cdb), lun) ?? 0
  const most = (lun.limits.longestTransfer ?? lun.limits.maxTransfer) * lun.blockSize
  if (row.extent && wanted > 2 * most) return 0
  return Math.min(wanted, task.expected, 2 * most)
}
