import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { StandardInquiry, tpgs } from '../scsi'
import { PortDescriptor, PortGroupDescriptor, SetPortGroupsHeader, StateDescriptor } from '../scsi/commands/tpg'
import { sense, senseKey } from '../scsi/sense'
import { cdb, expectBusy, expectCheck, expectGood, expectInvalidField, LockingBackend, ramHandler, type TreeDevice, type TreeGroup } from '../testing'
import { FrontEndBench } from '../testing/front-end-bench'

const disk: TreeDevice = { minor: 0, device: 'disk', cfgstring: 'lock/' }
const HERE = 'iscsi/iqn.2026-11.test:here/tpgt_1/lun_0'
const THERE = 'iscsi/iqn.2026-11.test:here/tpgt_2/lun_0'
const benches: FrontEndBench[] = []
const made = (...options: ConstructorParameters<typeof FrontEndBench>): FrontEndBench => {
  const b = new FrontEndBench(...options)
  benches.push(b)
  return b
}
afterEach(async () => {
  for (const b of benches.splice(0)) expect(await b.close()).toEqual([])
})
/** A file is empty for a moment when it is written. */
async function becomes(file: string, content: string): Promise<void> {
  for (let i = 0; i < 5000 && readFileSync(file, 'latin1') !== content; i++) await settle(2)
  expect(readFileSync(file, 'latin1')).toBe(content)
}
const settle = (ms = 10): Promise<void> => new Promise((r) => setTimeout(r, ms))

describe('a device with groups', () => {
  const setup = async (group: Partial<TreeGroup> = {}, ports: () => void = () => undefined) => {
    const backend = new LockingBackend()
    const bench = made(undefined, { firstMs: 5, maxMs: 20, graceMs: 20 })
    bench.handlers.set('lock', backend.handler())
    bench.handlers.set('ram', ramHandler)
    const tpg = bench.tree.addPort(HERE, { enabled: 1, relativePort: 2 })
    ports()
    bench.tree.add(disk)
    bench.tree.addGroup(disk, 'here', { id: 5, members: [HERE], ...group })
    await bench.front.start()
    backend.calls.length = 0
    return { bench, backend, tpg, it: bench.initiator() }
  }

  test('says what configfs says', async () => {
    const { it } = await setup()
    expect(StandardInquiry.decode(expectGood(await it.inquiry()).data).tpgs).toBe(tpgs.BOTH)
    const { data } = expectGood(await it.send(cdb.reportPortGroups(), { dataIn: 256 }))
    expect(PortGroupDescriptor.decode(data, 4)).toMatchObject({ id: 5, ports: 1 })
    expect(PortDescriptor.decode(data, 12).relativePort).toBe(2)
    const page = expectGood(await it.send(cdb.inquiry({ evpd: 1, page: 0x83 }), { dataIn: 255 })).data.toString('latin1')
    expect(page).toContain('iqn.2026-11.test:here,t,0x0001')
  })

  test('explicit: standby until SET TARGET PORT GROUPS, which the kernel is told of', async () => {
    const { bench, backend, it } = await setup({ state: 2 })
    expectCheck(await it.read({ lba: 0, blocks: 1 }), senseKey.NOT_READY, sense.TARGET_PORT_IN_STANDBY_STATE)
    const list = Buffer.concat([SetPortGroupsHeader.encode({}), StateDescriptor.encode({ id: 5, state: 0 })])
    expectGood(await it.send(cdb.setPortGroups({ listLength: list.length }), { dataOut: list }))
    expect(backend.calls).toEqual(['lock 5'])
    expect(bench.tree.read(disk, 'alua/here/alua_access_state')).toBe('0')
    expect(bench.tree.read(disk, 'alua/here/alua_access_status')).toBe('1')
    expectGood(await it.read({ lba: 0, blocks: 1 }))
  })

  test('implicit: who is there already takes the lock with its first write', async () => {
    const { backend, it } = await setup({ type: 'Implicit' })
    expectBusy(await it.write(0, Buffer.alloc(512)))
    await settle()
    expect(backend.calls).toEqual(['lock -'])
    expectGood(await it.write(0, Buffer.alloc(512)))
  })

  test('without groups nothing of them is there', async () => {
    const bench = made()
    bench.handlers.set('lock', new LockingBackend().handler())
    bench.tree.add(disk)
    await bench.front.start()
    const it = bench.initiator()
    expect(StandardInquiry.decode(expectGood(await it.inquiry()).data).tpgs).toBe(0)
    expectInvalidField(await it.send(cdb.reportPortGroups(), { dataIn: 64 }))
    expectGood(await it.write(0, Buffer.alloc(512)))
  })

  test('lost backend, another path: the portal group is off until it is back', async () => {
    const { bench, backend, tpg } = await setup()
    bench.tree.addPort(THERE, { enabled: 0 })
    bench.tree.addGroup(disk, 'there', { id: 6, members: [THERE] })
    await settle(1100)
    expectGood(await bench.initiator().inquiry())
    backend.failOpens = 4
    backend.report('connection-lost')
    await becomes(join(tpg, 'enable'), '0')
    await becomes(join(tpg, 'enable'), '1')
    expect(bench.served.get(0)!.state).toBe('running')
  })

  test('lost backend, no other path: initiators stay, and are told to wait', async () => {
    const { bench, backend, tpg, it } = await setup({ type: 'Implicit' })
    backend.failOpens = 3
    backend.report('connection-lost')
    expectBusy(await it.read({ lba: 0, blocks: 1 }))
    await settle(10)
    expect(readFileSync(join(tpg, 'enable'), 'latin1')).toBe('1\n')
    await settle(150)
    expect(bench.served.get(0)!.state).toBe('running')
  })

  test('removed while its backend is away: the portal group comes back', async () => {
    const { bench, backend, tpg } = await setup()
    bench.tree.addPort(THERE, { enabled: 0 })
    bench.tree.addGroup(disk, 'there', { id: 6, members: [THERE] })
    await settle(1100)
    expectGood(await bench.initiator().inquiry())
    backend.failOpens = 1000
    backend.report('connection-lost')
    await settle(15)
    expect(await bench.remove(disk)).toBe(0)
    for (let i = 0; i < 100 && readFileSync(join(tpg, 'enable'), 'latin1') !== '1'; i++) await settle()
    expect(readFileSync(join(tpg, 'enable'), 'latin1')).toBe('1')
  })
})
