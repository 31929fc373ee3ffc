import type { CommandRow } from '../command-table'
import type { Lun } from '../lun'
import type { Status } from '../status'
import type { Task } from '../task'

/** INVALID FIELD IN CDB pointing at the field `name` of the task's CDB. */
export function invalidField(task: Task, name: string, bit = -1): Status {
  const at = task.row?.cdb.at
  return task.invalidCdb(at?.[name] ?? 0, bit)
}

const CONTROL_NACA = 2
const SERVICE_ACTION = { byte: 1, mask: 0x1f } as const
const VARIABLE_LENGTH = 0x7f

/** Byte of the CDB that holds CONTROL: the last one of its length, the second one of a variable length CDB (SAM-5 5.2). */
const controlByte = (task: Task, row: CommandRow): number => (task.cdb[0] === VARIABLE_LENGTH ? 1 : row.cdb.size - 1)

/** Points at the first bit set that has no meaning to the row: what its CDB usage data says (SPC-4 6.35.3). */
export function refuseReserved(task: Task): Status | undefined {
  const row = task.row!
  const { mask, size } = row.cdb
  for (let i = 0; i < size; i++) {
    const known = row.sa !== undefined && i === SERVICE_ACTION.byte ? mask[i]! | SERVICE_ACTION.mask : mask[i]!
    const wrong = task.cdb[i]! & ~known
    if (wrong !== 0) return task.invalidCdb(i, 31 - Math.clz32(wrong))
  }
  return undefined
}

/** What every CDB has to pass before its row looks at it: all of it there, NACA=0, and no reserved bit where that matters. */
export function refuseCdb(task: Task, row: CommandRow, strict = false): Status | undefined {
  if (task.cdbLength < row.cdb.size) return task.invalidCdb(task.cdbLength)
  const control = controlByte(task, row)
  if (task.cdb[control]! & (1 << CONTROL_NACA)) return task.invalidCdb(control, CONTROL_NACA)
  return strict ? refuseReserved(task) : undefined
}

const PROTECT_HIGH_BIT = 7

/** No protection information here (SPC-4 4.5.5: PROTECT=0), so RDPROTECT, WRPROTECT and VRPROTECT have to be 0. */
export const refuseProtect = (task: Task, protect: number): Status | undefined =>
  protect === 0 ? undefined : invalidField(task, 'protect', PROTECT_HIGH_BIT)

/** What every command that moves its range has to pass: no protection, at most MAXIMUM TRANSFER LENGTH (SBC-3 6.6.4), or more where the device takes more. */
export function refuseTransfer(lun: Lun, task: Task, protect: number): Status | undefined {
  if (protect !== 0) return refuseProtect(task, protect)
  const most = lun.limits.longestTransfer ?? lun.limits.maxTransfer
  return most !== 0 && task.blocks > most ? invalidField(task, 'blocks') : undefined
}
