import { type CommandTable, invalidField, type Lun, type Result, senseKey, Status, type Task, type ViewOf } from '@tcmu/host/scsi'
import type { Drive } from './drive'
import type { MmcRow } from './row'
import { fail } from './sense'
import type { Unit } from './unit'

const NACA = 2

/** What has to hold before a row runs; undefined lets it through. */
function refuse(unit: Unit, task: Task, row: MmcRow): Status | undefined {
  if (task.cdbLength < row.cdb.size) return task.invalidCdb(task.cdbLength)
  const control = row.cdb.size - 1
  if (task.cdb[control] & (1 << NACA)) return task.invalidCdb(control, NACA)
  const { unready } = unit.drive
  return row.medium && unready ? fail(unit, task, senseKey.NOT_READY, unready) : undefined
}

/** Fill in what the CDB addresses; a status when that is not on the disc. */
function address(unit: Unit, task: Task, row: MmcRow, cdb: ViewOf<never>): Status | undefined {
  const lba = row.extent!.lba(cdb)
  const blocks = row.extent!.blocks(cdb)
  // An MSF address may be none at all (NaN), or lie before the first block.
  if (!(lba >= 0 && lba < unit.blocks && blocks >= 0 && blocks <= unit.blocks - lba)) {
    task.detail = { information: lba }
    return Status.RANGE
  }
  if (blocks > unit.limits.maxTransfer && row.dataDirection === 'in') return invalidField(task, 'blocks')
  task.lba = lba
  task.blocks = blocks
  task.offset = lba * unit.blockSize
  task.length = blocks * unit.blockSize
  return undefined
}

/** Answer a command by the rows of `table`. */
export function answer(drive: Drive, table: CommandTable, task: Task, lun: Lun): Result {
  drive.attach(lun, task.nexus)
  const row = table.find(task.cdb) as MmcRow | undefined
  if (!row) return Status.NOT_HANDLED
  const { unit } = drive
  const refused = refuse(unit, task, row)
  if (refused !== undefined) return refused
  const cdb = table.viewOf(row, task.cdb) as ViewOf<never>
  const outside = row.extent && address(unit, task, row, cdb)
  return outside ?? row.run(unit, task, cdb)
}
