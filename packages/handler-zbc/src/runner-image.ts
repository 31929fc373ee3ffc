import { layout, skip, u32le, u64le, u8, zoneCondition as c, zoneType as t } from '@tcmu/host/scsi'
import { recordedCondition, restore } from './metadata'
import { hasPointer, type Zone } from './zone'

/** Images of the C runner's zbc handler, opened in place: no version, no checksum, one table of records. */
export const RunnerHeader = layout('runner_header', {
  magic: u32le, model: u32le, capacity: u64le, lbaBytes: u32le, zoneBlocks: u32le, zones: u32le, conventional: u32le, openLimit: u32le, counters: skip(8),
  /** Ours; the runner does not look at them. */
  restrictedReads: u8, physicalExponent: u8, pad: skip(2),
}, { size: 48 })
export const RUNNER_MAGIC = 0x555a4243
export const RUNNER_TABLE = RunnerHeader.size
export const RunnerRecord = layout('runner_record', {
  start: u64le, length: u64le, writePointer: u64le, type: u8, condition: u8, nonSequential: u8, reset: u8, reserved: skip(36),
}, { size: 64 })

const MODEL_HOST_MANAGED = 0x14
const NO_POINTER = 0xffffffffffffffff
const PAGE = 4096
const powerOfTwo = (n: number): boolean => n > 0 && 2 ** Math.round(Math.log2(n)) === n

export type RunnerHeaderValue = ReturnType<typeof RunnerHeader.decode>

/** The header of such an image; undefined when it is none, a sentence when it is one that does not hold together. */
export function decodeRunnerHeader(bytes: Uint8Array, fileBytes: number): (RunnerHeaderValue & { dataOffset: number }) | string | undefined {
  if (bytes.length < RunnerHeader.size) return undefined
  const h = RunnerHeader.decode(bytes)
  if (h.magic !== RUNNER_MAGIC) return undefined
  if (h.model !== 0 && h.model !== MODEL_HOST_MANAGED) return `its model is ${h.model}`
  if (h.lbaBytes !== 512 && h.lbaBytes !== 4096) return `its blocks have ${h.lbaBytes} bytes`
  if (!powerOfTwo(h.zoneBlocks)) return `its zones have ${h.zoneBlocks} blocks`
  if (!Number.isSafeInteger(h.capacity * h.lbaBytes) || h.zones !== Math.ceil(h.capacity / h.zoneBlocks)) return `it has ${h.zones} zones for ${h.capacity} blocks`
  if (h.conventional >= h.zones || h.openLimit > h.zones) return `${h.conventional} conventional and ${h.openLimit} open zones of ${h.zones}`
  const dataOffset = fileBytes - h.capacity * h.lbaBytes
  if (dataOffset < RUNNER_TABLE + h.zones * RunnerRecord.size || dataOffset % PAGE !== 0) return `the file has ${fileBytes} bytes`
  return { ...h, dataOffset }
}
export const isHostManaged = (h: RunnerHeaderValue): boolean => h.model === MODEL_HOST_MANAGED

/** Bring a zone to what its record says; false when the record cannot be. A full zone may have any pointer. */
export function restoreRunnerZone(zone: Zone, bytes: Uint8Array, at: number): boolean {
  const r = RunnerRecord.decode(bytes, at)
  if (r.start !== zone.start || r.length !== zone.length) return false
  return restore(zone, r.type, r.condition, r.writePointer, r.nonSequential === 1)
}

const pointerOf = (zone: Zone): number => {
  if (!hasPointer(zone.type) || zone.condition === c.READ_ONLY || zone.condition === c.OFFLINE) return NO_POINTER
  return zone.done
}

/** As the runner writes it; zones that the runner does not know are none of its images'. */
export function encodeRunnerRecord(zone: Zone, into: Uint8Array, at: number): void {
  RunnerRecord.encode({ start: zone.start, length: zone.length, type: zone.type, condition: recordedCondition(zone), nonSequential: zone.nonSequential ? 1 : 0 }, into, at)
  const pointer = pointerOf(zone)
  if (pointer === NO_POINTER) into.fill(0xff, at + RunnerRecord.at.writePointer, at + RunnerRecord.at.type)
  else u64le.set(into, at + RunnerRecord.at.writePointer, pointer)
}
export const runnerTypes: ReadonlySet<number> = new Set([t.CONVENTIONAL, t.SEQUENTIAL_REQUIRED, t.SEQUENTIAL_PREFERRED])
