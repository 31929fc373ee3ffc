import type { LogicalUnit, Lun, Nexus } from '../lun'
import { ChunkBuffer, PartIo, withChunks } from '../medium'
import { sam, Status } from '../status'
import { naaOf } from '../vpd/identification'
import type { CopyJob } from './jobs'
import { BlockToBlock } from './layouts'
import { Lease, type Stretch } from './lease'
import { copyLimits } from './limits'
import type { CopyRequest, CopySegment, CopyTarget } from './parameters'
import { targetOf } from './parameters'

/** Why a segment could not be copied, and where in the parameter list that is. */
export interface CopyFailure {
  readonly status: Status
  readonly byte: number
  /** The lease that failed, and what it was for. */
  readonly lease?: Lease
  readonly source?: 1 | 2
  /** Blocks of the destination that were not written; only when some were. */
  readonly residual?: number
}

/** One end of a segment. */
interface End {
  readonly unit: LogicalUnit
  readonly offset: number
}
interface Plan {
  readonly source: End
  readonly destination: End
  readonly bytes: number
}

const idOf = (unit: Lun): string => Buffer.from(naaOf(unit.identity.serial)).toString('hex')
const isFailure = (x: object): x is CopyFailure => 'status' in x

/** The unit that a CSCD descriptor stands for, among those that the nexus may reach. */
function unitOf(lun: Lun, nexus: Nexus, target: CopyTarget | 'this unit'): LogicalUnit | Status {
  for (const unit of lun.neighbours(nexus)) {
    if (target === 'this unit' ? unit !== (lun as object) : idOf(unit) !== target.naa) continue
    if (unit.abilities.extendedCopy === 'none') return Status.CP_TGT_DEV_NOTCONN
    if (target === 'this unit') return unit
    const fits = target.deviceType === unit.deviceType && (target.blockLength === 0 || target.blockLength === unit.blockSize)
    return fits ? unit : Status.INVALID_CP_TGT_DEV_TYPE
  }
  return Status.CP_TGT_DEV_NOTCONN
}

function endOf(lun: Lun, nexus: Nexus, request: CopyRequest, id: number, field: number): LogicalUnit | CopyFailure {
  const target = targetOf(request, id)
  if (!target) return { status: Status.CP_TGT_DEV_NOTCONN, byte: field }
  const unit = unitOf(lun, nexus, target)
  return typeof unit === 'number' ? { status: unit, byte: target === 'this unit' ? field : target.at } : unit
}

/** What a segment comes to; blocks that a unit has not are as unreachable as a unit that is not there. */
export function planOf(lun: Lun, nexus: Nexus, request: CopyRequest, segment: CopySegment): Plan | CopyFailure {
  const { at, blocks, dc } = segment
  const field = (name: keyof typeof BlockToBlock.at): number => at + BlockToBlock.at[name]
  const source = endOf(lun, nexus, request, segment.source, field('source'))
  if (isFailure(source)) return source
  const destination = endOf(lun, nexus, request, segment.destination, field('destination'))
  if (isFailure(destination)) return destination
  const bytes = blocks * (dc ? destination : source).blockSize
  if (bytes > copyLimits.segmentBytes) return { status: Status.INVALID_PARAM_LIST, byte: field('blocks') }
  if (bytes % source.blockSize || bytes % destination.blockSize) return { status: Status.COPY_INEXACT, byte: field('blocks') }
  const beyond = (unit: Lun, lba: number): boolean => lba > unit.blocks || bytes / unit.blockSize > unit.blocks - lba
  if (beyond(source, segment.sourceLba)) return { status: Status.CP_TGT_DEV_NOTCONN, byte: field('sourceLba') }
  if (beyond(destination, segment.destinationLba)) return { status: Status.CP_TGT_DEV_NOTCONN, byte: field('destinationLba') }
  return {
    bytes, source: { unit: source, offset: segment.sourceLba * source.blockSize },
    destination: { unit: destination, offset: segment.destinationLba * destination.blockSize },
  }
}

interface Leases {
  readonly source: Lease
  readonly destination: Lease
  /** In the order in which everybody takes them: units in the order of their names. */
  readonly all: readonly Lease[]
}

/** On one unit both ranges are one lease, taken at once: who holds a range there never waits for another there. */
function leasesFor({ source, destination, bytes }: Plan, nexus: Nexus): Leases {
  const range = (end: End): Stretch => ({ offset: end.offset, length: bytes })
  if (source.unit === destination.unit) {
    const both = new Lease(nexus, destination.unit, 'write', range(destination), range(source))
    return { source: both, destination: both, all: [both] }
  }
  const from = new Lease(nexus, source.unit, 'read', range(source))
  const to = new Lease(nexus, destination.unit, 'write', range(destination))
  return { source: from, destination: to, all: idOf(source.unit) < idOf(destination.unit) ? [from, to] : [to, from] }
}

/** Offsets of the chunks, such that none overwrites what is still to be read. */
function* chunks({ source, destination, bytes }: Plan, size: number): Iterable<number> {
  const backwards = source.unit === destination.unit && destination.offset > source.offset && destination.offset < source.offset + bytes
  const count = Math.ceil(bytes / size)
  for (let i = 0; i < count; i++) yield (backwards ? count - 1 - i : i) * size
}

/** Run one side's I/O; a failure ends that side's lease with it. */
async function side(lease: Lease, io: () => Status | Promise<Status>): Promise<boolean> {
  try {
    const status = await io()
    if (status !== Status.OK) await lease.end(status)
    return status === Status.OK
  } catch (e) {
    await lease.end(Status.HW_ERR, e ?? new Error('nothing was thrown'))
    return false
  }
}

type Ended = 'ok' | 'aborted' | { readonly failed: 1 | 2 }

async function move(job: CopyJob, plan: Plan, { source, destination }: Leases, buffer: ChunkBuffer, moved: (bytes: number) => void): Promise<Ended> {
  for (const at of chunks(plan, buffer.bytes.length)) {
    if (job.aborted) return 'aborted'
    // By task management of that unit, or because it closes.
    for (const [i, lease] of [source, destination].entries()) {
      if (!lease.aborted) continue
      await lease.end(Status.ABORTED)
      return { failed: i === 0 ? 1 : 2 }
    }
    const data = buffer.segments(Math.min(buffer.bytes.length, plan.bytes - at))
    const io = (end: End): PartIo => new PartIo(job, data, end.offset + at)
    if (!(await side(source, () => plan.source.unit.ops.read(io(plan.source))))) return { failed: 1 }
    if (!(await side(destination, () => plan.destination.unit.ops.write(io(plan.destination))))) return { failed: 2 }
    moved(data.length)
  }
  return 'ok'
}

function refusal(lease: Lease, plan: Plan, request: CopyRequest, segment: CopySegment, written = 0): CopyFailure {
  const source = lease.also === undefined && lease.unit === plan.source.unit ? 1 : 2
  const target = targetOf(request, source === 1 ? segment.source : segment.destination)
  const byte = target && target !== 'this unit' ? target.at : segment.at
  const status = lease.status === sam.GOOD ? Status.CP_TGT_DEV_NOTCONN : Status.COPY_FAILED
  return { status, byte, lease, source, ...(written > 0 && { residual: (plan.bytes - written) / plan.destination.unit.blockSize }) }
}

/** Copy one segment; undefined when all of it went well. */
export async function copySegment(
  lun: Lun, nexus: Nexus, job: CopyJob, request: CopyRequest, segment: CopySegment,
): Promise<CopyFailure | undefined> {
  const plan = planOf(lun, nexus, request, segment)
  if (isFailure(plan)) return plan
  if (plan.bytes === 0) return undefined
  const leases = leasesFor(plan, nexus)
  const taken: Lease[] = []
  let written = 0
  let ended: Ended = 'aborted'
  try {
    for (const lease of leases.all) {
      if (!(await lease.take())) return refusal(lease, plan, request, segment)
      taken.push(lease)
    }
    const status = await withChunks(lun, job, plan.bytes, async (buffer) => {
      ended = await move(job, plan, leases, buffer, (bytes) => {
        written += bytes
        job.bytes += bytes
        job.operations += 2
      })
      return Status.OK
    })
    if (status === Status.ABORTED || (ended as Ended) === 'aborted') return { status: Status.ABORTED, byte: segment.at }
  } finally {
    await Promise.all(taken.map((lease) => lease.end(Status.OK)))
  }
  const how = ended as Ended
  return how === 'ok' || how === 'aborted' ? undefined : refusal(how.failed === 1 ? leases.source : leases.destination, plan, request, segment, written)
}
