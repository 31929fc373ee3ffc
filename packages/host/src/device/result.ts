import type { Task } from '../scsi'
// Straight from the modules: each use of a name through an index costs a getter call, a fifth of a null command.
import { descriptorSense, fixedSense, sense, senseKey } from '../scsi/sense'
import { sam, Status, type StatusRow, statusRow } from '../scsi/status'

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
  if (row.points && !task.detail?.field) task.detail = { ...task.detail, field: pointed(task, row.points) }
  task.setSense(encode(descriptorFormat, row.sense.key, row.sense.code, task))
}

/** The field of the CDB that a status speaks of; the operation code when the command has none of them. */
function pointed(task: Task, points: NonNullable<StatusRow['points']>): { byte: number; bit: number; inCdb: true } {
  const at = task.row?.cdb.at as Readonly<Record<string, number>> | undefined
  const name = points.find((p) => at?.[p] !== undefined)
  return { byte: name === undefined ? 0 : at![name]!, bit: -1, inCdb: true }
}

function encode(descriptor: boolean, key: number, code: Parameters<typeof fixedSense>[1], task: Task): Uint8Array {
  return (descriptor ? descriptorSense : fixedSense)(key, code, task.detail)
}
