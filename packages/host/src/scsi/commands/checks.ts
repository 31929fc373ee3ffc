import type { Lun } from '../lun'
import type { Status } from '../status'
import type { Task } from '../task'

/** INVALID FIELD IN CDB pointing at the field `name` of the task's CDB. */
export function invalidField(task: Task, name: string, bit = -1): Status {
  const at = task.row?.cdb.at
  return task.invalidCdb(at?.[name] ?? 0, bit)
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

const OPERATION_CODE = 0
const SERVICE_ACTION_BYTE = 1
const SERVICE_ACTION = 0x1f

/** Reserved bits that are set, for commands whose mistakes cannot be undone. */
export function refuseReserved(task: Task): Status | undefined {
  const { cdb, sa } = task.row!
  for (let at = OPERATION_CODE + 1; at < cdb.size; at++) {
    const known = cdb.mask[at]! | (at === SERVICE_ACTION_BYTE && sa !== undefined ? SERVICE_ACTION : 0)
    const unknown = task.cdb[at]! & ~known
    if (unknown) return task.invalidCdb(at, 31 - Math.clz32(unknown))
  }
  return undefined
}
