import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type LogicalUnit, Status } from '@tcmu/host/scsi'
import { cdbs, FakeLun, FakeNexus, inquire, moveList, out, outCdb, RESERVATION_CONFLICT, sa } from '../testing/fake-lun'
import { Capabilities, FullStatusDescriptor, InHeader } from './layouts'
import { reservationObserver } from './observer'
import { keyOf } from './reports'
import { fileReservationStore, type PersistentState, type ReservationStore } from './store'
import { decodeTransportId } from './transport-id'
import { NO_KEY, ReservationType as T } from './types'

const KA = '000000000000000a'
const KB = '000000000000000b'
const KC = '000000000000000c'
const ISID = '00023d000001'
let lun: FakeLun
let a: FakeNexus
let b: FakeNexus
let c: FakeNexus
const join = (): void => {
  a = new FakeNexus('iqn.2026-11.test:a', ISID)
  b = new FakeNexus('iqn.2026-11.test:b', ISID)
  c = new FakeNexus('iqn.2026-11.test:c', ISID)
  for (const nexus of [a, b, c]) lun.reservations.nexusJoined(nexus)
}
beforeEach(() => {
  lun = new FakeLun()
  join()
})
const ok = async (nexus: FakeNexus, action: number, more: Parameters<typeof out>[3]): Promise<void> => expect((await out(lun, nexus, action, more)).result).toBe(Status.OK)
const everybodyRegisters = async (): Promise<void> => {
  await ok(a, sa.REGISTER, { newKey: KA })
  await ok(b, sa.REGISTER, { newKey: KB })
  await ok(c, sa.REGISTER, { newKey: KC })
}
const told = (): (Status[] | undefined)[] => [a, b, c].map((n) => lun.attentions.get(n))

describe('unit attentions', () => {
  beforeEach(everybodyRegisters)
  test('RESERVATIONS RELEASED goes to the other registrants', async () => {
    await ok(a, sa.RESERVE, { key: KA, type: T.WRITE_EXCLUSIVE_RO })
    await ok(a, sa.RELEASE, { key: KA, type: T.WRITE_EXCLUSIVE_RO })
    expect(told()).toEqual([undefined, [Status.RESERVATIONS_RELEASED], [Status.RESERVATIONS_RELEASED]])
  })
  test('RESERVATIONS PREEMPTED goes to whom CLEAR took a registration from', async () => {
    await ok(b, sa.CLEAR, { key: KB })
    expect(told()).toEqual([[Status.RESERVATIONS_PREEMPTED], undefined, [Status.RESERVATIONS_PREEMPTED]])
  })
  test('REGISTRATIONS PREEMPTED goes to whom PREEMPT took one from, in whichever session it is now', async () => {
    lun.reservations.nexusLost(c)
    const again = new FakeNexus(c.initiator, c.isid)
    lun.reservations.nexusJoined(again)
    await ok(a, sa.PREEMPT, { key: KA, newKey: KC })
    expect(lun.attentions.get(c)).toBeUndefined()
    expect(lun.attentions.get(again)).toEqual([Status.REGISTRATIONS_PREEMPTED])
  })
  test('every session of a registered initiator device is told', async () => {
    const d = [ISID, '00023d000002'].map((isid) => new FakeNexus('iqn.2026-11.test:d', isid))
    for (const nexus of d) lun.reservations.nexusJoined(nexus)
    const e = new FakeNexus('iqn.2026-11.test:e')
    const list = { newKey: KA, others: [{ initiator: 'IQN.2026-11.test:D', isid: '', port: 1 }] }
    await ok(e, sa.REGISTER, list)
    await ok(b, sa.CLEAR, { key: KB })
    for (const nexus of [...d, e]) expect(lun.attentions.get(nexus)).toEqual([Status.RESERVATIONS_PREEMPTED])
  })
})

describe('PREEMPT AND ABORT', () => {
  beforeEach(everybodyRegisters)
  test('ends the tasks of preempted nexuses, and of no others, before its own status', async () => {
    const [hangsB, hangsC] = [b, c].map((n) => lun.start(n, cdbs.hangingWrite10))
    const own = lun.start(a, cdbs.hangingWrite10)
    await ok(a, sa.PREEMPT_AND_ABORT, { key: KA, newKey: KB })
    expect([hangsB.finished, hangsB.result]).toEqual([1, Status.ABORTED])
    expect([hangsC.finished, own.finished]).toEqual([0, 0])
  })
  test('a front end may end them itself', async () => {
    const asked: [string[], boolean][] = []
    lun = new FakeLun({ abortTasks: async (_lun, nexuses, except) => asked.push([[...nexuses].map((n) => n.name), except.nexus === a]) })
    join()
    await everybodyRegisters()
    await ok(a, sa.PREEMPT_AND_ABORT, { key: KA, newKey: KC })
    expect(asked).toEqual([[[c.name], true]])
  })
  test('PREEMPT ends nothing', async () => {
    const task = lun.start(b, cdbs.hangingWrite10)
    await ok(a, sa.PREEMPT, { key: KA, newKey: KB })
    expect(task.finished).toBe(0)
  })
})

describe('persistent reservations and sessions', () => {
  test('a reservation outlives logout, reset and relogin', async () => {
    await ok(a, sa.REGISTER, { newKey: KA })
    await ok(a, sa.RESERVE, { key: KA, type: T.EXCLUSIVE_ACCESS })
    lun.reservations.nexusLost(a)
    lun.reservations.reset()
    expect((await lun.run(b, cdbs.read10)).status).toBe(RESERVATION_CONFLICT)
    const again = new FakeNexus(a.initiator, a.isid)
    expect((await lun.run(again, cdbs.write10)).result).toBe(Status.OK)
    expect((await lun.run(new FakeNexus(a.initiator, '00023d000002'), cdbs.write10)).status).toBe(RESERVATION_CONFLICT)
    expect((await lun.run(new FakeNexus(a.initiator, a.isid, 2), cdbs.write10)).status).toBe(RESERVATION_CONFLICT)
  })
  test('while RESERVE(6) holds, PERSISTENT RESERVE conflicts for everybody', async () => {
    await lun.run(a, cdbs.reserve6)
    for (const nexus of [a, b]) {
      expect((await inquire(lun, nexus, 0)).status).toBe(RESERVATION_CONFLICT)
      expect((await out(lun, nexus, sa.REGISTER, { newKey: KA })).status).toBe(RESERVATION_CONFLICT)
    }
    expect((await lun.run(b, cdbs.reserve10)).status).toBe(RESERVATION_CONFLICT)
    expect((await lun.run(a, cdbs.release10)).result).toBe(Status.OK)
    await ok(b, sa.REGISTER, { newKey: KA })
    expect((await lun.run(a, cdbs.reserve6)).status).toBe(RESERVATION_CONFLICT)
  })
  test('an old session that goes after its successor reserved takes nothing along', async () => {
    const successor = new FakeNexus(a.initiator, a.isid)
    await lun.run(successor, cdbs.reserve6)
    lun.reservations.nexusLost(a)
    expect((await lun.run(b, cdbs.read10)).status).toBe(RESERVATION_CONFLICT)
    lun.reservations.nexusLost(successor)
    expect((await lun.run(b, cdbs.read10)).result).toBe(Status.OK)
  })
})

test('third party and extent reservations do not exist', async () => {
  expect((await lun.run(a, [0x16, 0x10, 0, 0, 0, 0])).detail?.field).toEqual({ byte: 1, bit: 4, inCdb: true })
  expect((await lun.run(a, [0x56, 0x01, 0, 0, 0, 0, 0, 0, 0, 0])).detail?.field).toEqual({ byte: 1, bit: 0, inCdb: true })
})

test('a CDB that is cut off or asks for ACA is invalid', async () => {
  expect((await lun.run(a, [0x5e, 0, 0, 0, 0, 0])).result).toBe(Status.INVALID_CDB)
  expect((await lun.run(a, [0x5e, 0, 0, 0, 0, 0, 0, 0, 8, 4])).detail?.field).toEqual({ byte: 9, bit: 2, inCdb: true })
})

test('a type that does not exist is a field of the CDB', async () => {
  await ok(a, sa.REGISTER, { newKey: KA })
  expect((await out(lun, a, sa.RESERVE, { key: KA, type: 2 })).detail?.field).toMatchObject({ byte: 2, inCdb: true })
})

test('READ FULL STATUS describes every registration', async () => {
  await everybodyRegisters()
  await ok(b, sa.RESERVE, { key: KB, type: T.WRITE_EXCLUSIVE_RO })
  const data = (await inquire(lun, c, 3)).dataIn
  const { generation, additionalLength } = InHeader.decode(data)
  expect([generation, additionalLength]).toEqual([3, data.length - 8])
  const found: unknown[] = []
  for (let at = InHeader.size; at < data.length; ) {
    const d = FullStatusDescriptor.decode(data, at)
    const who = decodeTransportId(data, at + FullStatusDescriptor.size)!
    found.push([keyOf(d.key), d.holder, d.type, d.port, who.initiator, who.isid])
    expect(who.end).toBe(at + FullStatusDescriptor.size + d.additionalLength)
    at = who.end
  }
  expect(found).toEqual([[KA, 0, 0, 1, a.initiator, ISID], [KB, 1, 5, 1, b.initiator, ISID], [KC, 0, 0, 1, c.initiator, ISID]])
})

test('REGISTER AND MOVE hands the reservation over', async () => {
  await ok(a, sa.REGISTER, { newKey: KA })
  await ok(a, sa.RESERVE, { key: KA, type: T.EXCLUSIVE_ACCESS })
  const list = moveList({ key: KA, newKey: KB, to: { initiator: b.initiator, isid: ISID, port: 1 }, unreg: true })
  expect((await lun.run(a, outCdb(sa.REGISTER_AND_MOVE, {}, list.length), list)).result).toBe(Status.OK)
  expect((await lun.run(b, cdbs.write10)).result).toBe(Status.OK)
  expect((await lun.run(a, cdbs.read10)).status).toBe(RESERVATION_CONFLICT)
})

describe('APTPL', () => {
  let folder: string
  beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'reservations-'))))
  afterEach(() => rmSync(folder, { recursive: true }))
  const restart = (): void => {
    lun = new FakeLun({ store: fileReservationStore(folder, 'disk0') })
    join()
  }
  const capabilities = async (): Promise<number[]> => {
    const { persist, persistActive } = Capabilities.decode((await inquire(lun, a, 2)).dataIn)
    return [persist, persistActive]
  }

  test('is refused where nothing can be kept', async () => {
    expect((await out(lun, a, sa.REGISTER, { newKey: KA, aptpl: true })).result).toBe(Status.INVALID_PARAM_LIST)
    expect(await capabilities()).toEqual([0, 0])
  })
  test('keeps registrations and reservation, not the generation', async () => {
    restart()
    expect(await capabilities()).toEqual([1, 0])
    await ok(b, sa.REGISTER, { newKey: KB })
    await ok(a, sa.REGISTER, { newKey: KA, aptpl: true })
    await ok(a, sa.RESERVE, { key: KA, type: T.EXCLUSIVE_ACCESS })
    restart()
    expect(await capabilities()).toEqual([1, 1])
    expect((await lun.run(b, cdbs.write10)).status).toBe(RESERVATION_CONFLICT)
    expect((await lun.run(a, cdbs.write10)).result).toBe(Status.OK)
    expect(InHeader.decode((await inquire(lun, a, 0)).dataIn)).toEqual({ generation: 0, additionalLength: 16 })
    await ok(b, sa.PREEMPT, { key: KB, newKey: KA, type: T.EXCLUSIVE_ACCESS })
    restart()
    expect((await lun.run(a, cdbs.write10)).status).toBe(RESERVATION_CONFLICT)
  })
  test('what is registered without it afterwards is gone', async () => {
    restart()
    await ok(a, sa.REGISTER, { newKey: KA, aptpl: true })
    await ok(b, sa.REGISTER, { newKey: KB })
    restart()
    expect(lun.reservations.state.registrations.size).toBe(0)
  })
})

describe('a store that is slow or fails', () => {
  let saves: { state: PersistentState | undefined; end: (e?: Error) => void }[]
  let errors: Error[]
  beforeEach(() => {
    saves = []
    errors = []
    const store: ReservationStore = {
      load: () => undefined,
      save: (state) => new Promise((resolve, reject) => saves.push({ state, end: (e) => (e ? reject(e) : resolve()) })),
    }
    lun = new FakeLun({ store, onStoreError: (e) => errors.push(e) })
    join()
  })
  const tick = (): Promise<void> => new Promise((r) => setImmediate(r))

  test('GOOD comes after the state is safe, and the next change waits for it', async () => {
    const first = out(lun, a, sa.REGISTER, { newKey: KA, aptpl: true })
    const second = out(lun, b, sa.REGISTER, { newKey: KB, aptpl: true })
    const reserve = lun.run(c, cdbs.reserve6)
    await tick()
    expect([saves.length, lun.reservations.state.registrations.size, lun.live.size]).toEqual([1, 0, 3])
    saves[0].end()
    await first
    await tick()
    expect(saves.map((s) => s.state?.registrations.length)).toEqual([1, 2])
    saves[1].end()
    expect((await second).result).toBe(Status.OK)
    expect((await reserve).status).toBe(RESERVATION_CONFLICT)
  })
  test('what could not be kept did not happen', async () => {
    const task = out(lun, a, sa.REGISTER, { newKey: KA, aptpl: true })
    await tick()
    saves[0].end(new Error('disk full'))
    expect((await task).result).toBe(Status.HW_ERR)
    expect(errors.map((e) => e.message)).toEqual(['disk full'])
    expect([lun.reservations.state.registrations.size, lun.reservations.state.aptpl]).toEqual([0, false])
    await ok(a, sa.REGISTER, { newKey: KB })
  })
  test('who was aborted while waiting changes nothing', async () => {
    const first = out(lun, a, sa.REGISTER, { newKey: KA, aptpl: true })
    const second = out(lun, b, sa.REGISTER, { newKey: KB })
    await tick()
    for (const task of lun.live) if (task.nexus === b) task.abort()
    lun.reservations.nexusLost(b)
    saves[0].end()
    expect((await first).result).toBe(Status.OK)
    expect((await second).result).toBe(Status.ABORTED)
    expect([...lun.reservations.state.registrations.values()].map((r) => r.key)).toEqual([KA])
  })
})

test('an observer keeps the units of a target apart', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'reservations-'))
  try {
    const observer = reservationObserver({
      stateDir: folder, port: { relativeId: 1 },
      nexusInfo: (n) => ({ initiatorName: (n as FakeNexus).initiator, isid: ISID, targetPort: 't', relativePort: 1 }),
    })
    const units = ['one', 'two'].map((name) => ({ name, attend: () => {} }) as unknown as LogicalUnit)
    const [first] = units.map((lu) => observer.extension(lu))
    expect([first.name, first.stage]).toEqual(['reservations', -150])
    for (const lu of units) observer.nexusJoined(lu, a)
    expect(observer.of(units[0])).not.toBe(observer.of(units[1]))
    observer.nexusLost(units[0], a)
    observer.reset(units[1])
    expect(observer.of(units[0])!.state.registrations.size).toBe(0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
test('keys are what they say', () => expect(NO_KEY).toHaveLength(16))
