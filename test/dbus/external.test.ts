import { DbusService } from '../../packages/host/src/control/dbus'
import { dbusNext } from '../../packages/host/src/control/dbus-next'
import { type DbusConnection, DbusVariant } from '../../packages/host/src/control/dbus-transport'
import { DbusTree } from '../../packages/host/src/control/dbus-tree'
import { PrivateBus, privateBus, watchSignals } from '../lib/bus'
import { describeIf, requires } from '../lib/requires'
import { until } from '../lib/run'

const ROOT = '/org/kernel/TCMUService1'
const NAME = 'org.kernel.TCMUService1'
const MANAGER = `${NAME}.HandlerManager1`
const BUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' }

/** What a process that serves `subtype` over libtcmu does on the bus. */
async function external(bus: PrivateBus, subtype: string, answer: (text: string) => unknown[] | Promise<unknown[]>): Promise<DbusConnection> {
  const tree = new DbusTree()
  tree.set(`${ROOT}/HandlerManager1/${subtype}`, [{ name: NAME, methods: { CheckConfig: { takes: [['c', 's']], gives: [['ok', 'b'], ['m', 's']], run: ([c]) => answer(c as string) } } }])
  const connection = await dbusNext.connect(bus.address, { call: (c) => tree.answer(c), signal: () => undefined }, 5000)
  await connection.call({ ...BUS, member: 'RequestName', signature: 'su', body: [`${MANAGER}.${subtype}`, 0] }, 5000)
  return connection
}
const register = (from: DbusConnection, subtype: string, description = 'none'): Promise<readonly unknown[]> =>
  from.call({ destination: NAME, path: `${ROOT}/HandlerManager1`, interface: MANAGER, member: 'RegisterHandler', signature: 'ss', body: [subtype, description] }, 5000)
const unregister = (from: DbusConnection, subtype: string): Promise<readonly unknown[]> =>
  from.call({ destination: NAME, path: `${ROOT}/HandlerManager1`, interface: MANAGER, member: 'UnregisterHandler', signature: 's', body: [subtype] }, 5000)

describeIf(requires.all(requires.command('dbus-daemon', 'dbus-daemon'), requires.command('gdbus', 'libglib2.0-bin'), requires.command('dbus-monitor', 'dbus-bin')), 'handlers of other processes', () => {
  const bus = privateBus()
  const lines: string[] = []
  const say = (m: string): void => void lines.push(m)
  let service: DbusService
  const objects = (): Promise<string> => bus.gdbus(ROOT, 'org.freedesktop.DBus.ObjectManager.GetManagedObjects')
  beforeAll(async () => {
    service = new DbusService({
      address: bus.address, maxRetryMs: 100, log: { error: say, warn: say, info: say, debug: () => undefined },
      handlers: { list: () => [{ subtype: 'file', configHelp: 'x' }], check: async () => true, device: () => undefined },
    })
    await service.start()
  })
  afterAll(() => service.stop())

  test('one is registered, listed, asked, and gone with its process', async () => {
    const monitor = watchSignals(bus)
    await monitor.ready
    const syn = await external(bus, 'syn', (c) => [c === 'syn/null', c === 'syn/null' ? 'OK' : `no ${c}`])
    expect(await register(syn, 'syn', 'valid options:\nnull')).toEqual([true, 'succeeded'])
    expect(service.externalSubtypes).toEqual(['syn'])
    expect(await objects()).toContain(`'${ROOT}/syn': {'${NAME}': {'ConfigDesc': <'valid options:\\nnull'>}}`)
    const check = (text: string): Promise<string> => bus.gdbus(`${ROOT}/syn`, `${NAME}.CheckConfig`, [text])
    expect(await check('syn/null')).toBe(`(true, 'OK')\n`)
    expect(await check('syn/x')).toBe(`(false, 'no syn/x')\n`)
    expect(await bus.gdbus(`${ROOT}/syn`, `${NAME}.ChangeMedium`, ['a', '0', 'syn/null'])).toMatch(/^\(-95, 'syn is run by another process/)
    syn.close()
    await until(() => service.externalSubtypes.length === 0, 'syn is gone')
    expect(await objects()).not.toContain('syn')
    await until(() => /member=InterfacesRemoved/.test(monitor.text()), 'InterfacesRemoved')
    await monitor.end()
    expect(monitor.text()).toMatch(/InterfacesAdded[^]*\/syn[^]*InterfacesRemoved[^]*\/syn/)
  })

  test('it can be taken back by its owner, and by nobody else', async () => {
    const [mine, theirs] = await Promise.all([external(bus, 'mine', () => [true, 'OK']), external(bus, 'theirs', () => [true, 'OK'])])
    expect(await register(mine, 'mine')).toEqual([true, 'succeeded'])
    expect(await unregister(theirs, 'mine')).toEqual([false, expect.stringMatching(/only the owner/)])
    expect(await unregister(mine, 'mine')).toEqual([true, 'succeeded'])
    expect(await unregister(mine, 'mine')).toEqual([false, 'there is no external handler "mine"'])
    expect(service.externalSubtypes).toEqual([])
    mine.close()
    theirs.close()
  })

  test.each([
    ['nobody', 'Cannot find handler bus name: org.kernel.TCMUService1.HandlerManager1.nobody'],
    ['a-b', 'failed to watch for DBus handler name'], ['', 'failed to watch for DBus handler name'], ['HandlerManager1', 'failed to watch for DBus handler name'],
    ['x'.repeat(65), 'failed to watch for DBus handler name'], ['file', 'this host has a handler file of its own'],
  ])('%j is refused', async (subtype, reason) => {
    const from = await external(bus, 'asker', () => [true, 'OK'])
    expect(await register(from, subtype)).toEqual([false, reason])
    from.close()
  })

  test('one that answers nonsense, or goes while it is asked, is an answer for who asked', async () => {
    const odd = await external(bus, 'odd', () => ['yes', 1])
    await register(odd, 'odd')
    expect(await bus.gdbus(`${ROOT}/odd`, `${NAME}.CheckConfig`, ['odd/x'])).toMatch(/^\(false, /)
    const slow = await external(bus, 'slow', () => {
      slow.close()
      return new Promise(() => undefined)
    })
    await register(slow, 'slow')
    expect(await bus.gdbus(`${ROOT}/slow`, `${NAME}.CheckConfig`, ['slow/x'])).toMatch(/^\(false, /)
    odd.close()
    await until(() => service.externalSubtypes.length === 0, 'both are gone')
  })

  test('they are gone with the bus', async () => {
    const syn = await external(bus, 'syn', () => [true, 'OK'])
    await register(syn, 'syn')
    await bus.stop()
    await until(() => service.externalSubtypes.length === 0, 'syn is gone')
    await bus.start()
    await until(() => lines.filter((l) => l.includes('is ours')).length === 2, 'the name is ours again')
    const again = await external(bus, 'syn', () => [true, 'OK'])
    expect(await register(again, 'syn')).toEqual([true, 'succeeded'])
    again.close()
  })

  test('variants travel both ways', async () => {
    const peer = await external(bus, 'peer', () => [true, 'OK'])
    const [value] = await peer.call({ destination: NAME, path: `${ROOT}/file`, interface: 'org.freedesktop.DBus.Properties', member: 'Get', signature: 'ss', body: [NAME, 'ConfigDesc'] }, 5000)
    expect(value).toMatchObject({ signature: 's', value: 'x' })
    await expect(peer.call({ destination: NAME, path: `${ROOT}/file`, interface: 'org.freedesktop.DBus.Properties', member: 'Set', signature: 'ssv', body: [NAME, 'ConfigDesc', new DbusVariant('s', 'y')] }, 5000))
      .rejects.toMatchObject({ fault: 'org.freedesktop.DBus.Error.PropertyReadOnly' })
    peer.close()
  })
})
