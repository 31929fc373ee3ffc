import {
  command, type CommandRow, invalidField, op, ReportZonesHeader, type Result, Status, type Task, zoneAction, zoneCondition as c, ZoneDescriptor, ZoneIn, ZoneOut,
  zoneReport, zoneType as t,
} from '@tcmu/host/scsi'
import { hasPointer, NO_WRITE_POINTER, type Zone } from '../zone'
import type { ManagementCommand } from '../zones'
import type { ZonedUnit } from '../unit'

const inCondition = (...conditions: number[]) => (zone: Zone): boolean => zone.type !== t.GAP && conditions.includes(zone.condition)
/** ZBC-2 table 32. */
const reportOptions: ReadonlyMap<number, (zone: Zone) => boolean> = new Map<number, (zone: Zone) => boolean>([
  [zoneReport.ALL, () => true],
  [0x01, inCondition(c.EMPTY)], [0x02, inCondition(c.IMPLICIT_OPEN)], [0x03, inCondition(c.EXPLICIT_OPEN)], [0x04, inCondition(c.CLOSED)],
  [0x05, inCondition(c.FULL)], [0x06, inCondition(c.READ_ONLY)], [0x07, inCondition(c.OFFLINE)],
  [zoneReport.RESET_RECOMMENDED, () => false],
  [zoneReport.NON_SEQUENTIAL, (zone) => zone.nonSequential],
  [zoneReport.NOT_WRITE_POINTER, inCondition(c.NOT_WRITE_POINTER)],
])

/** Zones may have any lengths and types (ZBC-2 table 34). */
const SAME_NOTHING = 0

export function encodeZone(zone: Zone, into: Uint8Array, at: number): void {
  const pointer = zone.writePointer
  ZoneDescriptor.encode({
    type: zone.type, condition: zone.condition, nonSequential: zone.nonSequential, length: zone.length, start: zone.start,
    writePointer: pointer === NO_WRITE_POINTER ? 0 : pointer,
  }, into, at)
  const from = at + ZoneDescriptor.at.writePointer
  if (pointer === NO_WRITE_POINTER) into.fill(0xff, from, from + 8)
}

interface Report { readonly lba: number; readonly allocation: number; readonly partial: number; readonly options: number }

/** ZBC-2 5.6. Descriptors are sent whole; without PARTIAL the length tells of all there are. */
function runReportZones(unit: ZonedUnit, task: Task, { lba, allocation, partial, options }: Report): Result {
  const wanted = reportOptions.get(options) ?? unit.personality.reportOptions.get(options)
  if (!wanted) return invalidField(task, 'options', 5)
  const { table } = unit.image
  if (lba >= table.capacity) return Status.RANGE
  const room = Math.min(allocation, task.data.length)
  const fits = Math.max(0, Math.floor((room - ReportZonesHeader.size) / ZoneDescriptor.size))
  const sent: Zone[] = []
  let matching = 0
  for (let i = table.at(lba).index; i < table.zones.length && !(partial && sent.length === fits); i++) {
    if (!wanted(table.zones[i]!)) continue
    matching++
    if (sent.length < fits) sent.push(table.zones[i]!)
  }
  const bytes = new Uint8Array(ReportZonesHeader.size + sent.length * ZoneDescriptor.size)
  ReportZonesHeader.encode({ length: (partial ? sent.length : matching) * ZoneDescriptor.size, same: SAME_NOTHING, maximumLba: table.capacity - 1 }, bytes)
  for (const [i, zone] of sent.entries()) encodeZone(zone, bytes, ReportZonesHeader.size + i * ZoneDescriptor.size)
  return task.respond(bytes, allocation)
}

const management: readonly (readonly [sa: number, name: string, command: ManagementCommand])[] = [
  [zoneAction.CLOSE_ZONE, 'CLOSE ZONE', 'CLOSE'], [zoneAction.FINISH_ZONE, 'FINISH ZONE', 'FINISH'], [zoneAction.OPEN_ZONE, 'OPEN ZONE', 'OPEN'],
  [zoneAction.RESET_WRITE_POINTER, 'RESET WRITE POINTER', 'RESET'],
]

interface Out { readonly zone: number; readonly count: number; readonly all: number }
const changing = { cdb: ZoneOut, op: op.ZBC_OUT, access: 'write', dataDirection: 'none' } as const

const managementRow = (unit: ZonedUnit, sa: number, name: string, change: ManagementCommand): CommandRow => command({
  ...changing, sa, name,
  run: (_lun, task, { zone, count, all }: Out) => {
    if (all && count !== 0 && unit.personality.strictAll) return invalidField(task, 'count')
    return unit.commands.run(change, all ? 'all' : { zone, count })
  },
})

/** ZBC-2 5.9: a zone that was written out of order is in order again, as far as anybody can tell. */
const sequentializeRow = (unit: ZonedUnit, sa: number): CommandRow => command({
  ...changing, sa, name: 'SEQUENTIALIZE ZONE',
  run: (_lun, task, { zone: lba, count, all }: Out) => unit.commands.alone(async () => {
    const { table, journal } = unit.image
    const preferred = (zone: Zone): boolean => zone.type === t.SEQUENTIAL_PREFERRED
    if (!all && lba >= table.capacity) return Status.RANGE
    const zones = all ? table.zones.filter((z) => preferred(z) && z.condition === c.CLOSED) : table.zones.slice(table.at(lba).index, table.at(lba).index + Math.max(1, count))
    if (!all && (zones[0]!.start !== lba || zones.length < count || !zones.every(preferred))) return invalidField(task, 'zone')
    const refused = zones.map((z) => table.refuse(z, 'RESET')).find((s) => s !== undefined)
    if (refused !== undefined) return refused
    for (const zone of zones) zone.nonSequential = false
    await journal.recordEach(zones)
    return Status.OK
  }),
})

export const zoneRows = (unit: ZonedUnit): CommandRow[] => [
  command({
    op: op.ZBC_IN, sa: zoneAction.REPORT_ZONES, name: 'REPORT ZONES', cdb: ZoneIn, access: 'read', dataDirection: 'in', transfer: (cdb) => cdb.allocation,
    run: (_lun, task, cdb) => runReportZones(unit, task, cdb),
  }),
  ...management.map(([sa, name, change]) => managementRow(unit, sa, name, change)),
  ...(unit.personality.sequentialize === undefined ? [] : [sequentializeRow(unit, unit.personality.sequentialize)]),
]

/** Zones with a pointer, for whoever lists them. */
export const sequentialZones = (zones: readonly Zone[]): Zone[] => zones.filter((z) => hasPointer(z.type))
