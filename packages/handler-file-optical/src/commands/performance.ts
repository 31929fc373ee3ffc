import { bits, invalidField, layout, type Result, skip, Status, type Task, u32be, u8 } from '@tcmu/host/scsi'
import { GetPerformance, SetCdSpeed, SetStreaming } from '../cdb'
import { answering, mmc, type MmcRow } from '../row'
import type { Unit } from '../unit'

/** MMC-6 6.8.3 */
export const PerformanceHeader = layout('performance_header', { length: u32be, flags: bits(u8, { write: 1, except: 0 }), reserved: skip(3) }, { size: 8 })
/** MMC-6 table 345: speeds in thousands of bytes a second. */
export const NominalPerformance = layout('nominal_performance', { start: u32be, startSpeed: u32be, end: u32be, endSpeed: u32be }, { size: 16 })
/** MMC-6 table 643 */
export const StreamingDescriptor = layout('streaming_performance', {
  flags: bits(u8, { wrc: [4, 3], rdd: 2, exact: 1, ra: 0 }), reserved: skip(3), start: u32be, end: u32be, readSize: u32be, readTime: u32be,
  writeSize: u32be, writeTime: u32be,
}, { size: 28 })

type Asked = { write: number; except: number; starting: number; most: number; type: number }

/** As fast at its end as at its beginning. No exceptions, nothing to write with. */
function nominal({ medium, blocks }: Unit, c: Asked): Uint8Array {
  const { speed } = medium!.profile
  if (c.write || c.except || c.most === 0) return new Uint8Array(0)
  return NominalPerformance.encode({ start: c.starting, startSpeed: speed, end: blocks - 1, endSpeed: speed })
}
const nothing = (): Uint8Array => new Uint8Array(0)

/** By TYPE of the CDB: performance, unusable areas, defects (DVD-RAM only), write speeds. */
const types: readonly (((unit: Unit, c: Asked) => Uint8Array) | undefined)[] = [nominal, nothing, undefined, nothing]
const MOST_DESCRIPTORS_BYTES = NominalPerformance.size

function runGetPerformance(unit: Unit, task: Task, c: Asked): Result {
  const find = types[c.type]
  if (!find) return invalidField(task, 'type')
  if (c.except > 2) return invalidField(task, 'except', 1)
  if (c.starting >= unit.blocks) return Status.RANGE
  const body = find(unit, c)
  const header = PerformanceHeader.encode({ length: PerformanceHeader.size - 4 + body.length, write: c.write, except: c.except !== 0 })
  return task.respond(Buffer.concat([header, body]), PerformanceHeader.size + MOST_DESCRIPTORS_BYTES)
}

type Streaming = { type: number; listLength: number }
/** A drive without a mechanism is always fast enough; what is asked for is checked and no more. */
function runSetStreaming(unit: Unit, task: Task, c: Streaming): Result {
  if (c.type !== 0) return invalidField(task, 'type')
  if (c.listLength !== StreamingDescriptor.size) return Status.INVALID_PARAM_LIST_LEN
  const list = task.parameters(c.listLength)
  if (list.length < c.listLength) return Status.INVALID_PARAM_LIST_LEN
  const wanted = StreamingDescriptor.decode(list)
  if (wanted.rdd) return Status.OK
  if (wanted.end >= unit.blocks) return task.invalidParameter(StreamingDescriptor.at.end)
  return wanted.start > wanted.end ? task.invalidParameter(StreamingDescriptor.at.start) : Status.OK
}

export const performanceCommands: readonly MmcRow[] = [
  mmc({
    op: 0xac, name: 'GET PERFORMANCE', cdb: GetPerformance, ...answering, medium: true,
    transfer: () => PerformanceHeader.size + MOST_DESCRIPTORS_BYTES, run: runGetPerformance,
  }),
  mmc({ op: 0xb6, name: 'SET STREAMING', cdb: SetStreaming, dataDirection: 'out', medium: true, transfer: (c) => c.listLength, run: runSetStreaming }),
  mmc({ op: 0xbb, name: 'SET CD SPEED', cdb: SetCdSpeed, dataDirection: 'none', medium: true, run: () => Status.OK }),
]
