import type { Task } from '../scsi'
// Straight from the modules: each use of a name through an index costs a getter call, a fifth of a null command.
import { descriptorSense, fixedSense, sense, type SenseDetail, senseKey } from '../scsi/sense'
import { sam, Status, statusRow } from '../scsi/status'

/** Statuses under which Data-In goes to the initiator (SAM-5 5.3.1: the command completed without error). */
const withData: ReadonlySet<number> = new Set([sam.GOOD, sam.CONDITION_MET])

/**
 * Put what the wire carries into the task: SAM status, sense data in the format the control mode page asks for, and no
 * Data-In beside an error.
 */
export function resultOf(task: Task, status: Status, descriptorFormat: boolean): void {
  if (status === Status.OK) return
  const row = statusRow(status)
  task.status = row.sam
  if (!withData.has(row.sam)) task.dataInLength = 0
  if (!row.sense) return
  if (row.sense === 'task') {
    if (task.senseLength > 0) return
    // A handler that promised sense and gave none: nothing of an earlier command may leak.
    task.setSense(encode(descriptorFormat, senseKey.HARDWARE_ERROR, sense.INTERNAL_TARGET_FAILURE, task))
    return
  }
  if (row.sense.key === senseKey.ILLEGAL_REQUEST && !task.detail?.field) task.detail = pointed(task, status)
  task.setSense(encode(descriptorFormat, row.sense.key, row.sense.code, task))
}

/** Fields of the CDB that a status is about when nobody has said more (SPC-4 4.5.2.4.2), the first that there is. */
const fieldsOf: ReadonlyMap<Status, readonly string[]> = new Map([
  [Status.RANGE, ['lba']],
  [Status.INVALID_PARAM_LIST_LEN, ['listLength']],
  [Status.INVALID_CDB, ['blocks', 'listLength', 'allocation']],
])
const OPERATION_CODE = { byte: 0, bit: -1, inCdb: true }

function pointed(task: Task, status: Status): SenseDetail | undefined {
  if (status === Status.INVALID_CMD || status === Status.NOT_HANDLED) return { ...task.detail, field: OPERATION_CODE }
  const at = task.row?.cdb.at as Readonly<Record<string, number | undefined>> | undefined
  const name = at && fieldsOf.get(status)?.find((n) => at[n] !== undefined)
  return name === undefined ? task.detail : { ...task.detail, field: { byte: at![name]!, bit: -1, inCdb: true } }
}

function encode(descriptor: boolean, key: number, code: Parameters<typeof fixedSense>[1], task: Task): Uint8Array {
  return (descriptor ? descriptorSense : fixedSense)(key, code, task.detail)
}
