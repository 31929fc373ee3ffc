import { type CommandRow, command } from '../command-table'
import { CopyAbort, CopyIn1, CopyIn4, CopyOut, CopyParameters } from '../cdb'
import {
  copy, type CopyJob, copyLimits, descriptorType, FailureDetails, headerLid1, headerLid4, managerStatus, OperatingParameters, operationStatus,
  parseCopy, StatusLid1, StatusLid4, units,
} from '../copy'
import type { Lun, Result } from '../lun'
import { op, serviceAction as sa } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { invalidField } from './checks'

/** AVAILABLE DATA does not count itself. */
const AVAILABLE = 4
const MAX_U16 = 0xffff
const MAX_U32 = 0xffffffff
const POLL_MS = 1000

const extendedCopy = (action: number, headerOf: typeof headerLid1) => (lun: Lun, task: Task, c: { listLength: number }): Result => {
  if (c.listLength === 0) return Status.OK
  const request = parseCopy(task, c.listLength, headerOf)
  return typeof request === 'number' ? request : copy(lun, task, request, action)
}

/** SPC-4 6.3: the command of the copy ends as ABORT TASK would end it. */
function runAbort(lun: Lun, task: Task, c: { listIdentifier: number }): Result {
  const job = lun.copies.find(task.nexus, c.listIdentifier)
  if (job?.state !== 'running') return invalidField(task, 'listIdentifier')
  return job.abort().then(() => Status.OK)
}

/** SPC-4 6.22 */
function runOperatingParameters(_lun: Lun, task: Task, c: { allocation: number }): Result {
  const types = Uint8Array.of(descriptorType.BLOCK_TO_BLOCK, descriptorType.IDENTIFICATION)
  const head = OperatingParameters.encode({
    available: OperatingParameters.size + types.length - AVAILABLE, snlid: 1, maxCscd: copyLimits.cscd, maxSegments: copyLimits.segments,
    maxDescriptorList: copyLimits.descriptorBytes, maxSegmentLength: copyLimits.segmentBytes, totalCopies: copyLimits.concurrent,
    maxCopies: copyLimits.concurrent, dataGranularity: copyLimits.granularity, implementedLength: types.length,
  })
  return task.respond(Buffer.concat([head, types]), c.allocation)
}

type Receive = { listIdentifier: number; allocation: number }
type Report = (job: CopyJob) => Uint8Array | undefined

/** Answer with what `report` makes of the job; INVALID FIELD IN CDB when there is none or nothing to be said of it yet. */
const receive = (format: number | undefined, report: Report) => (lun: Lun, task: Task, c: Receive): Result => {
  const job = lun.copies.find(task.nexus, c.listIdentifier)
  const data = job && (format === undefined || job.serviceAction === format) ? report(job) : undefined
  return data ? task.respond(data, c.allocation) : invalidField(task, 'listIdentifier')
}

const state1 = { running: managerStatus.RUNNING, done: managerStatus.DONE, failed: managerStatus.FAILED, aborted: managerStatus.FAILED } as const
/** SPC-4 6.25 */
function statusLid1(job: CopyJob): Uint8Array {
  const large = job.bytes > MAX_U32
  return StatusLid1.encode({
    available: StatusLid1.size - AVAILABLE, managerStatus: state1[job.state], segments: job.segments, units: large ? units.KIBIBYTES : units.BYTES,
    count: large ? Math.floor(job.bytes / 1024) : job.bytes,
  })
}

/** SPC-4 6.23 */
function failureDetails(job: CopyJob): Uint8Array | undefined {
  if (job.state === 'running') return undefined
  if (job.state === 'done') return new Uint8Array(AVAILABLE)
  const senseLength = job.sense.length
  return Buffer.concat([FailureDetails.encode({ available: FailureDetails.size + senseLength - AVAILABLE, status: job.status, senseLength }), job.sense])
}

function operationStatusOf(job: CopyJob): number {
  if (job.state === 'running') return job.background ? operationStatus.BACKGROUND : operationStatus.FOREGROUND
  return { done: operationStatus.DONE, failed: operationStatus.FAILED, aborted: operationStatus.TERMINATED }[job.state]
}
/** SPC-4 6.24 */
function statusLid4(job: CopyJob): Uint8Array {
  const senseLength = job.sense.length
  const head = StatusLid4.encode({
    available: StatusLid4.size + senseLength - AVAILABLE, serviceAction: job.serviceAction, operationStatus: operationStatusOf(job),
    operations: job.operations % (MAX_U16 + 1), delay: job.state === 'running' ? POLL_MS : 0, completion: job.status, senseFieldLength: senseLength,
    senseLength, units: units.BYTES, count: job.bytes, segments: job.segments,
  })
  return Buffer.concat([head, job.sense])
}

const out = { op: op.THIRD_PARTY_COPY_OUT, access: 'none', needs: 'extendedCopy' } as const
const sending = { ...out, cdb: CopyOut, dataDirection: 'out', transfer: (c: { listLength: number }): number => c.listLength } as const
const receiving = {
  op: op.THIRD_PARTY_COPY_IN, access: 'none', needs: 'extendedCopy', dataDirection: 'in', transfer: (c: { allocation: number }): number => c.allocation,
} as const

export const extendedCopyLid1 = command({
  ...sending, sa: sa.EXTENDED_COPY_LID1, name: 'EXTENDED COPY(LID1)', run: extendedCopy(sa.EXTENDED_COPY_LID1, headerLid1),
})
export const extendedCopyLid4 = command({
  ...sending, sa: sa.EXTENDED_COPY_LID4, name: 'EXTENDED COPY(LID4)', run: extendedCopy(sa.EXTENDED_COPY_LID4, headerLid4),
})
export const copyOperationAbort = command({
  ...out, sa: sa.COPY_OPERATION_ABORT, name: 'COPY OPERATION ABORT', cdb: CopyAbort, dataDirection: 'none', run: runAbort,
})
export const receiveCopyStatusLid1 = command({
  ...receiving, sa: sa.RECEIVE_COPY_STATUS_LID1, name: 'RECEIVE COPY STATUS(LID1)', cdb: CopyIn1, run: receive(sa.EXTENDED_COPY_LID1, statusLid1),
})
export const receiveCopyOperatingParameters = command({
  ...receiving, sa: sa.RECEIVE_COPY_OPERATING_PARAMETERS, name: 'RECEIVE COPY OPERATING PARAMETERS', cdb: CopyParameters, run: runOperatingParameters,
})
export const receiveCopyFailureDetails = command({
  ...receiving, sa: sa.RECEIVE_COPY_FAILURE_DETAILS_LID1, name: 'RECEIVE COPY FAILURE DETAILS(LID1)', cdb: CopyIn1,
  run: receive(sa.EXTENDED_COPY_LID1, failureDetails),
})
export const receiveCopyStatusLid4 = command({
  ...receiving, sa: sa.RECEIVE_COPY_STATUS_LID4, name: 'RECEIVE COPY STATUS(LID4)', cdb: CopyIn4, run: receive(undefined, statusLid4),
})

export const thirdPartyCopyCommands: readonly CommandRow[] = [
  extendedCopyLid1, extendedCopyLid4, copyOperationAbort, receiveCopyStatusLid1, receiveCopyOperatingParameters, receiveCopyFailureDetails,
  receiveCopyStatusLid4,
]
