import { cdb } from '../../packages/host/src/testing/cdb'
import { HandlerRoot } from '../lib/handler-root'
import { type Answer, Initiator, samStatus, tmf } from '../lib/initiator'
import { persistentReserveIn, persistentReserveOut, prIn, prOut, prType, release6, reserve6 } from '../lib/initiator/reservations'
import { senseOf, senses } from '../lib/initiator/sense'
import { bench, type HostProcess } from '../lib/serve'
import { pause } from '../lib/run'

const BLOCK = 512
const NAME_A = 'iqn.2026-11.test:a'
const NAME_B = 'iqn.2026-11.test:b'
const READ_MS = 1500

const here = bench()
let host: HostProcess
let a: Initiator
let b: Initiator

const test6 = (on: Initiator, lun = 0): Promise<Answer> => on.command({ cdb: cdb.testUnitReady(), lun })
const read = (on: Initiator, lba = 0, lun = 0): Promise<Answer> => on.command({ cdb: cdb.read10({ lba, blocks: 1 }), in: BLOCK, lun })
const write = (on: Initiator, byte: number, lba = 0, lun = 0): Promise<Answer> =>
  on.command({ cdb: cdb.write10({ lba, blocks: 1 }), out: Buffer.alloc(BLOCK, byte), lun })

/** Every unit attention that waits for a session, oldest first. */
async function attentions(on: Initiator, lun = 0): Promise<string[]> {
  const found: string[] = []
  for (let i = 0; i < 16; i++) {
    const answer = await test6(on, lun)
    if (answer.status !== samStatus.check) return found
    found.push(senseOf(answer))
  }
  throw new Error(`unit attentions without end: ${found.join(' ')}`)
}

const open = (name: string): Promise<Initiator> => Initiator.open(host.port, { name, target: host.targetName })

beforeAll(async () => {
  const handlers = new HandlerRoot(here.path('handlers'))
  handlers.install('tcmu-handler-slow', 'test/fixtures/handlers/slow')
  await handlers.enable()
  host = await here.start({ luns: [here.fileLun('plain', '16M'), `name=slow0,size=1M,cfgstring=slow/${READ_MS}`, `name=slow1,size=1M,cfgstring=slow/${READ_MS}`] })
})
beforeEach(async () => {
  a = await open(NAME_A)
  b = await open(NAME_B)
  for (const lun of [0, 1, 2]) for (const session of [a, b]) await attentions(session, lun)
})
afterEach(() => {
  a.destroy()
  b.destroy()
})

describe('data', () => {
  test('what one writes the other reads', async () => {
    expect((await write(a, 0x5a, 100)).status).toBe(samStatus.good)
    expect((await read(b, 100)).data).toEqual(Buffer.alloc(BLOCK, 0x5a))
  })
})

describe('RESERVE(6)', () => {
  const conflicts = async (on: Initiator): Promise<number[]> => [(await read(on)).status, (await write(on, 1)).status]

  test('keeps the other out until RELEASE(6)', async () => {
    expect((await a.command({ cdb: reserve6() })).status).toBe(samStatus.good)
    expect(await conflicts(b)).toEqual([samStatus.conflict, samStatus.conflict])
    expect((await b.command({ cdb: reserve6() })).status).toBe(samStatus.conflict)
    expect(await conflicts(a)).toEqual([samStatus.good, samStatus.good])
    expect((await a.command({ cdb: release6() })).status).toBe(samStatus.good)
    expect(await conflicts(b)).toEqual([samStatus.good, samStatus.good])
  })

  test('lets INQUIRY, REQUEST SENSE and another LUN through', async () => {
    await a.command({ cdb: reserve6() })
    expect((await b.command({ cdb: cdb.inquiry({ allocation: 96 }), in: 96 })).status).toBe(samStatus.good)
    expect((await b.command({ cdb: cdb.requestSense({ allocation: 252 }), in: 252 })).status).toBe(samStatus.good)
    expect((await write(b, 2, 0, 1)).status).toBe(samStatus.good)
  })

  test('the release of one who holds nothing changes nothing', async () => {
    await a.command({ cdb: reserve6() })
    expect((await b.command({ cdb: release6() })).status).toBe(samStatus.good)
    expect(await conflicts(b)).toEqual([samStatus.conflict, samStatus.conflict])
  })

  test('ends when the holder goes away', async () => {
    await a.command({ cdb: reserve6() })
    a.destroy()
    await a.closed
    await pause(100)
    expect(await conflicts(b)).toEqual([samStatus.good, samStatus.good])
  })

  test('ends with a LUN reset by the other', async () => {
    await a.command({ cdb: reserve6() })
    expect(await b.manage(tmf.lunReset)).toBe(0)
    await attentions(b)
    expect(await conflicts(b)).toEqual([samStatus.good, samStatus.good])
  })
})

describe('PERSISTENT RESERVE', () => {
  const KEY_A = 0xa
  const KEY_B = 0xb
  const out = async (on: Initiator, action: number, keys: Parameters<typeof persistentReserveOut>[1]): Promise<number> =>
    (await on.command(persistentReserveOut(action, keys))).status

  beforeEach(async () => {
    expect(await out(a, prOut.registerAndIgnore, { serviceKey: KEY_A })).toBe(samStatus.good)
  })
  afterEach(async () => {
    await attentions(b)
    await out(b, prOut.registerAndIgnore, { serviceKey: KEY_B })
    expect(await out(b, prOut.clear, { key: KEY_B })).toBe(samStatus.good)
  })

  test('write exclusive: the other may read and not write', async () => {
    expect(await out(a, prOut.reserve, { key: KEY_A, kind: prType.writeExclusive })).toBe(samStatus.good)
    expect((await read(b)).status).toBe(samStatus.good)
    expect((await write(b, 3)).status).toBe(samStatus.conflict)
    expect((await write(a, 3)).status).toBe(samStatus.good)
  })

  test('exclusive access: the other may do neither', async () => {
    await out(a, prOut.reserve, { key: KEY_A, kind: prType.exclusiveAccess })
    expect((await read(b)).status).toBe(samStatus.conflict)
    expect((await write(b, 4)).status).toBe(samStatus.conflict)
  })

  test('registrants only: registering is enough to write', async () => {
    await out(a, prOut.reserve, { key: KEY_A, kind: prType.writeExclusiveRegistrants })
    expect((await write(b, 5)).status).toBe(samStatus.conflict)
    await out(b, prOut.registerAndIgnore, { serviceKey: KEY_B })
    expect((await write(b, 5)).status).toBe(samStatus.good)
  })

  test('a wrong key is a conflict, and both see the same registrations', async () => {
    expect(await out(a, prOut.reserve, { key: 0x99, kind: prType.writeExclusive })).toBe(samStatus.conflict)
    await out(b, prOut.registerAndIgnore, { serviceKey: KEY_B })
    const [one, two] = await Promise.all([a, b].map((s) => s.command({ cdb: persistentReserveIn(prIn.keys, 64), in: 64 })))
    expect(one!.data).toEqual(two!.data)
    expect(one!.data.readUInt32BE(4)).toBe(16)
  })

  test('preempting moves the reservation, and the loser is told', async () => {
    await out(a, prOut.reserve, { key: KEY_A, kind: prType.writeExclusive })
    await out(b, prOut.registerAndIgnore, { serviceKey: KEY_B })
    expect(await out(b, prOut.preempt, { key: KEY_B, serviceKey: KEY_A, kind: prType.writeExclusive })).toBe(samStatus.good)
    expect(await attentions(a)).toContain(senses.registrationsPreempted)
    expect(await attentions(b)).toEqual([])
    expect((await write(a, 6)).status).toBe(samStatus.conflict)
    expect((await write(b, 6)).status).toBe(samStatus.good)
  })

  test('clearing tells the other registrant', async () => {
    await out(b, prOut.registerAndIgnore, { serviceKey: KEY_B })
    expect(await out(a, prOut.clear, { key: KEY_A })).toBe(samStatus.good)
    expect(await attentions(b)).toEqual([senses.reservationsPreempted])
    expect(await attentions(a)).toEqual([])
  })

  test('a registration outlives its session, RESERVE(6) is refused meanwhile', async () => {
    await out(a, prOut.reserve, { key: KEY_A, kind: prType.writeExclusive })
    await a.logout()
    expect((await write(b, 7)).status).toBe(samStatus.conflict)
    expect((await b.command({ cdb: reserve6() })).status).toBe(samStatus.conflict)
    a = await open(NAME_A)
    await attentions(a)
    expect((await write(a, 7)).status).toBe(samStatus.good)
  })
})

describe('unit attentions', () => {
  test('a new session hears of the power on, once for each LUN', async () => {
    const fresh = await open('iqn.2026-11.test:fresh')
    for (const lun of [0, 1]) {
      expect((await attentions(fresh, lun)).every((s) => s.startsWith('6/29'))).toBe(true)
      expect(await attentions(fresh, lun)).toEqual([])
    }
    fresh.destroy()
  })

  test('INQUIRY and REPORT LUNS neither report nor clear one', async () => {
    await a.manage(tmf.lunReset)
    expect((await b.command({ cdb: cdb.inquiry({ allocation: 36 }), in: 36 })).status).toBe(samStatus.good)
    expect(await attentions(b)).toEqual([expect.stringMatching(/^6\/29/)])
  })

  test('MODE SELECT by one is told to the other only', async () => {
    const sense = await a.command({ cdb: cdb.modeSense6({ page: 0x0a, allocation: 192 }), in: 192 })
    const list = Buffer.from(sense.data.subarray(0, 1 + sense.data[0]!))
    const page = 4 + list[3]!
    list[0] = 0
    list[page] = list[page]! & 0x3f
    list[page + 2] = list[page + 2]! ^ 0x04 // D_SENSE, SPC-4 7.5.8
    const selected = await a.command({ cdb: cdb.modeSelect6({ listLength: list.length }), out: list })
    expect({ status: selected.status, sense: senseOf(selected) }).toEqual({ status: samStatus.good, sense: '' })
    expect(await attentions(b)).toEqual([senses.modeChanged])
    expect(await attentions(a)).toEqual([])
    list[page + 2] = list[page + 2]! ^ 0x04
    await a.command({ cdb: cdb.modeSelect6({ listLength: list.length }), out: list })
  })

  test('a LUN reset reaches both sessions, and no other LUN', async () => {
    expect(await a.manage(tmf.lunReset, { lun: 1 })).toBe(0)
    for (const session of [a, b]) {
      expect(await attentions(session, 1)).toEqual([expect.stringMatching(/^6\/29/)])
      expect(await attentions(session, 0)).toEqual([])
      expect(await attentions(session, 2)).toEqual([])
    }
  })
})

describe('task management', () => {
  /** What becomes of a command: its status, or `aborted` when no response comes. */
  interface Fate { result: string }
  function start(on: Initiator, lun: number): Fate {
    const fate: Fate = { result: 'under way' }
    read(on, 0, lun).then((x) => (fate.result = x.status === samStatus.good ? 'good' : `status ${x.status.toString(16)}`), () => (fate.result = 'aborted'))
    return fate
  }
  /** After everything that was not aborted must have come back. */
  async function settled(...sessions: Initiator[]): Promise<void> {
    await pause(READ_MS + 500)
    for (const s of sessions) s.abandon()
    await pause(0)
  }
  /** Aborted commands get no response, or TASK ABORTED where the control mode page says so (SAM-5 5.7.2, TAS). */
  const gone = expect.stringMatching(/^(aborted|status 40)$/)
  const startedFirst = (): Promise<void> => pause(200)

  test('LUN RESET ends the commands of both on that LUN and no others', async () => {
    const fates = { a1: start(a, 1), b1: start(b, 1), a2: start(a, 2), b2: start(b, 2) }
    await startedFirst()
    const began = performance.now()
    expect(await a.manage(tmf.lunReset, { lun: 1 })).toBe(0)
    expect(performance.now() - began).toBeLessThan(READ_MS)
    await settled(a, b)
    expect(fates).toEqual({ a1: { result: gone }, b1: { result: gone }, a2: { result: 'good' }, b2: { result: 'good' } })
    expect((await read(a, 0, 2)).status).toBe(samStatus.good)
  })

  test('ABORT TASK ends one command', async () => {
    const tag = a.upcomingTag
    const fates = { first: start(a, 1), second: start(a, 1), other: start(b, 1) }
    await startedFirst()
    expect(await a.manage(tmf.abortTask, { lun: 1, referenced: tag })).toBe(0)
    await settled(a, b)
    expect(fates).toEqual({ first: { result: gone }, second: { result: 'good' }, other: { result: 'good' } })
    expect(await attentions(b, 1)).toEqual([])
  })

  test('ABORT TASK of one that is not there says so', async () => {
    expect(await a.manage(tmf.abortTask, { lun: 1, referenced: 0x7777 })).toBe(1)
  })

  test(`ABORT TASK SET ends one session's commands on the LUN`, async () => {
    const fates = { a1: start(a, 1), again: start(a, 1), a2: start(a, 2), b1: start(b, 1) }
    await startedFirst()
    expect(await a.manage(tmf.abortTaskSet, { lun: 1 })).toBe(0)
    await settled(a, b)
    expect(fates).toEqual({ a1: { result: gone }, again: { result: gone }, a2: { result: 'good' }, b1: { result: 'good' } })
  })

  test(`CLEAR TASK SET ends both sessions' commands, and the other is told`, async () => {
    const fates = { a1: start(a, 1), b1: start(b, 1), b2: start(b, 2) }
    await startedFirst()
    expect(await a.manage(tmf.clearTaskSet, { lun: 1 })).toBe(0)
    await settled(a, b)
    expect(fates).toEqual({ a1: { result: gone }, b1: { result: gone }, b2: { result: 'good' } })
    // By the status of each command (TAS=1) or by a unit attention (TAS=0), SAM-5 5.7.2.
    const told = [...(fates.b1.result === 'status 40' ? ['TASK ABORTED'] : []), ...(await attentions(b, 1))]
    expect(told.length).toBeGreaterThan(0)
    expect(['TASK ABORTED', senses.commandsCleared]).toEqual(expect.arrayContaining(told))
    expect(await attentions(a, 1)).toEqual([])
  })

  test('a LUN that is not there', async () => {
    expect(await a.manage(tmf.lunReset, { lun: 9 })).toBe(2)
  })
})
