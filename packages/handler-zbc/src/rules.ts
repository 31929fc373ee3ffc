import { zoneCondition as c, zoneType as t, Status } from '@tcmu/host/scsi'
import type { Zone } from './zone'
import type { ZoneTable } from './zones'

/** Why a zone cannot be used at all. */
const unavailable = new Map<number, Status>([[c.OFFLINE, Status.ZONE_OFFLINE], [c.INACTIVE, Status.ZONE_INACTIVE], [c.READ_ONLY, Status.ZONE_READ_ONLY]])
const unwritable = (zone: Zone): Status | undefined => (zone.type === t.GAP ? Status.GAP_ZONE : unavailable.get(zone.condition))

/** Where a write to a single zone is wrong, or undefined. */
function refuseInZone(table: ZoneTable, zone: Zone, lba: number, end: number): Status | undefined {
  if (zone.type === t.CONVENTIONAL || zone.type === t.SEQUENTIAL_PREFERRED) return undefined
  const full = zone.condition === c.FULL
  if (zone.type === t.SOBR) {
    if (lba > zone.wp && !full) return Status.UNALIGNED_WRITE
    return full || Math.min(end, zone.end) <= zone.wp ? undefined : refusePartial(table, Math.min(end, zone.end))
  }
  const step = table.writeStep(zone)
  if (step.refuse !== undefined) return step.refuse
  if (lba !== zone.wp) return Status.UNALIGNED_WRITE
  return refusePartial(table, end) ?? (table.roomFor(zone) ? undefined : Status.ZONE_RESOURCES)
}

/** A write that moves a pointer ends on a physical block. */
const refusePartial = (table: ZoneTable, end: number): Status | undefined =>
  end % 2 ** table.policy.physicalExponent === 0 ? undefined : Status.UNALIGNED_WRITE

/** Why a write of [lba, end) is refused: the rules of ZBC-2 4.5.3.3, over the whole range, the first that fails. */
export function refuseWrite(table: ZoneTable, lba: number, end: number): Status | undefined {
  const first = table.at(lba)
  const single = end <= first.end
  const fault = unwritable(first)
  if (fault !== undefined) return fault
  if (!single) {
    const beyond = refuseCrossing(table, first, end)
    if (beyond !== undefined) return beyond
  }
  const wrong = refuseInZone(table, first, lba, end)
  if (wrong !== undefined || single || first.type === t.CONVENTIONAL) return wrong
  for (let zone = table.zones[first.index + 1]; zone && zone.start < end; zone = table.zones[zone.index + 1]) {
    const next = refuseInZone(table, zone, zone.start, end)
    if (next !== undefined) return next
  }
  return undefined
}

function refuseCrossing(table: ZoneTable, first: Zone, end: number): Status | undefined {
  if (first.type === t.SEQUENTIAL_REQUIRED) return Status.WRITE_BOUNDARY
  for (let zone = table.zones[first.index + 1]; zone && zone.start < end; zone = table.zones[zone.index + 1]) {
    const fault = unwritable(zone)
    if (fault !== undefined) return fault
    if (zone.type !== first.type) return Status.WRITE_BOUNDARY
  }
  return undefined
}

/** Why a read of [lba, end) is refused (ZBC-2 4.5.3.2), or undefined. */
export function refuseRead(table: ZoneTable, lba: number, end: number): Status | undefined {
  const first = table.at(lba)
  const free = table.policy.unrestrictedReads()
  if (end <= first.end && free && first.condition !== c.OFFLINE) return undefined
  let crossing = false
  for (let zone: Zone | undefined = first; zone && zone.start < end; zone = table.zones[zone.index + 1]) {
    if (zone.condition === c.OFFLINE) return Status.ZONE_OFFLINE
    const fault = free ? undefined : unreadable(table, zone)
    if (fault !== undefined) return fault
    crossing ||= zone.type !== first.type
  }
  if (crossing && !table.policy.mixedReads) return Status.READ_BOUNDARY
  return free ? undefined : refuseRestricted(table, first, end)
}

function unreadable(table: ZoneTable, zone: Zone): Status | undefined {
  if (zone.type === t.GAP) return Status.GAP_ZONE
  if (zone.condition !== c.INACTIVE || zone.type === t.CONVENTIONAL) return undefined
  return zone.type === t.SEQUENTIAL_PREFERRED && table.policy.inactivePreferredReads ? undefined : Status.ZONE_INACTIVE
}

/** URSWRZ=0: what is above a write pointer cannot be read, and in SWR zones the end of a zone ends the read. */
function refuseRestricted(table: ZoneTable, first: Zone, end: number): Status | undefined {
  const { type } = first
  if (type === t.SEQUENTIAL_REQUIRED && end > first.end) return Status.READ_BOUNDARY
  if (type !== t.SEQUENTIAL_REQUIRED && type !== t.SOBR) return undefined
  for (let zone: Zone | undefined = first; zone && zone.start < end; zone = table.zones[zone.index + 1]) {
    if (Math.min(end, zone.end) > zone.readable) return Status.READ_INVALID_DATA
  }
  return undefined
}
