import { zoneCondition as c, type ZoneCondition, Status, zoneType as t, type ZoneType } from '@tcmu/host/scsi'
import { discard } from '../image-file'
import type { ZonedUnit } from '../unit'
import { hasPointer, type Zone } from '../zone'
import { activated, begin, type DomainDevice } from './device'
import type { ActivationRequest } from './dialect'
import type { Realm } from './plan'
import { isSmr } from './profiles'

/** Error bits of the result (ZBC-2 table 14 and the draft). */
export const activationError = { NOT_INACTIVE: 0x01, NOT_EMPTY: 0x02, ALIGNMENT: 0x04, SEVERAL_TYPES: 0x08, UNSUPPORTED: 0x10, CROSSING: 0x20 } as const

/** Zones that get a condition: a row of the result. */
export interface ChangedZones {
  readonly start: number
  readonly zones: number
  readonly type: ZoneType
  readonly domain: number
  readonly condition: ZoneCondition
}
export interface Activation {
  readonly errors: number
  /** With errors: the first LBA of the zone that is in the way. */
  readonly zone?: number
  readonly changed: readonly ChangedZones[]
  readonly count: number
}
/** One realm that is to change: what it has, what it gets. */
interface Step {
  readonly realm: Realm
  readonly from: number
  readonly to: number
}

const MIN_ALLOCATION = 64
const usable = (zone: Zone): boolean => zone.condition !== c.READ_ONLY && zone.condition !== c.OFFLINE
const failed = (errors: number, zone: number): Activation => ({ errors, zone, changed: [], count: 0 })

/** ZONE ACTIVATE and ZONE QUERY: what would change, or why nothing can. A status when the CDB is wrong. */
export function plannedActivation(device: DomainDevice, r: ActivationRequest): (Activation & { steps: readonly Step[] }) | Status {
  const { plan, image: { table }, header, dialect } = device
  const domain = plan.domains[r.domain]
  if (!domain) return Status.INVALID_CDB
  const count = r.all ? domain.zones : r.nzsrc ? r.count : header.zonesPerActivation
  if (!r.all && (count === 0 || count > table.zones.length)) return Status.INVALID_CDB
  if (r.allocation < MIN_ALLOCATION) return Status.INVALID_CDB
  if (r.all) return steps(device, plan.realms, r.domain, true, count)
  if (r.zone >= table.capacity) return dialect.beyond
  const first = table.at(r.zone)
  if (first.start !== r.zone || first.index + count > table.zones.length || first.type === t.GAP) return Status.INVALID_CDB
  const addressed = plan.domains.find((d) => first.index >= d.first && first.index < d.first + d.zones)!
  const target = first.condition === c.INACTIVE ? addressed.id : r.domain
  const aligned = device.header.realmsFeature === 1
  const misplaced = aligned ? misalignment(device, first, count, addressed) : crossing(device, first, count, addressed)
  if (misplaced) return { ...misplaced, steps: [] }
  const realms = plan.realms.filter((x) => {
    const e = x.extents[addressed.id]
    return e && e.first < first.index + count && e.first + e.zones > first.index
  })
  return steps(device, realms, target, false, count)
}

type Where = { readonly first: number; readonly zones: number; readonly id: number }
/** The range has to be whole realms of one domain. */
function misalignment(device: DomainDevice, first: Zone, count: number, d: Where): Activation | undefined {
  const start = device.plan.realms.some((x) => x.extents[d.id]?.first === first.index)
  if (!start) return failed(activationError.ALIGNMENT, first.start)
  const crossed = crossing(device, first, count, d)
  if (crossed) return crossed
  const perRealm = device.plan.realms.find((x) => x.extents[d.id])!.extents[d.id]!.zones
  return count % perRealm === 0 ? undefined : failed(activationError.ALIGNMENT, first.start)
}

function crossing({ dialect, image }: DomainDevice, first: Zone, count: number, d: Where): Activation | undefined {
  if (first.index + count <= d.first + d.zones) return undefined
  const boundary = image.table.zones[d.first + d.zones]?.start ?? image.table.capacity
  return failed(dialect.crossing.bits, dialect.crossing.boundary ? boundary : first.start)
}

function steps(device: DomainDevice, realms: readonly Realm[], to: number, all: boolean, count: number): Activation & { steps: readonly Step[] } {
  const result: Step[] = []
  for (const realm of realms) {
    const from = device.activeIn(realm)
    if (from !== to) {
      if (!realm.extents[to]) {
        if (all) continue
        return { ...failed(activationError.UNSUPPORTED, device.zonesOf(realm, from)[0]!.start), steps: [] }
      }
      const wrong = obstacle(device, realm, from, to, all)
      if (wrong) return { ...wrong, steps: [] }
    }
    result.push({ realm, from, to })
  }
  return { errors: 0, steps: result, changed: changedBy(device, result), count }
}

/** What keeps a realm from changing. */
function obstacle(device: DomainDevice, realm: Realm, from: number, to: number, all: boolean): Activation | undefined {
  const { domains } = device.plan
  const old = device.zonesOf(realm, from)
  if (isSmr(domains[from]!.type) === isSmr(domains[to]!.type)) return failed(activationError.UNSUPPORTED, old[0]!.start)
  const tolerated = all && old.some(usable)
  const inTheWay = old.find((z) => (usable(z)
    ? hasPointer(z.type) && z.condition !== c.EMPTY && z.condition !== c.INACTIVE
    : !tolerated))
  if (inTheWay) return failed(activationError.NOT_EMPTY, inTheWay.start)
  const taken = device.zonesOf(realm, to).find((z) => usable(z) && z.condition !== c.INACTIVE && z.condition !== c.EMPTY && z.condition !== c.NOT_WRITE_POINTER)
  return taken && failed(activationError.NOT_INACTIVE, taken.start)
}

const conditionOf = (zones: readonly Zone[], now: (z: Zone) => ZoneCondition): ZoneCondition => now(zones.find(usable) ?? zones[0]!)

function changedBy(device: DomainDevice, all: readonly Step[]): ChangedZones[] {
  const { domains } = device.plan
  const row = (realm: Realm, domain: number, now: (z: Zone) => ZoneCondition): ChangedZones => {
    const zones = device.zonesOf(realm, domain)
    return { start: zones[0]!.start, zones: zones.length, type: domains[domain]!.type, domain, condition: conditionOf(zones, now) }
  }
  return all.flatMap(({ realm, from, to }) => (from === to
    ? [row(realm, to, (z) => z.condition)]
    : [row(realm, from, (z) => (usable(z) ? c.INACTIVE : z.condition)), row(realm, to, (z) => (usable(z) ? activated(z) : z.condition))]
  )).sort((a, b) => a.start - b.start)
}

/** Carry an activation out. Data of the old extents is lost; the new ones read as zeroes. */
export async function activate(unit: ZonedUnit, device: DomainDevice, r: ActivationRequest): Promise<Activation | Status> {
  const planned = plannedActivation(device, r)
  if (typeof planned === 'number' || planned.errors !== 0) return planned
  const moving = planned.steps.filter((s) => s.from !== s.to)
  const zones = moving.flatMap((s) => [...device.zonesOf(s.realm, s.from), ...device.zonesOf(s.realm, s.to)])
  if (zones.length === 0) return planned
  await unit.writes.lock(zones)
  try {
    // A write that was under way may have changed what is possible.
    const again = plannedActivation(device, r)
    if (typeof again === 'number' || again.errors !== 0) return again
    // What has no write pointer to hide behind has to be zeroes before it can be read.
    for (const { realm, to } of moving) if (!hasPointer(device.plan.domains[to]!.type)) await discardExtent(device, device.zonesOf(realm, to))
    for (const { realm, from, to } of moving) {
      for (const zone of device.zonesOf(realm, from)) if (usable(zone)) change(unit, zone, c.INACTIVE)
      for (const zone of device.zonesOf(realm, to)) if (usable(zone)) change(unit, zone, activated(zone))
    }
    await device.image.journal.recordEach(zones)
    for (const { realm, to } of moving) if (hasPointer(device.plan.domains[to]!.type)) await discardExtent(device, device.zonesOf(realm, to))
    return again
  } finally {
    unit.writes.unlock(zones)
  }
}

function change(unit: ZonedUnit, zone: Zone, condition: ZoneCondition): void {
  unit.image.table.move(zone, condition)
  begin(zone, condition)
}

async function discardExtent({ file, header: { lbaBytes } }: DomainDevice, zones: readonly Zone[]): Promise<void> {
  const first = zones[0]!
  await discard(file, first.offset, zones.length * first.length * lbaBytes)
}
