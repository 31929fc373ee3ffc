import { command, type CommandRow, layout, skip, type Task, u8 } from '@tcmu/host/scsi'
import { Classifier, CommandClass, conflictsFor, rules } from './conflicts'
import { type Identity, idOf, ReservationType as T, type State } from './types'
import { emptyState } from './value'

const [HOLDER, REGISTERED, OTHER]: Identity[] = ['h', 'r', 'o'].map((name) => ({ initiator: `iqn.2026-11.test:${name}`, isid: '000000000001', port: 1 }))
const registrations = new Map([HOLDER, REGISTERED].map((who, i) => [idOf(who), { ...who, id: idOf(who), key: `000000000000000${i + 1}` }]))
const shared = [T.WRITE_EXCLUSIVE_AR, T.EXCLUSIVE_ACCESS_AR] as number[]
const held = (type: T): State => ({ ...emptyState, registrations, reservation: { type, holder: shared.includes(type) ? '' : idOf(HOLDER) } })

const Any = layout('any', { op: u8, reserved: skip(5) })
const rowOf = (op: number, access: CommandRow['access'], more: Partial<CommandRow> = {}): CommandRow =>
  command({ op, name: 'test', cdb: Any, access, dataDirection: 'none', run: () => 0, ...more })
const classifier = new Classifier()
const classOf = (cdb: number[], row?: CommandRow): number => {
  const bytes = new Uint8Array(260)
  bytes.set(cdb)
  return classifier.classOf({ cdb: bytes, cdbLength: cdb.length, row } as unknown as Task)
}
const allowed = (state: State, who: Identity, cdb: number[], row?: CommandRow): string => ((conflictsFor(state, who) & classOf(cdb, row)) === 0 ? 'A' : 'C')

/** Columns as in SPC-4 table 66: WE and EA from anybody else, RO/AR from registrants, WE RO/AR and EA RO/AR from the others. */
const columns = (cdb: number[], row?: CommandRow): string =>
  [
    allowed(held(T.WRITE_EXCLUSIVE), OTHER, cdb, row), allowed(held(T.EXCLUSIVE_ACCESS), OTHER, cdb, row), allowed(held(T.EXCLUSIVE_ACCESS_RO), REGISTERED, cdb, row),
    allowed(held(T.WRITE_EXCLUSIVE_RO), OTHER, cdb, row), allowed(held(T.EXCLUSIVE_ACCESS_AR), OTHER, cdb, row),
  ].join(' ')

const read = rowOf(0x28, 'read')
const write = rowOf(0x2a, 'write')
const commands: [string, number[], string, CommandRow?][] = [
  ['TEST UNIT READY', [0x00], 'A A A A A'],
  ['INQUIRY', [0x12], 'A A A A A'],
  ['REQUEST SENSE', [0x03], 'A A A A A'],
  ['REPORT LUNS', [0xa0], 'A A A A A'],
  ['LOG SENSE', [0x4d], 'A A A A A'],
  ['LOG SELECT', [0x4c], 'C C A C C', rowOf(0x4c, 'none', { dataDirection: 'out' })],
  ['MODE SENSE(6)', [0x1a], 'A C A A C'],
  ['MODE SENSE(10)', [0x5a], 'A C A A C'],
  ['MODE SELECT(6)', [0x15], 'C C A C C', rowOf(0x15, 'none', { dataDirection: 'out' })],
  ['REPORT SUPPORTED OPERATION CODES', [0xa3, 0x0c], 'A C A A C'],
  ['REPORT TARGET PORT GROUPS', [0xa3, 0x0a], 'A A A A A'],
  ['SET TARGET PORT GROUPS', [0xa4, 0x0a], 'C C A C C', rowOf(0xa4, 'none', { dataDirection: 'out' })],
  ['PREVENT ALLOW, PREVENT=0', [0x1e, 0, 0, 0, 0, 0], 'A A A A A'],
  ['PREVENT ALLOW, PREVENT=1', [0x1e, 0, 0, 0, 1, 0], 'C C A C C'],
  ['START STOP UNIT, START=1', [0x1b, 0, 0, 0, 1, 0], 'A A A A A'],
  ['START STOP UNIT, START=0', [0x1b, 0, 0, 0, 0, 0], 'C C A C C'],
  ['START STOP UNIT, START=1, POWER CONDITION=2', [0x1b, 0, 0, 0, 0x21, 0], 'C C A C C'],
  ['READ CAPACITY(10)', [0x25], 'A A A A A'],
  ['READ CAPACITY(16)', [0x9e, 0x10], 'A A A A A'],
  ['GET LBA STATUS', [0x9e, 0x12], 'A C A A C'],
  ['READ(10)', [0x28], 'A C A A C', read],
  ['READ(16) without a row', [0x88], 'A C A A C'],
  ['VERIFY(10)', [0x2f], 'A C A A C', rowOf(0x2f, 'read')],
  ['PRE-FETCH(16)', [0x90], 'A C A A C'],
  ['RECEIVE COPY RESULTS', [0x84, 0x03], 'A C A A C'],
  ['EXTENDED COPY', [0x83], 'C C A C C'],
  ['WRITE(10)', [0x2a], 'C C A C C', write],
  ['COMPARE AND WRITE', [0x89], 'C C A C C', rowOf(0x89, 'write')],
  ['UNMAP', [0x42], 'C C A C C', rowOf(0x42, 'write')],
  ['SYNCHRONIZE CACHE(10)', [0x35], 'C C A C C', rowOf(0x35, 'none')],
  ['something unknown', [0xc0], 'C C A C C'],
  ['an unknown service action', [0x9e, 0x1f], 'C C A C C'],
  ['what a handler reads without the medium', [0xc1], 'A C A A C', rowOf(0xc1, 'none', { dataDirection: 'in' })],
  ['what a handler says is always allowed', [0xc2], 'A A A A A', rowOf(0xc2, 'none', { allowed: { reserved: true } })],
]
test.each(commands.map(([name, cdb, expected, row]) => ({ name, cdb, expected, row })))('SPC-4 table 66, SBC-3 table 13: $name', ({ cdb, expected, row }) => {
  expect(columns(cdb, row)).toBe(expected)
})

test('WE and EA do not favour registrants', () => {
  for (const type of [T.WRITE_EXCLUSIVE, T.EXCLUSIVE_ACCESS]) expect(conflictsFor(held(type), REGISTERED)).toBe(conflictsFor(held(type), OTHER))
})

test.each(Object.values(T))('nothing conflicts for the holder of type %i', (type) => expect(conflictsFor(held(type), HOLDER)).toBe(0))

test('under RESERVE all but what is always allowed conflicts', () => {
  const state: State = { ...emptyState, legacy: idOf(HOLDER) }
  expect(conflictsFor(state, HOLDER)).toBe(0)
  expect(['INQUIRY', 'REQUEST SENSE', 'REPORT LUNS', 'TEST UNIT READY', 'MODE SENSE(6)', 'READ(10)', 'WRITE'].map((name) => {
    const rule = rules.find((r) => r.name === name)
    return allowed(state, OTHER, [rule?.op ?? 0x2a], rule ? undefined : write)
  }).join(' ')).toBe('A A A C C C C')
})

test('nothing conflicts without a reservation', () => {
  expect(conflictsFor({ ...emptyState, registrations }, OTHER)).toBe(0)
})

test('no rule stands twice', () => {
  const places = rules.map((r) => `${r.op}/${r.sa ?? ''}`)
  expect(new Set(places).size).toBe(places.length)
  expect(rules.every((r) => (r.when === undefined) === (r.but === undefined))).toBe(true)
  expect(rules.every((r) => (Object.values(CommandClass) as number[]).includes(r.is))).toBe(true)
})
