import { Status, type ZoneCondition, zoneCondition as c, type ZoneType, zoneType as t } from '@tcmu/host/scsi'
import { refuseWrite } from './rules'
import { transitions, type ZoneCommand } from './transitions'
import type { Zone } from './zone'
import { type ManagementCommand, ZoneTable } from './zones'

const ZONE = 16
const LIMIT = 2
const make = (type: ZoneType, sobrFinish = true): ZoneTable => new ZoneTable(
  Array.from({ length: 8 }, (_, i) => ({ start: i * ZONE, length: ZONE, type, offset: i * ZONE * 512 })),
  { openLimit: LIMIT, unrestrictedReads: () => true, physicalExponent: 0, sobrFinish, mixedReads: false, inactivePreferredReads: false },
)

/** Bring a zone into a condition the way initiators do, or as metadata does. */
function put(table: ZoneTable, zone: Zone, condition: ZoneCondition): void {
  if (condition === c.IMPLICIT_OPEN || condition === c.CLOSED) zone.wp = zone.done = zone.start + 4
  if (condition === c.FULL) zone.wp = zone.done = zone.end
  table.move(zone, condition)
}

const INVALID = Status.INVALID_CDB
const pointers = [c.EMPTY, c.IMPLICIT_OPEN, c.EXPLICIT_OPEN, c.CLOSED, c.FULL] as const
const gone = { [c.INACTIVE]: Status.ZONE_INACTIVE, [c.READ_ONLY]: Status.ZONE_READ_ONLY, [c.OFFLINE]: Status.ZONE_OFFLINE } as const

/** Condition after the command, or `!status`; by condition before: EMPTY, IO, EO, CLOSED, FULL. */
const expected: Readonly<Record<string, Readonly<Record<ZoneCommand, readonly (number | string)[]>>>> = {
  'sequential required': { OPEN: [3, 3, 3, 3, 14], CLOSE: [1, 4, 1, 4, 14], FINISH: [14, 14, 14, 14, 14], RESET: [1, 1, 1, 1, 1], WRITE: [2, 2, 3, 2, `!${INVALID}`] },
  'sequential preferred': { OPEN: [3, 3, 3, 3, 14], CLOSE: [1, 4, 1, 4, 14], FINISH: [14, 14, 14, 14, 14], RESET: [1, 1, 1, 1, 1], WRITE: [2, 2, 3, 2, 14] },
  'sobr, finish allowed': {
    OPEN: Array<string>(5).fill(`!${INVALID}`), CLOSE: Array<string>(5).fill(`!${INVALID}`), FINISH: [14, 14, 14, 14, 14], RESET: [1, 1, 1, 1, 1], WRITE: [2, 2, 3, 2, 14],
  },
  'sobr, finish refused': {
    OPEN: Array<string>(5).fill(`!${INVALID}`), CLOSE: Array<string>(5).fill(`!${INVALID}`), FINISH: Array<string>(5).fill(`!${INVALID}`), RESET: [1, 1, 1, 1, 1], WRITE: [2, 2, 3, 2, 14],
  },
}
const kinds: Readonly<Record<string, readonly [ZoneType, boolean]>> = {
  'sequential required': [t.SEQUENTIAL_REQUIRED, true], 'sequential preferred': [t.SEQUENTIAL_PREFERRED, true], 'sobr, finish allowed': [t.SOBR, true], 'sobr, finish refused': [t.SOBR, false],
}
const commands: readonly ZoneCommand[] = ['OPEN', 'CLOSE', 'FINISH', 'RESET', 'WRITE']

/** Do it, and say what came of it. */
function outcome(table: ZoneTable, zone: Zone, command: ZoneCommand): number | string {
  if (command === 'WRITE') {
    const refused = refuseWrite(table, zone.condition === c.FULL ? zone.start : zone.wp, (zone.condition === c.FULL ? zone.start : zone.wp) + 1)
    if (refused !== undefined) return `!${refused}`
    table.openForWrite(zone)
    return zone.condition
  }
  const refused = table.refuse(zone, command)
  if (refused !== undefined) return `!${refused}`
  table.apply(zone, command)
  return zone.condition
}

describe.each(Object.keys(expected))('%s', (kind) => {
  describe.each(commands)('%s', (command) => {
    test.each(pointers.map((condition, i) => [condition, expected[kind]![command][i]!] as const))('of a zone in condition %d: %s', (condition, result) => {
      const table = make(...kinds[kind]!)
      put(table, table.zones[3]!, condition)
      expect(outcome(table, table.zones[3]!, command)).toBe(result)
    })
    test.each(Object.entries(gone))('of a zone in condition %s', (condition, status) => {
      const table = make(...kinds[kind]!)
      table.zones[3]!.condition = Number(condition) as ZoneCondition
      expect(outcome(table, table.zones[3]!, command)).toBe(`!${status}`)
    })
  })
})

test('conventional and gap zones take no zone command', () => {
  for (const [type, status] of [[t.CONVENTIONAL, INVALID], [t.GAP, Status.GAP_ZONE]] as const) {
    const table = make(type)
    for (const command of commands.slice(0, 4)) {
      for (const condition of [c.NOT_WRITE_POINTER, c.INACTIVE, c.READ_ONLY, c.OFFLINE]) {
        table.zones[0]!.condition = condition
        expect([type, command, condition, outcome(table, table.zones[0]!, command)]).toEqual([type, command, condition, `!${status}`])
      }
    }
  }
})

test('every type, condition and command has a step', () => {
  const table = transitions(true)
  for (const type of Object.values(t)) for (const condition of Object.values(c)) for (const command of commands) {
    const step = table[type][condition][command]
    expect([type, condition, command, step.to !== undefined || step.refuse !== undefined]).toEqual([type, condition, command, true])
  }
})

describe('open zones', () => {
  const explicit = (table: ZoneTable, n: number): void => { for (let i = 0; i < n; i++) table.apply(table.zones[i]!, 'OPEN') }
  test.each([['OPEN', c.EMPTY], ['OPEN', c.CLOSED], ['FINISH', c.EMPTY], ['FINISH', c.CLOSED]] as const)('%s of a zone in condition %d needs room', (command, condition) => {
    const table = make(t.SEQUENTIAL_REQUIRED)
    explicit(table, LIMIT)
    put(table, table.zones[5]!, condition)
    expect(table.refuse(table.zones[5]!, command as ManagementCommand)).toBe(Status.ZONE_RESOURCES)
    table.apply(table.zones[0]!, 'CLOSE')
    expect(table.refuse(table.zones[5]!, command as ManagementCommand)).toBeUndefined()
  })
  test('an implicitly open one makes room, the one unused for longest', () => {
    const table = make(t.SEQUENTIAL_REQUIRED)
    for (const i of [0, 1, 0]) table.openForWrite(table.zones[i]!)
    table.apply(table.zones[2]!, 'OPEN')
    expect(table.zones.map((z) => z.condition).slice(0, 3)).toEqual([c.IMPLICIT_OPEN, c.EMPTY, c.EXPLICIT_OPEN])
    expect(table.open).toEqual({ implicit: 1, explicit: 1 })
  })
  test('zones that are preferred to be written in order are not limited', () => {
    const table = make(t.SEQUENTIAL_PREFERRED)
    explicit(table, 8)
    expect(table.zones.every((z) => z.condition === c.EXPLICIT_OPEN)).toBe(true)
  })
  test('OPEN with ALL is all or nothing', () => {
    const table = make(t.SEQUENTIAL_REQUIRED)
    for (const i of [0, 1, 2]) put(table, table.zones[i]!, c.CLOSED)
    expect(table.affected('OPEN')).toBe(Status.ZONE_RESOURCES)
    table.apply(table.zones[2]!, 'RESET')
    expect(table.affected('OPEN')).toEqual([table.zones[0], table.zones[1]])
  })
})
