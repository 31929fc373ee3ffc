import type { Lun, Nexus, Result } from '../lun'
import { type SenseDetail, senseKey, senseKeyOf } from '../sense'
import { sam, senseFor, Status, statusRow } from '../status'
import type { Task } from '../task'
import { CopyJob } from './jobs'
import type { CopyRequest } from './parameters'
import { type CopyFailure, copySegment, planOf } from './segment'

/** How a copy ended, as its command says it. */
interface Outcome {
  readonly status: Status
  readonly detail?: SenseDetail
  /** With PASSTHROUGH_ERR. */
  readonly sense?: Uint8Array
}

/** Keys of failures that are the initiator's to mend: told as the unit said them (a write protected destination, no space left). */
const verbatim: ReadonlySet<number> = new Set([senseKey.DATA_PROTECT])

/** SPC-4 5.17.7.4 */
function outcomeOf(failure: CopyFailure, segment: number): Outcome {
  const { status, byte, lease, source, residual } = failure
  if (status === Status.ABORTED) return { status }
  const sense = lease?.sense.slice(0, lease.senseLength)
  if (sense && verbatim.has(senseKeyOf(sense))) return { status: Status.PASSTHROUGH_ERR, sense }
  const detail: SenseDetail = {
    segment, field: { byte, bit: -1, inCdb: false }, ...(residual !== undefined && { information: residual }),
    ...(lease && sense && source && lease.status !== sam.GOOD && { forwarded: { source, status: lease.status, sense } }),
  }
  return { status, detail }
}

async function copyAll(lun: Lun, nexus: Nexus, job: CopyJob, request: CopyRequest): Promise<Outcome> {
  for (const [i, segment] of request.segments.entries()) {
    if (job.aborted) return { status: Status.ABORTED }
    const failure = await copySegment(lun, nexus, job, request, segment)
    if (failure) return outcomeOf(failure, i)
    job.segments++
  }
  return { status: Status.OK }
}

function conclude(lun: Lun, job: CopyJob, { status, detail, sense }: Outcome): void {
  const state = status === Status.OK ? 'done' : status === Status.ABORTED ? 'aborted' : 'failed'
  job.end(state, statusRow(status).sam, sense ?? senseFor(status, detail, lun.modes.dSense) ?? new Uint8Array(0))
}

async function run(lun: Lun, nexus: Nexus, job: CopyJob, request: CopyRequest): Promise<Outcome> {
  let outcome: Outcome = { status: Status.HW_ERR }
  try {
    outcome = await copyAll(lun, nexus, job, request)
  } finally {
    conclude(lun, job, outcome)
    lun.copies.ended()
  }
  return outcome
}

/** A segment that is too long is wrong before any is processed (SPC-4 5.17.7.3). */
function refuse(lun: Lun, task: Task, request: CopyRequest): Status | undefined {
  for (const segment of request.segments) {
    const plan = planOf(lun, task.nexus, request, segment)
    if ('status' in plan && plan.status === Status.INVALID_PARAM_LIST) return task.invalidParameter(plan.byte)
  }
  return undefined
}

/** Carry out a request: in the background when it says so, and the command has ended when it begins. */
export function copy(lun: Lun, task: Task, request: CopyRequest, serviceAction: number): Result {
  const refused = refuse(lun, task, request)
  if (refused !== undefined) return refused
  const job = new CopyJob(serviceAction, request.listIdentifier, request.immed, task.signal)
  const began = lun.copies.begin(task.nexus, job, request.named)
  if (began !== Status.OK) return began
  const ended = run(lun, task.nexus, job, request)
  if (request.immed) {
    ended.catch(() => undefined)
    return Status.OK
  }
  return ended.then(({ status, detail, sense }) => {
    if (sense) task.setSense(sense)
    task.detail = detail
    return status
  })
}
