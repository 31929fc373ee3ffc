import type { LockHolder } from '../handler'
import { accessState, Status, tpgs, transitionCause } from '../scsi'
import { SetPortGroupsHeader, StateDescriptor, PortGroupDescriptor } from '../scsi/commands/tpg'
import {
  attach, cdb, expectBusy, expectCheck, expectGood, held, LockingBackend, LogLines, MemoryPortGroups, portGroup, testDevice,
} from '../testing'
import { Initiator, directly } from '../testing/initiator'
import { sense, senseKey } from '../scsi/sense'
import { lockStates } from './lock'

const { OPTIMIZED, STANDBY } = accessState

async function locked(kind: number, backend = new LockingBackend(), handler = backend.handler()) {
  const log = new LogLines()
  const device = await testDevice(handler, { log, recovery: { firstMs: 5, maxMs: 20, graceMs: 30 } })
  const groups = new MemoryPortGroups(kind)
  device.usePortGroups(groups)
  backend.calls.length = 0
  const it = new Initiator(directly(device), 512)
  return { backend, device, groups, it, log, counters: device.counters }
}
type Locked = Awaited<ReturnType<typeof locked>>
const settle = (ms = 5): Promise<void> => new Promise((r) => setTimeout(r, ms))
const block = Buffer.alloc(512, 3)
const read = (d: Locked) => d.it.read({ lba: 0, blocks: 1 })
const write = (d: Locked) => d.it.write(0, block)
const set = (d: Locked, ...wanted: readonly (readonly [id: number, state: number])[]) => {
  const list = Buffer.concat([SetPortGroupsHeader.encode({}), ...wanted.map(([id, state]) => StateDescriptor.encode({ id, state }))])
  return d.it.send(cdb.setPortGroups({ listLength: list.length }), { dataOut: list })
}
const report = async (d: Locked) => {
  const { data } = expectGood(await d.it.send(cdb.reportPortGroups(), { dataIn: 4096 }))
  return [PortGroupDescriptor.decode(data, 4), PortGroupDescriptor.decode(data, 16)].map((g) => [g.id, g.state])
}
const fenced = (a: Parameters<typeof expectCheck>[0]) => expectCheck(a, senseKey.NOT_READY, sense.TARGET_PORT_IN_STANDBY_STATE)

test('the table: every state leads somewhere, and out of every one the lock can be lost or had', () => {
  const states = Object.keys(lockStates)
  for (const moves of Object.values(lockStates)) for (const to of Object.values(moves)) expect(states).toContain(to)
  for (const [from, moves] of Object.entries(lockStates)) expect([from, Object.keys(moves).length > 0]).toEqual([from, true])
})

describe('implicit', () => {
  test('the first write takes the lock and is told to try again; reads take none', async () => {
    const d = await locked(tpgs.IMPLICIT)
    expectBusy(await read(d))
    await settle()
    expectGood(await read(d))
    expect(d.backend.calls).toEqual([])
    expectBusy(await write(d))
    expectBusy(await read(d))
    await settle()
    expect(d.backend.calls).toEqual(['lock -'])
    expectGood(await write(d))
    expectGood(await read(d))
    expect(d.backend.calls).toEqual(['lock -'])
  })

  test('commands that do not touch the medium need none; SYNCHRONIZE CACHE does', async () => {
    const d = await locked(tpgs.IMPLICIT)
    expectGood(await d.it.testUnitReady())
    expectGood(await d.it.inquiry())
    expectGood(await d.it.readCapacity16())
    expectBusy(await d.it.send(cdb.synchronizeCache10(), {}))
    await settle()
    expect(d.backend.calls).toEqual(['lock -'])
  })

  test('it waits for commands under way, and only then takes it', async () => {
    const backend = new LockingBackend()
    const slow = held(backend.handler(), (operation) => operation === 'read')
    const d = await locked(tpgs.IMPLICIT, backend, slow.handler)
    expectBusy(await read(d))
    await settle()
    const reading = read(d)
    expectBusy(await write(d))
    await settle()
    expect(backend.calls).toEqual([])
    slow.releaseAll()
    expectGood(await reading)
    await settle()
    expect(backend.calls).toEqual(['lock -'])
  })

  test('lost: opened again before it is taken again, counted, told', async () => {
    const d = await locked(tpgs.IMPLICIT)
    const events: string[] = []
    d.device.hooks.event.tap('test', (e) => void events.push(e.kind))
    await write(d)
    await settle()
    d.backend.report('lock-lost')
    expect(events).toEqual(['lock-lost'])
    expect(d.counters.lockLost).toBe(1)
    d.backend.calls.length = 0
    expectBusy(await read(d))
    await settle()
    expect(d.backend.calls).toEqual(['close', 'reopen'])
    expectGood(await read(d))
    expectBusy(await write(d))
    await settle()
    expectGood(await write(d))
    expect(d.backend.calls).toEqual(['close', 'reopen', 'lock -'])
  })

  test('INQUIRY and REPORT TARGET PORT GROUPS find out that it is gone', async () => {
    const d = await locked(tpgs.IMPLICIT)
    await write(d)
    await settle()
    expectGood(await write(d))
    d.backend.state = 'unlocked'
    expectGood(await d.it.inquiry())
    expect(d.counters.lockLost).toBe(1)
    expectBusy(await write(d))
    await settle()
    expectGood(await write(d))
    d.backend.state = 'unknown'
    await report(d)
    expect(d.counters.lockLost).toBe(2)
  })

  test('shut out: opened again and tried once more, not twice', async () => {
    const d = await locked(tpgs.IMPLICIT)
    d.backend.answers.push(Status.FENCED)
    await write(d)
    await settle()
    expect(d.backend.calls).toEqual(['lock -', 'close', 'reopen', 'lock -'])
    expectGood(await write(d))
    const e = await locked(tpgs.IMPLICIT)
    e.backend.answers.push(Status.FENCED, Status.FENCED)
    await write(e)
    await settle()
    expect(e.backend.calls).toEqual(['lock -', 'close', 'reopen', 'lock -'])
    expectBusy(await write(e))
    await settle()
    expectGood(await write(e))
  })

  test('not to be reached: the connection counts as lost, and is recovered', async () => {
    const d = await locked(tpgs.IMPLICIT)
    d.backend.answers.push(Status.TIMEOUT)
    await write(d)
    await settle(50)
    expect(d.backend.calls).toEqual(['lock -', 'close', 'reopen'])
    expect(d.counters.connectionLost).toBe(1)
    expect(d.device.state).toBe('running')
    expectBusy(await write(d))
    await settle()
    expectGood(await write(d))
  })

  test('a lock that throws is told of, and tried again by the next write', async () => {
    const d = await locked(tpgs.IMPLICIT)
    d.backend.answers.push(new Error('odd'))
    await write(d)
    await settle()
    expect(d.log.lines.some((l) => l.includes('the lock was not taken: odd'))).toBe(true)
    expectBusy(await write(d))
    await settle()
    expectGood(await write(d))
  })

  test('a reopen that fails leads to recovery, and nothing reaches a closed handler', async () => {
    const d = await locked(tpgs.IMPLICIT)
    d.backend.answers.push(Status.FENCED)
    d.backend.failOpens = 2
    await write(d)
    await settle(100)
    expect(d.backend.calls).toEqual(['lock -', 'close', 'reopen', 'reopen', 'reopen'])
    expect(d.device.state).toBe('running')
  })

  test('it is given back when the device closes, before the handler is closed', async () => {
    const d = await locked(tpgs.IMPLICIT)
    await write(d)
    await settle()
    d.backend.calls.length = 0
    await d.device.close(100)
    expect(d.backend.calls).toEqual(['unlock', 'close'])
  })

  test('through a ring', async () => {
    const backend = new LockingBackend()
    const d = await locked(tpgs.IMPLICIT, backend)
    const ring = attach(d.device)
    let busy = 0
    for (let i = 0; i < 50 && (await ring.initiator.write(0, block)).status !== 0; i++) {
      busy++
      await settle(1)
    }
    expect(busy).toBeGreaterThan(0)
    expect(backend.calls).toEqual(['lock -'])
    await ring.detach()
  })
})

describe('off', () => {
  test('without groups that have states nothing is asked for', async () => {
    const d = await locked(tpgs.NONE)
    expectGood(await write(d))
    expect(d.backend.calls).toEqual([])
  })
  test('lock-lost is counted all the same', async () => {
    const d = await locked(tpgs.NONE)
    d.backend.report('lock-lost')
    expect(d.counters.lockLost).toBe(1)
    expectGood(await write(d))
  })
})

describe('explicit', () => {
  test('standby until an initiator makes our group active', async () => {
    const d = await locked(tpgs.BOTH)
    fenced(await read(d))
    fenced(await write(d))
    expectGood(await d.it.inquiry())
    expectGood(await set(d, [1, OPTIMIZED]))
    expect(d.backend.calls).toEqual(['lock 1'])
    expect(d.groups.recorded).toEqual([[1, OPTIMIZED, transitionCause.EXPLICIT]])
    expectGood(await write(d))
    expectGood(await read(d))
    expect(await report(d)).toEqual([[1, OPTIMIZED], [2, STANDBY]])
  })

  test('active: all others go to standby', async () => {
    const d = await locked(tpgs.EXPLICIT)
    d.groups.groups = [portGroup(1, { state: STANDBY }), portGroup(2), portGroup(3)]
    expectGood(await set(d, [1, OPTIMIZED]))
    expect(d.groups.recorded).toEqual([2, 3].map((id) => [id, STANDBY, 1]).concat([[1, OPTIMIZED, 1]]))
  })

  test('standby gives the lock back', async () => {
    const d = await locked(tpgs.BOTH)
    await set(d, [1, OPTIMIZED])
    expectGood(await set(d, [1, STANDBY]))
    expect(d.backend.calls).toEqual(['lock 1', 'unlock'])
    fenced(await write(d))
    expect(await report(d)).toEqual([[1, STANDBY], [2, STANDBY]])
  })

  test.each<[string, Status | Error, 'busy' | 'failed']>([
    ['busy', Status.BUSY, 'busy'], ['cannot be reached', Status.TIMEOUT, 'busy'], ['broken', Status.HW_ERR, 'failed'], ['odd', new Error('odd'), 'failed'],
  ])('a backend that is %s', async (_, answer, outcome) => {
    const d = await locked(tpgs.BOTH)
    d.backend.answers.push(answer)
    const said = await set(d, [1, OPTIMIZED])
    if (outcome === 'busy') expectBusy(said)
    else expectCheck(said, senseKey.HARDWARE_ERROR, sense.SET_TARGET_PORT_GROUPS_COMMAND_FAILED)
    expect(d.groups.recorded).toEqual([])
    await settle(50)
    fenced(await write(d))
    expectGood(await set(d, [1, OPTIMIZED]))
  })

  test('the group of another host, and states that no lock stands for, are refused', async () => {
    const d = await locked(tpgs.BOTH)
    expectCheck(await set(d, [2, OPTIMIZED]), senseKey.HARDWARE_ERROR, sense.SET_TARGET_PORT_GROUPS_COMMAND_FAILED)
    for (const state of [accessState.NON_OPTIMIZED, accessState.UNAVAILABLE]) {
      expectCheck(await set(d, [1, state]), senseKey.ILLEGAL_REQUEST, sense.INVALID_FIELD_IN_PARAMETER_LIST)
    }
    expect(d.backend.calls).toEqual([])
  })

  test('the report follows the holder: ours is gone when another has it', async () => {
    const d = await locked(tpgs.BOTH)
    await set(d, [1, OPTIMIZED])
    d.groups.recorded.length = 0
    d.backend.holder = { tag: 2 }
    expect(await report(d)).toEqual([[1, STANDBY], [2, OPTIMIZED]])
    expect(d.groups.recorded).toEqual([[1, STANDBY, transitionCause.IMPLICIT], [2, OPTIMIZED, transitionCause.IMPLICIT]])
    fenced(await write(d))
    d.backend.holder = Status.NO_LOCK_HOLDERS
    expect(await report(d)).toEqual([[1, STANDBY], [2, STANDBY]])
  })

  test('who is shut out opens again and asks once more', async () => {
    const d = await locked(tpgs.BOTH)
    const holders: (LockHolder | Status)[] = [Status.FENCED, { tag: 1 }]
    const e = await locked(tpgs.BOTH, d.backend, d.backend.handler({ getLockTag: () => holders.shift()! }))
    expect(await report(e)).toEqual([[1, OPTIMIZED], [2, STANDBY]])
    expect(d.backend.calls).toEqual(['close', 'reopen'])
  })

  test('a holder that cannot be found out is BUSY, and recovered', async () => {
    const d = await locked(tpgs.BOTH)
    d.backend.holder = Status.TIMEOUT
    expectBusy(await d.it.send(cdb.reportPortGroups(), { dataIn: 64 }))
    expect(d.counters.connectionLost).toBe(1)
    await settle(60)
    expect(d.device.state).toBe('running')
  })

  test('while it is recovered SET TARGET PORT GROUPS is BUSY', async () => {
    const d = await locked(tpgs.BOTH)
    d.backend.failOpens = 3
    d.backend.report('connection-lost')
    await settle(2)
    expectBusy(await set(d, [1, OPTIMIZED]))
    expect(d.backend.calls).not.toContain('lock 1')
  })
})
