import type { ViewOf } from '../wire'
// Straight from the modules: a name through an index costs a getter call each time it is used.
import type { CommandRow } from './command-table'
import { refuseCdb } from './commands/checks'
import type { Lun, Result } from './lun'
import { Status } from './status'
import type { Task } from './task'

const SERVICE_ACTION_BYTE = 1
const VARIABLE_LENGTH = 0x7f
const NACA = 0x04

/** What every command of the generic layer has to pass before its row runs; undefined lets it through. */
export function refuse(lun: Lun, task: Task, row: CommandRow): Status | undefined {
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
export function address(lun: Lun, task: Task, row: CommandRow, cdb: ViewOf<never>): Status | undefined {
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

/** What a command gets that has no row: another service action, or another operation code. */
export const unknownCommand = (lun: Lun, task: Task): Status =>
  lun.commands.find(task.cdb) === null ? task.invalidCdb(SERVICE_ACTION_BYTE, 4) : Status.INVALID_CMD

/**
 * Find the row of a task, check its CDB, range and write protection, and fill in what it addresses. A status refuses it;
 * undefined: `task.row` may run, or there is none and the command is somebody's own.
 */
export function admit(lun: Lun, task: Task): Status | undefined {
  const row = (task.row ??= lun.commands.find(task.cdb) ?? undefined)
  if (!row) return undefined
  const refused = refuse(lun, task, row)
  if (refused !== undefined || !row.extent) return refused
  return address(lun, task, row, lun.commands.viewOf(row, task.cdb) as ViewOf<never>)
}

/**
 * Answer one command of a unit as the host would, from the rows of `lun.commands`: for whoever sees commands first and
 * leaves some of them to the host. Returns what becomes of the task; it is not finished by this.
 */
export function emulate(lun: Lun, task: Task): Result {
  if (lun.emulate) return lun.emulate(task)
  const refused = admit(lun, task)
  if (refused !== undefined) return refused
  return task.row ? task.row.run(lun, task, lun.commands.viewOf(task.row, task.cdb)) : unknownCommand(lun, task)
}
