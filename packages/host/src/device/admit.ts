import type { CommandRow, CommandTable, Lun, Result, Task, ViewOf } from '../scsi'
// Straight from the modules: a name through an index costs a getter call each time it is used.
import { refuseCdb } from '../scsi/commands/checks'
import { Status } from '../scsi/status'
import { claimOf, type RangeGate } from './gate'

const SERVICE_ACTION_BYTE = 1
const VARIABLE_LENGTH = 0x7f
const NACA = 0x04

/** What a unit under FORMAT UNIT or SANITIZE, or left over by them, says to commands that are not for then. */
export function conditionFor(lun: Lun, task: Task, row: CommandRow | undefined): Status | undefined {
  const { condition } = lun.operations
  if (!condition || row?.allowed?.[condition.state]) return undefined
  if (condition.progress >= 0) task.detail = { progress: condition.progress }
  return condition.status
}

/** What every command of the generic layer has to pass before its row runs; undefined lets it through. */
function refuse(lun: Lun, task: Task, row: CommandRow): Status | undefined {
  // As refuseCdb says it, without a call for each command.
  const size = row.cdb.size
  if (lun.strictCdb || task.cdbLength < size || task.cdb[0] === VARIABLE_LENGTH || task.cdb[size - 1]! & NACA) {
    const wrong = refuseCdb(task, row, lun.strictCdb)
    if (wrong !== undefined) return wrong
  }
  const barred = lun.barrier?.(task, row)
  if (barred !== undefined) return barred
  if (row.access === 'write' && (lun.readOnly || lun.modes.swp)) return Status.WRITE_PROTECTED
  if (lun.stopped && !row.allowed?.stopped) return Status.STOPPED
  return undefined
}

/** Fill in what the CDB addresses; a status when it lies beyond the last block (SBC-3 4.2.2). */
function address(lun: Lun, task: Task, row: CommandRow, cdb: ViewOf<never>): Status | undefined {
  const extent = row.extent!
  const lba = extent.lba(cdb)
  const blocks = extent.blocks(cdb)
  if (lba >= lun.blocks || blocks > lun.blocks - lba) {
    task.detail = { information: Number.isSafeInteger(lba) ? lba : -1 }
    return Status.RANGE
  }
  task.lba = lba
  task.blocks = blocks
  task.offset = lba * lun.blockSize
  task.length = blocks * lun.blockSize
  return undefined
}

/** The generic layer's answer: find out whether the row may run, wait for its turn where it must, and run it. */
export function runRow(lun: Lun, table: CommandTable, gate: RangeGate, task: Task): Result {
  const row = task.row
  if (!row) return table.find(task.cdb) === null ? task.invalidCdb(SERVICE_ACTION_BYTE, 4) : Status.INVALID_CMD
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
