import { ascii, bits, bytes, layout, skip, u16le, u32le, u64le, u8, type ZoneCondition, zoneCondition as c, type ZoneType } from '@tcmu/host/scsi'
import { crc32c } from './checksum'
import { hasPointer, type Zone } from './zone'

/**
 * The format of our own images, little-endian: two copies of the header, two tables of zone records, data. Each copy and
 * each record has a sequence number and a checksum; an update goes to the older of the two, so that one is always whole.
 */
export const MAGIC = 'TCMUZBD1'
export const FORMAT_VERSION = 1
export const PAGE = 4096
const HEADERS = 2
/** Data begins on this, so that zones lie well on the blocks of every file system. */
const DATA_ALIGNMENT = 2 ** 20

export const ImageHeader = layout('image_header', {
  magic: ascii(8),
  version: u16le,
  /** 0 host managed, 1 host aware, 2 Zone Domains. */
  kind: u8,
  /** `forming`: being formatted; there is nothing in it yet. */
  flags: bits(u8, { forming: 1, restrictedReads: 0 }),
  sequence: u32le,
  lbaBytes: u32le,
  physicalBytes: u32le,
  zoneBlocks: u32le,
  zones: u32le,
  conventional: u32le,
  openLimit: u32le,
  capacity: u64le,
  dataOffset: u64le,
  uuid: bytes(16),
  /** Of Zone Domains: see profiles.ts. */
  deviceType: u32le,
  deviceModel: u32le,
  realmBlocks: u64le,
  gainPercent: u32le,
  realmsFeature: u8,
  pad: skip(3),
  zonesPerActivation: u32le,
  maxActivation: u32le,
  initialType: u32le,
  initialModel: u32le,
  sizeBytes: u64le,
  reserved: skip(388),
  checksum: u32le,
}, { size: 512 })
export type ImageHeaderValue = Omit<ReturnType<typeof ImageHeader.decode>, 'magic' | 'version' | 'checksum'>

export const ZoneRecord = layout('zone_record', {
  writePointer: u64le, sequence: u32le, condition: u8, type: u8, flags: bits(u8, { nonSequential: 0 }), reserved: skip(13), checksum: u32le,
}, { size: 32 })

/** Where things are in an image of so many zones, in bytes. */
export function placesOf(zones: number): { readonly table: (which: number) => number; readonly tableBytes: number; readonly data: number } {
  const tableBytes = Math.ceil((zones * ZoneRecord.size) / PAGE) * PAGE
  const first = HEADERS * PAGE
  const data = Math.ceil((first + 2 * tableBytes) / DATA_ALIGNMENT) * DATA_ALIGNMENT
  return { table: (which) => first + which * tableBytes, tableBytes, data }
}
export const headerAt = (which: number): number => which * PAGE

export function encodeHeader(value: ImageHeaderValue): Uint8Array {
  const out = ImageHeader.encode({ ...value, magic: MAGIC, version: FORMAT_VERSION })
  u32le.set(out, ImageHeader.at.checksum, crc32c(out, 0, ImageHeader.at.checksum))
  return out
}

/** The newer whole one of the two headers; undefined when this is no image, `damaged` when it is one and neither is whole. */
export function decodeHeader(copies: readonly Uint8Array[]): ImageHeaderValue | 'damaged' | { readonly version: number } | undefined {
  let best: ImageHeaderValue | undefined
  let ours = false
  for (const copy of copies) {
    if (copy.length < ImageHeader.size) continue
    const value = ImageHeader.decode(copy)
    if (value.magic !== MAGIC) continue
    ours = true
    if (value.checksum !== crc32c(copy, 0, ImageHeader.at.checksum)) continue
    if (value.version !== FORMAT_VERSION) return { version: value.version }
    if (!best || newer(value.sequence, best.sequence)) best = value
  }
  return best ?? (ours ? 'damaged' : undefined)
}

/** Sequence numbers wrap. */
const newer = (a: number, b: number): boolean => ((a - b) | 0) > 0

/** What a zone comes to after a restart: none is open then. */
export function recordedCondition(zone: Zone): ZoneCondition {
  const { condition } = zone
  if (!hasPointer(zone.type)) return condition
  if (condition === c.INACTIVE || condition === c.READ_ONLY || condition === c.OFFLINE) return condition
  if (condition === c.FULL && zone.done === zone.end) return c.FULL
  return zone.done === zone.start ? c.EMPTY : c.CLOSED
}

export function encodeRecord(zone: Zone, sequence: number, into: Uint8Array, at: number): void {
  ZoneRecord.encode({
    writePointer: zone.done, sequence, condition: recordedCondition(zone), type: zone.type, nonSequential: zone.nonSequential,
  }, into, at)
  u32le.set(into, at + ZoneRecord.at.checksum, crc32c(into, at, at + ZoneRecord.at.checksum, zone.index))
}

const conditions: ReadonlySet<number> = new Set(Object.values(c))

/** Bring a zone to what its newer whole record says; false when neither is whole, or they say what cannot be. */
export function restoreZone(zone: Zone, records: readonly Uint8Array[]): boolean {
  let best: ReturnType<typeof ZoneRecord.decode> | undefined
  for (const record of records) {
    const value = ZoneRecord.decode(record)
    if (value.checksum !== crc32c(record, 0, ZoneRecord.at.checksum, zone.index)) continue
    if (!best || newer(value.sequence, best.sequence)) best = value
  }
  return best !== undefined && restore(zone, best.type as ZoneType, best.condition, best.writePointer, best.nonSequential === 1)
}

/** Set a zone that is not in use; open ones come back closed. False when the values contradict each other. */
export function restore(zone: Zone, type: number, condition: number, writePointer: number, nonSequential: boolean): boolean {
  if (type !== zone.type || !conditions.has(condition)) return false
  zone.nonSequential = nonSequential
  if (!hasPointer(zone.type)) {
    if (condition !== c.NOT_WRITE_POINTER && condition !== c.INACTIVE && condition !== c.READ_ONLY && condition !== c.OFFLINE) return false
    zone.condition = condition as ZoneCondition
    return true
  }
  if (condition === c.NOT_WRITE_POINTER) return false
  const open = condition === c.IMPLICIT_OPEN || condition === c.EXPLICIT_OPEN || condition === c.CLOSED
  if (open && !(writePointer >= zone.start && writePointer <= zone.end)) return false
  zone.wp = zone.done = open ? writePointer : condition === c.FULL ? zone.end : zone.start
  zone.condition = !open ? (condition as ZoneCondition) : writePointer === zone.end ? c.FULL : writePointer === zone.start ? c.EMPTY : c.CLOSED
  return true
}
