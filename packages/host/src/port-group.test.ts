import { checkConfig } from './control/config-file'
import { PortGroupDescriptor, PortDescriptor } from './scsi/commands/tpg'
import { accessState, sense, senseKey, StandardInquiry, tpgs } from './scsi'
import { cdb, directly, expectAttention, expectCheck, expectGood, expectInvalidOpcode, Initiator, ramHandler, testDevice } from './testing'
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

test.each([
  [{ portGroup: {} }, /portGroup/], [{ portGroup: { id: 0 } }, /portGroup\.id/], [{ portGroup: { id: 1, state: 'active' } }, /portGroup\.state/], [{ portGroup: { id: 1, port: 65536 } }, /portGroup\.port/],
])('the configuration %j is refused', (document, reason) => {
  expect(() => checkConfig(document, '/f.json')).toThrow(reason)
})
test('the configuration says it', () => {
  expect(checkConfig({ portGroup: { id: 3, state: 'non-optimized' } }, '/f.json').portGroup).toEqual({ id: 3, state: 'non-optimized' })
})
