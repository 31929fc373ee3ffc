import { checkConfig } from './control/config-file'
import { PortDescriptor, PortGroupDescriptor, SetPortGroupsHeader, StateDescriptor } from './scsi/commands/tpg'
import { accessState, sense, senseKey, StandardInquiry, tpgs } from './scsi'
import { cdb, directly, expectAttention, expectCheck, expectGood, expectInvalidOpcode, Initiator, LockingBackend, ramHandler, testDevice } from './testing'
import { PortalGroup } from './port-group'

async function served(config: ConstructorParameters<typeof PortalGroup>[0]) {
  const group = new PortalGroup(config)
  const device = await testDevice(ramHandler)
  group.attach(device)
  return { group, it: new Initiator(directly(device), 512) }
}

test('a portal with a group says so, and which it is', async () => {
  const { it } = await served({ id: 5, port: 9, preferred: true })
  expect(StandardInquiry.decode(expectGood(await it.inquiry()).data).tpgs).toBe(tpgs.IMPLICIT)
  const { data } = expectGood(await it.send(cdb.reportPortGroups(), { dataIn: 64 }))
  expect(PortGroupDescriptor.decode(data, 4)).toMatchObject({ id: 5, state: accessState.OPTIMIZED, pref: 1, ports: 1, ao: 1, an: 1, s: 1, u: 1, t: 1, o: 0, lbd: 0 })
  expect(PortDescriptor.decode(data, 12).relativePort).toBe(9)
  expectInvalidOpcode(await it.send(cdb.setPortGroups({ listLength: 4 }), { dataOut: Buffer.alloc(4) }))
})

test('a change of its state is heard of, and holds', async () => {
  const { group, it } = await served({ id: 5 })
  expect(group.relativePort).toBe(5)
  expectGood(await it.testUnitReady())
  group.change('standby')
  expectAttention(await it.testUnitReady(), sense.ASYMMETRIC_ACCESS_STATE_CHANGED)
  expectCheck(await it.testUnitReady(), senseKey.NOT_READY, sense.TARGET_PORT_IN_STANDBY_STATE)
  const { data } = expectGood(await it.send(cdb.reportPortGroups(), { dataIn: 64 }))
  expect(PortGroupDescriptor.decode(data, 4)).toMatchObject({ state: accessState.STANDBY, cause: 2 })
  group.change()
  expectAttention(await it.testUnitReady(), sense.ASYMMETRIC_ACCESS_STATE_CHANGED)
  expectGood(await it.testUnitReady())
  group.change('optimized')
  expectGood(await it.testUnitReady())
})

const setState = (group: number, state: number): Buffer => Buffer.concat([SetPortGroupsHeader.encode({}), StateDescriptor.encode({ id: group, state })])

test('explicit: it begins in standby, initiators change it, and all the others hear of that', async () => {
  const group = new PortalGroup({ id: 5, access: 'explicit', others: [{ id: 6, port: 60 }] })
  const device = await testDevice(ramHandler)
  group.attach(device)
  const [one, other] = [new Initiator(directly(device, { nexus: { name: 'one' } }), 512), new Initiator(directly(device, { nexus: { name: 'other' } }), 512)]
  expect(StandardInquiry.decode(expectGood(await one.inquiry()).data).tpgs).toBe(tpgs.EXPLICIT)
  expectCheck(await one.testUnitReady(), senseKey.NOT_READY, sense.TARGET_PORT_IN_STANDBY_STATE)
  const states = async () => {
    const { data } = expectGood(await one.send(cdb.reportPortGroups(), { dataIn: 64 }))
    return [4, 16].map((at) => ({ ...PortGroupDescriptor.decode(data, at), port: PortDescriptor.decode(data, at + 8).relativePort }))
  }
  expect(await states()).toMatchObject([{ id: 5, port: 5, state: accessState.STANDBY }, { id: 6, port: 60, state: accessState.STANDBY }])
  const list = setState(5, accessState.OPTIMIZED)
  expectGood(await one.send(cdb.setPortGroups({ listLength: list.length }), { dataOut: list }))
  expectGood(await one.testUnitReady())
  expectAttention(await other.testUnitReady(), sense.ASYMMETRIC_ACCESS_STATE_CHANGED)
  expectGood(await other.testUnitReady())
  expect(await states()).toMatchObject([{ state: accessState.OPTIMIZED, cause: 1 }, { state: accessState.STANDBY }])
  group.change('standby')
  expectGood(await one.testUnitReady())
})

test('explicit, with a lock: who has lost it is in standby, whatever was set', async () => {
  const group = new PortalGroup({ id: 5, access: 'explicit' })
  const backend = new LockingBackend()
  const device = await testDevice(backend.handler())
  group.attach(device)
  const it = new Initiator(directly(device), 512)
  const list = setState(5, accessState.OPTIMIZED)
  expectGood(await it.send(cdb.setPortGroups({ listLength: list.length }), { dataOut: list }))
  expectGood(await it.testUnitReady())
  backend.report('lock-lost')
  expectCheck(await it.testUnitReady(), senseKey.NOT_READY, sense.TARGET_PORT_IN_STANDBY_STATE)
  expectCheck(await it.write(0, Buffer.alloc(512)), senseKey.NOT_READY, sense.TARGET_PORT_IN_STANDBY_STATE)
  expectGood(await it.send(cdb.setPortGroups({ listLength: list.length }), { dataOut: list }))
  expectGood(await it.write(0, Buffer.alloc(512)))
})

test.each([
  [{ portGroup: { id: 1, access: 'explicit', state: 'standby' } }, /portGroup\.state: wanted none, as initiators change/],
  [{ portGroup: { id: 1, others: [{ id: 1 }] } }, /portGroup\.others\.0\.id: wanted a number of its own, found 1/],
  [{ portGroup: { id: 1, others: [{ id: 2 }, { id: 2 }] } }, /portGroup\.others\.1\.id/], [{ portGroup: { id: 1, access: 'both' } }, /portGroup\.access/],
  [{ portGroup: {} }, /portGroup/], [{ portGroup: { id: 0 } }, /portGroup\.id/], [{ portGroup: { id: 1, state: 'active' } }, /portGroup\.state/], [{ portGroup: { id: 1, port: 65536 } }, /portGroup\.port/],
])('the configuration %j is refused', (document, reason) => {
  expect(() => checkConfig(document, '/f.json')).toThrow(reason)
})
test('the configuration says it', () => {
  expect(checkConfig({ portGroup: { id: 3, state: 'non-optimized' } }, '/f.json').portGroup).toEqual({ id: 3, state: 'non-optimized' })
})
