import fc from 'fast-check'
import { isStatus, sam, Status, statusRow } from '@tcmu/host/scsi'
import { basicList, FakeLun, FakeNexus, FakeTask, moveList, outCdb, sa } from '../testing/fake-lun'
import { OutCdb } from './layouts'
import { MOST_PARAMETERS, parseOut, type Ports } from './parameters'
import type { OutAction, OutRequest } from './types'

const actions: OutAction[] = ['REGISTER', 'RESERVE', 'RELEASE', 'CLEAR', 'PREEMPT', 'PREEMPT AND ABORT', 'REGISTER AND IGNORE EXISTING KEY', 'REGISTER AND MOVE']
const nexus = new FakeNexus('iqn.2026-11.test:a')
const ports: Ports = { own: 1, all: [1, 2], persistent: true }
const parse = (action: OutAction, list: Uint8Array, length = list.length, where = ports): { result: OutRequest | Status; task: FakeTask } => {
  const task = new FakeTask(nexus, outCdb(actions.indexOf(action), { type: 3 }, length), list)
  return { result: parseOut(action, task, OutCdb.decode(task.cdb), where), task }
}
const KA = '0123456789abcdef'
const KB = 'fedcba9876543210'
const to = { initiator: 'iqn.2026-11.test:b', isid: '00023d000001', port: 2 }

test('REGISTER', () => {
  expect(parse('REGISTER', basicList({ key: KA, newKey: KB, aptpl: true, allTgPt: true })).result).toEqual({
    action: 'REGISTER', scope: 0, type: 3, key: KA, newKey: KB, aptpl: true, ports: [1, 2],
  })
})
test('SPEC_I_PT lists initiator ports and devices', () => {
  const other = { ...to, port: 1 }
  const { result } = parse('REGISTER', basicList({ newKey: KB, others: [other, { ...other, isid: '' }] }))
  expect(result).toMatchObject({ others: [other, { ...other, isid: '' }], ports: [1] })
})
test('APTPL and ALL_TG_PT count for registrations only', () => {
  expect(parse('RESERVE', basicList({ key: KA, aptpl: true, allTgPt: true }), 24, { ...ports, persistent: false }).result).toMatchObject({ aptpl: false, ports: [1] })
})
test('REGISTER AND MOVE', () => {
  expect(parse('REGISTER AND MOVE', moveList({ key: KA, newKey: KB, to, unreg: true })).result).toMatchObject({
    key: KA, newKey: KB, aptpl: false, move: { to, unregister: true },
  })
})

test.each([0, 8, 23, MOST_PARAMETERS + 1, 0xffffffff])('a list of %i bytes has a wrong length', (length) => {
  for (const action of actions) expect(parse(action, new Uint8Array(24), length).result).toBe(Status.INVALID_PARAM_LIST_LEN)
})
test.each<[string, OutAction, Uint8Array]>([
  ['more than 24 bytes without SPEC_I_PT', 'REGISTER', Buffer.concat([basicList({}), Buffer.alloc(4)])],
  ['SPEC_I_PT without a list', 'REGISTER', basicList({ others: [] }).subarray(0, 24)],
  ['SPEC_I_PT with half a length', 'REGISTER', basicList({ others: [] }).subarray(0, 26)],
  ['TransportIDs beyond the list', 'REGISTER', basicList({ others: [to] }).subarray(0, 40)],
  ['REGISTER AND MOVE cut off', 'REGISTER AND MOVE', moveList({ key: KA, newKey: KB, to }).subarray(0, 30)],
])('wrong length: %s', (_name, action, list) => expect(parse(action, list).result).toBe(Status.INVALID_PARAM_LIST_LEN))

const damaged = (list: Uint8Array, at: number, value: number): Uint8Array => {
  const copy = Uint8Array.from(list)
  copy[at] = value
  return copy
}
test.each<[string, OutAction, Uint8Array, number]>([
  ['SPEC_I_PT on REGISTER AND IGNORE EXISTING KEY', 'REGISTER AND IGNORE EXISTING KEY', basicList({ newKey: KA, others: [to] }), 20],
  ['SPEC_I_PT on RESERVE', 'RESERVE', basicList({ key: KA, others: [] }), 20],
  ['a TransportID of another protocol', 'REGISTER', damaged(basicList({ newKey: KA, others: [to] }), 28, 0x46), 28],
  ['an unknown target port', 'REGISTER AND MOVE', moveList({ key: KA, newKey: KB, to: { ...to, port: 7 } }), 18],
  ['REGISTER AND MOVE to another protocol', 'REGISTER AND MOVE', damaged(moveList({ key: KA, newKey: KB, to }), 24, 0), 24],
])('invalid field: %s', (_name, action, list, byte) => {
  const { result, task } = parse(action, list)
  expect(result).toBe(Status.INVALID_PARAM_LIST)
  expect(task.detail?.field).toMatchObject({ byte, inCdb: false })
})
test.each<[OutAction, Uint8Array]>([['REGISTER', basicList({ newKey: KA, aptpl: true })], ['REGISTER AND MOVE', moveList({ key: KA, newKey: KB, to, aptpl: true })]])(
  '%s with APTPL is invalid where nothing can be kept', (action, list) => {
    expect(parse(action, list, list.length, { ...ports, persistent: false }).result).toBe(Status.INVALID_PARAM_LIST)
  },
)

test('a list of any bytes is a request or a typed refusal', () => {
  const lists = fc.oneof(fc.uint8Array({ minLength: 20, maxLength: 80 }), fc.tuple(fc.nat(90), fc.nat(255)).map(([at, value]) => damaged(basicList({ newKey: KA, others: [to] }), at, value)))
  fc.assert(fc.property(fc.constantFrom(...actions), lists, fc.integer({ min: -8, max: 8 }), (action, list, more) => {
    const { result } = parse(action, list, Math.max(0, list.length + more))
    if (typeof result === 'number') expect(isStatus(result)).toBe(true)
    else expect([result.key.length, result.newKey.length]).toEqual([16, 16])
  }), { numRuns: 500 })
})

test('any CDB and list of these commands is answered once, and breaks nothing', async () => {
  const lun = new FakeLun()
  const nexuses = [nexus, new FakeNexus('iqn.2026-11.test:b'), new FakeNexus('iqn.2026-11.test:b', '000000000002')]
  const op = fc.constantFrom(0x16, 0x17, 0x56, 0x57, 0x5e, 0x5f, 0x5f, 0x5f, 0x28, 0x00)
  const cdb = fc.tuple(op, fc.nat(31), fc.nat(255), fc.uint8Array({ minLength: 7, maxLength: 7 }), fc.option(fc.constant(24))).map(([o, action, how, rest, length]) =>
    Uint8Array.from(o === 0x5f && length !== null ? [o, action % 8, how % 9, 0, 0, 0, 0, 0, length, 0] : [o, action, how, ...rest]))
  const list = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(basicList({ newKey: KA }), basicList({ key: KA }), basicList({ key: KA, newKey: KA })))
  await fc.assert(fc.asyncProperty(fc.constantFrom(...nexuses), cdb, fc.nat(10), list, async (who, bytes, cut, data) => {
    const task = await lun.run(who, bytes.subarray(0, Math.max(1, bytes.length - Math.max(0, cut - 6))), data)
    expect(task.finished).toBe(1)
    expect([sam.GOOD, sam.CHECK_CONDITION, sam.RESERVATION_CONFLICT]).toContain(statusRow(task.result).sam)
    expect(task.result).not.toBe(Status.HW_ERR)
  }), { numRuns: 1000 })
  expect(sa.CLEAR).toBe(actions.indexOf('CLEAR'))
})
