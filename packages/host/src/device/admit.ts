import type { CommandRow, CommandTable, Lun, Result, Task, ViewOf } from '../scsi'
// Straight from the modules: a name through an index costs a getter call each time it is used.
import { address, refuse, unknownCommand } from '../scsi/admit'
import { Status } from '../scsi/status'
import { claimOf, type RangeGate } from './gate'

/** What a unit under FORMAT UNIT or SANITIZE, or left over by them, says to commands that are not for then. */
export function conditionFor(lun: Lun, task: Task, row: CommandRow | undefined): Status | undefined {
  const { condition } = lun.operations
  if (!condition || row?.allowed?.[condition.state]) return undefined
  if (condition.progress >= 0) task.detail = { progress: condition.progress }
  return condition.status
}

/** The generic layer's answer: find out whether the row may run, wait for its turn where it must, and run it. */
export function runRow(lun: Lun, table: CommandTable, gate: RangeGate, task: Task): Result {
  const row = task.row
  if (!row) return unknownCommand(lun, task)
  const refused = refuse(lun, task, row)
  if (refused !== undefined) return refused
  const cdb = table.viewOf(row, task.cdb) as ViewOf<never>
  if (row.extent) {
    const outside = address(lun, task, row, cdb)
    if (outside !== undefined) return outside
  }
  if (row.access === 'write' || row.exclusive) {
    const turn = gate.enter(task, claimOf(row.exclusive))
    if (turn) return afterTurn(turn, lun, table, task, row)
  }
  return row.run(lun, task, cdb)
}

async function afterTurn(turn: Promise<void>, lun: Lun, table: CommandTable, task: Task, row: CommandRow): Promise<Status> {
  await turn
  if (task.aborted) return Status.ABORTED
  // FORMAT UNIT or SANITIZE may have been ahead of it, and go on when their command has ended.
  return conditionFor(lun, task, row) ?? row.run(lun, task, table.viewOf(row, task.cdb))
}
