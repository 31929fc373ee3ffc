import {
  bits, command, type CommandRow, invalidField, layout, op, type Result, skip, Status, type Task, u16be, u32be, u8, zoneCondition as c, ZoneIn, zoneType as t,
} from '@tcmu/host/scsi'
import { activate, type Activation, plannedActivation } from '../domains/activation'
import type { DomainDevice } from '../domains/device'
import { Activate32, type ActivationRequest, DomainsHeader, RealmHead } from '../domains/dialect'
import type { Domain, Realm } from '../domains/plan'
import { profileOf, profiles } from '../domains/profiles'
import type { ZonedUnit } from '../unit'

/** Service actions of ZBC IN and ZBC OUT that Zone Domains have. */
const action = { REPORT_MUTATIONS: 0x05, REPORT_REALMS: 0x06, REPORT_ZONE_DOMAINS: 0x07, ZONE_ACTIVATE: 0x08, ZONE_QUERY: 0x09, MUTATE: 0x06 } as const
const ACTIVATE_32 = 0xf800
const ADDITIONAL_CDB_LENGTH = 0x18
const HEADER_BYTES = 64

interface Report { readonly lba: number; readonly allocation: number; readonly options: number }
const counts = (zones: readonly { condition: number }[]): { active: number; all: number } =>
  ({ active: zones.filter((z) => z.condition !== c.INACTIVE && z.condition !== c.OFFLINE).length, all: zones.length })

function reportZoneDomains(device: DomainDevice, task: Task, { lba, allocation, options }: Report): Result {
  const { plan, image: { table }, dialect } = device
  if (!device.domains || options > 3) return invalidField(task, 'options', 5)
  if (lba >= table.capacity) return Status.RANGE
  if (table.at(lba).type === t.GAP) return Status.GAP_ZONE
  const zonesOf = (d: Domain): typeof table.zones => table.zones.slice(d.first, d.first + d.zones)
  const wanted = plan.domains.filter((d) => {
    const zones = zonesOf(d)
    const { active, all } = counts(zones)
    return zones.at(-1)!.end > lba && [true, active === all, active > 0 && active < all, active === 0][options]
  })
  const size = dialect.domain.size
  const bytes = new Uint8Array(HEADER_BYTES + wanted.length * size)
  DomainsHeader.encode({
    available: HEADER_BYTES + plan.domains.length * size, returned: bytes.length, domains: plan.domains.length, reported: wanted.length, option: options, locator: lba,
  }, bytes)
  for (const [i, d] of wanted.entries()) {
    const zones = zonesOf(d)
    dialect.domain.encode({ id: d.id, zones: d.zones, first: zones[0]!.start, last: zones.at(-1)!.end - 1, type: d.type, typeValid: 1 }, bytes, HEADER_BYTES + i * size)
  }
  return task.respond(bytes, allocation)
}

const realmOptions: Readonly<Record<number, number>> = { 1: t.SOBR, 2: t.SEQUENTIAL_REQUIRED, 3: t.SEQUENTIAL_PREFERRED }

function reportRealms(device: DomainDevice, task: Task, { lba, allocation, options }: Report): Result {
  const { plan, image: { table }, dialect } = device
  if (!device.domains || device.header.realmsFeature !== 1 || options > 3) return invalidField(task, 'options', 5)
  if (lba >= table.capacity) return Status.RANGE
  const zone = table.at(lba)
  if (zone.type === t.GAP) return Status.GAP_ZONE
  const first = device.realmAt(zone)
  if (!first) return invalidField(task, 'lba')
  const size = RealmHead.size + plan.domains.length * dialect.extent.size
  if (dialect.realmsWhole && allocation < HEADER_BYTES + size) return invalidField(task, 'allocation')
  const wanted = plan.realms.filter((r) => r.id >= first.id && (options === 0 || plan.domains[device.activeIn(r)]!.type === realmOptions[options]))
  const head = dialect.realmsHeader(plan.realms.length, wanted.length, size)
  const bytes = new Uint8Array(head.length + wanted.length * size)
  bytes.set(head)
  for (const [i, realm] of wanted.entries()) encodeRealm(device, realm, bytes, head.length + i * size)
  return task.respond(bytes, allocation)
}

function encodeRealm(device: DomainDevice, realm: Realm, bytes: Uint8Array, at: number): void {
  const { extent } = device.dialect
  const alone = realm.extents.filter((e) => e !== undefined).length === 1
  RealmHead.encode({ id: realm.id, restrictions: alone ? 1 : 0, domain: device.activeIn(realm) }, bytes, at)
  for (const [id, e] of realm.extents.entries()) {
    if (!e) continue
    const zones = device.zonesOf(realm, id)
    extent.encode({ first: zones[0]!.start, last: zones.at(-1)!.end - 1 }, bytes, at + RealmHead.size + id * extent.size)
  }
}

/** The answer to ZONE ACTIVATE and ZONE QUERY: GOOD, with what changed or what was in the way. */
function respond(device: DomainDevice, task: Task, r: ActivationRequest, a: Activation, done: boolean): Status {
  const { result, changed, countChoice } = device.dialect
  const list = a.errors === 0 ? a.changed : []
  const bytes = new Uint8Array(result.size + list.length * changed.size)
  result.encode({
    available: list.length * changed.size, returned: list.length * changed.size, countValid: !r.all, zoneValid: a.errors !== 0, activated: done && a.errors === 0,
    errors: a.errors, domain: r.domain, ...(countChoice && { nzsrc: r.nzsrc }), all: r.all, count: a.count, zone: a.zone ?? 0,
  }, bytes)
  for (const [i, x] of list.entries()) changed.encode({ ...x }, bytes, result.size + i * changed.size)
  return task.respond(bytes, r.allocation)
}

function runActivation(unit: ZonedUnit, device: DomainDevice, task: Task, r: ActivationRequest, query: boolean): Result {
  if (!device.domains) return invalidField(task, 'action')
  return unit.commands.alone(async () => {
    const a = query ? plannedActivation(device, r) : await activate(unit, device, r)
    return typeof a === 'number' ? a : respond(device, task, r, a, !query)
  })
}

type Fields = { all: number; nzsrc?: number; domain: number; zone: number; count: number; allocation: number }
const requestOf = (f: Fields, choice: boolean): ActivationRequest =>
  ({ all: f.all === 1, nzsrc: choice ? f.nzsrc === 1 : true, domain: f.domain, zone: f.zone, count: f.count, allocation: f.allocation })

function activationRows(unit: ZonedUnit, device: DomainDevice): CommandRow[] {
  const { activate16, countChoice, query32 } = device.dialect
  const short = (sa: number, name: string, query: boolean): CommandRow => command({
    op: op.ZBC_IN, sa, name, cdb: activate16, access: query ? 'read' : 'write', dataDirection: 'in', transfer: (cdb) => (cdb as unknown as Fields).allocation,
    run: (_lun, task, cdb) => runActivation(unit, device, task, requestOf(cdb as unknown as Fields, countChoice), query),
  })
  return [
    short(action.ZONE_ACTIVATE, 'ZONE ACTIVATE(16)', false), short(action.ZONE_QUERY, 'ZONE QUERY(16)', true),
    command({
      op: op.VARIABLE_LENGTH, name: 'ZONE ACTIVATE(32), ZONE QUERY(32)', cdb: Activate32, access: 'write', dataDirection: 'in', transfer: (cdb) => cdb.allocation,
      run: (_lun, task, cdb) => {
        const query = query32.includes(cdb.serviceAction)
        if (!device.domains || (cdb.serviceAction !== ACTIVATE_32 && !query)) return Status.INVALID_CMD
        if (cdb.additional !== ADDITIONAL_CDB_LENGTH) return invalidField(task, 'additional')
        return runActivation(unit, device, task, requestOf(cdb, true), query)
      },
    }),
  ]
}

const MutationsHeader = layout('report_mutations', { records: u32be, reserved: skip(28) }, { size: 32 })
const MutationRecord = layout('mutation', { type: u8, reserved: skip(3), model: u32be }, { size: 8 })
const Mutate = layout('mutate', {
  op: u8, action: bits(u8, { serviceAction: [4, 0] }), type: u8, reserved: skip(1), model: u32be, reserved2: skip(7), control: bits(u8, { naca: 2 }),
}, { size: 16 })

function mutationRows(unit: ZonedUnit, device: DomainDevice): CommandRow[] {
  return [
    command({
      op: op.ZBC_IN, sa: action.REPORT_MUTATIONS, name: 'REPORT MUTATIONS', cdb: ZoneIn, access: 'none', dataDirection: 'in', transfer: (cdb) => cdb.allocation,
      run: (_lun, task, { allocation }) => {
        if (allocation < MutationsHeader.size) return invalidField(task, 'allocation')
        const records = profiles.map(({ type, model }) => MutationRecord.encode({ type, model }))
        return task.respond(Buffer.concat([MutationsHeader.encode({ records: records.length }), ...records]), allocation)
      },
    }),
    command({
      op: op.ZBC_OUT, sa: action.MUTATE, name: 'MUTATE', cdb: Mutate, access: 'write', dataDirection: 'none', exclusive: true,
      run: (_lun, task, { type, model }) => {
        const profile = profileOf(type, model)
        if (!profile) return invalidField(task, 'type')
        if (profile === device.profile) return Status.OK
        return remake(unit, device, { deviceType: type, deviceModel: model })
      },
    }),
  ]
}

/** Format the device as another profile, or as the same: all data is lost. What cannot be made leaves things as they are. */
export function remake(unit: ZonedUnit, device: DomainDevice, change: { deviceType: number; deviceModel: number }): Promise<Status> {
  return unit.commands.alone(async () => {
    const { zones } = unit.image.table
    await unit.writes.lock(zones)
    try {
      await unit.image.journal.idle()
      await device.format({ ...device.header, ...change })
      return Status.OK
    } catch (e) {
      unit.dev.log.error(`${unit.dev.name} was not formatted: ${(e as Error).message}`)
      return Status.HW_ERR
    } finally {
      unit.writes.unlock(zones)
      unit.dev.resized(unit.image.table.capacity * unit.lbaBytes)
    }
  })
}

const Sanitize = layout('sanitize', {
  op: u8, flags: bits(u8, { immed: 7, znr: 6, ause: 5, action: [4, 0] }), reserved: skip(5), listLength: u16be, control: bits(u8, { naca: 2 }),
}, { size: 10 })
const CRYPTOGRAPHIC_ERASE = 0x03

/** Commands of Zone Domains. */
export const domainRows = (unit: ZonedUnit, device: DomainDevice): CommandRow[] => [
  command({
    op: op.ZBC_IN, sa: action.REPORT_ZONE_DOMAINS, name: 'REPORT ZONE DOMAINS', cdb: ZoneIn, access: 'read', dataDirection: 'in', transfer: (cdb) => cdb.allocation,
    run: (_lun, task, cdb) => reportZoneDomains(device, task, cdb),
  }),
  command({
    op: op.ZBC_IN, sa: action.REPORT_REALMS, name: 'REPORT REALMS', cdb: ZoneIn, access: 'read', dataDirection: 'in', transfer: (cdb) => cdb.allocation,
    run: (_lun, task, cdb) => reportRealms(device, task, cdb),
  }),
  ...activationRows(unit, device),
  ...(device.dialect.mutations && (device.options.mutate ?? true) ? mutationRows(unit, device) : []),
  command({
    op: op.SANITIZE, name: 'SANITIZE', cdb: Sanitize, access: 'write', dataDirection: 'none', exclusive: true,
    run: (_lun, task, cdb) => {
      if (cdb.action !== CRYPTOGRAPHIC_ERASE) return invalidField(task, 'action', 4)
      if (cdb.znr) return invalidField(task, 'znr', 6)
      return remake(unit, device, { deviceType: device.header.deviceType, deviceModel: device.header.deviceModel })
    },
  }),
]
