import type { HandlerSource } from '../../packages/host/src/control'
import { DbusService } from '../../packages/host/src/control/dbus'
import { Status, type Change } from '../../packages/host/src/handler'
import { PrivateBus, privateBus, watchSignals } from '../lib/bus'
import { describeIf, requires } from '../lib/requires'
import { pause, until } from '../lib/run'

const ROOT = '/org/kernel/TCMUService1'
const NAME = 'org.kernel.TCMUService1'
const OBJECT_MANAGER = 'org.freedesktop.DBus.ObjectManager'

/** A service with three handlers on a bus, and what it logged. */
function service(bus: PrivateBus): { service: DbusService; lines: string[]; source: { list: { subtype: string; configHelp: string }[] }; changes: Change[] } {
  const lines: string[] = []
  const changes: Change[] = []
  const write = (level: string) => (message: string): void => void lines.push(`${level} ${message}`)
  const list = [{ subtype: 'file', configHelp: '/path/to/file' }, { subtype: 'drive', configHelp: 'an image\nor nothing' }, { subtype: 'mute', configHelp: 'x' }]
  const devices: Record<string, Status | Error> = { disk0: Status.NOT_HANDLED, cd0: Status.OK, cd1: Status.NOT_READY, cd2: new Error('the tray is stuck') }
  const handlers: HandlerSource = {
    list: () => list,
    check: (subtype, config) => {
      if (subtype === 'mute') return new Promise(() => undefined)
      if (config === 'throw') return Promise.reject(new Error('the check failed\nin two lines'))
      return Promise.resolve(config.startsWith('/') || `the path must be absolute: ${config}`)
    },
    device: (name) => (Object.hasOwn(devices, name) ? {
      subtype: name === 'disk0' ? 'file' : 'drive',
      reconfigure: async (change) => {
        const answer = devices[name]!
        if (answer instanceof Error) throw answer
        changes.push(change)
        return answer
      },
    } : undefined),
  }
  const log = { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') }
  return { service: new DbusService({ address: bus.address, handlers, log, maxRetryMs: 200 }), lines, source: { list }, changes }
}

describeIf(requires.all(requires.command('dbus-daemon', 'dbus-daemon'), requires.command('gdbus', 'libglib2.0-bin'), requires.command('dbus-monitor', 'dbus-bin')), 'org.kernel.TCMUService1 on a bus of its own', () => {
  const bus = privateBus()
  const it = service(bus)
  beforeAll(() => it.service.start())
  afterAll(() => it.service.stop())
  const check = (subtype: string, text: string): Promise<string> => bus.gdbus(`${ROOT}/${subtype}`, `${NAME}.CheckConfig`, [text])
  const change = (...args: string[]): Promise<string> => bus.gdbus(`${ROOT}/${args.shift()!}`, `${NAME}.ChangeMedium`, args)

  test('GetManagedObjects has one object for each handler and nothing else', async () => {
    expect((await bus.gdbus(ROOT, `${OBJECT_MANAGER}.GetManagedObjects`)).trim()).toBe(
      `({objectpath '${ROOT}/file': {'${NAME}': {'ConfigDesc': <'/path/to/file'>}}, '${ROOT}/drive': {'${NAME}': {'ConfigDesc': <'an image\\nor nothing'>}}, '${ROOT}/mute': {'${NAME}': {'ConfigDesc': <'x'>}}},)`)
  })

  test('Properties.GetAll on the root is empty, not an error; on a handler it has ConfigDesc', async () => {
    const getAll = 'org.freedesktop.DBus.Properties.GetAll'
    expect((await bus.gdbus(ROOT, getAll, [OBJECT_MANAGER])).trim()).toBe('(@a{sv} {},)')
    expect((await bus.gdbus(`${ROOT}/file`, getAll, [NAME])).trim()).toBe(`({'ConfigDesc': <'/path/to/file'>},)`)
    expect((await bus.gdbus(`${ROOT}/file`, 'org.freedesktop.DBus.Properties.Get', [NAME, 'ConfigDesc'])).trim()).toBe(`(<'/path/to/file'>,)`)
  })

  test.each([
    ['file', 'file//srv/x.img', `(true, 'success')`],
    ['file', 'file/x.img', `(false, 'the path must be absolute: x.img')`],
    ['file', 'file/throw', `(false, 'the check failed')`],
    ['file', 'drive//x', `(false, '"drive//x" is for the handler drive, and this is file')`],
    ['file', 'fi//x', `(false, '"fi//x" is for the handler fi, and this is file')`],
    ['file', '/srv/x.img', /^\(false, '"\/srv\/x\.img" is not a cfgstring: .* It is SUBTYPE\/REST/],
  ])('CheckConfig on %s of %s', async (subtype, text, answer) => {
    const said = (await check(subtype, text)).trim()
    if (typeof answer === 'string') expect(said).toBe(answer)
    else expect(said).toMatch(answer)
  })

  test.each([
    [['drive', 'cd0', '1048576', 'drive//new.iso'], /^\(0, 'success'\)/],
    [['file', 'disk0', '0', 'file//x'], /^\(-95, 'devices of the handler file have no medium that can be changed'\)/],
    [['drive', 'none', '0', 'drive//x'], /^\(-19, 'this host has no device "none"'\)/],
    [['drive', 'disk0', '0', 'drive//x'], /^\(-22, 'device "disk0" is one of the handler file, and this is drive'\)/],
    [['drive', 'cd0', '0', 'drive/x'], /^\(-22, 'the path must be absolute: x'\)/],
    [['drive', 'cd1', '0', 'drive//x'], /^\(-5, 'the handler drive did not take "\/x": NOT_READY'\)/],
    [['drive', 'cd2', '0', 'drive//x'], /^\(-5, 'the tray is stuck'\)/],
    [['drive', 'cd0', '18446744073709551615', 'drive//x'], /^\(-22, 'size 18446744073709551615 is beyond/],
  ])('ChangeMedium %j', async (args, answer) => expect(await change(...args)).toMatch(answer))

  test('the handler hears of the medium, then of its size', () => {
    expect(it.changes.slice(0, 2)).toEqual([{ kind: 'config', config: '/new.iso' }, { kind: 'size', sizeBytes: 1048576 }])
  })

  test.each([
    [`${ROOT}/nobody`, `${NAME}.CheckConfig`, ['x'], /UnknownObject: there is no object/],
    [`${ROOT}/file`, `${NAME}.Format`, [], /UnknownMethod: .* has no method Format/],
    [`${ROOT}/file`, 'org.example.Other.Do', [], /UnknownInterface/],
    [`${ROOT}/file`, 'org.freedesktop.DBus.Properties.Set', [NAME, 'ConfigDesc', '<"y">'], /PropertyReadOnly/],
  ])('%s %s is a clean error', async (path, method, args, reason) => expect(await bus.gdbus(path, method, args, 1)).toMatch(reason))

  test('arguments of the wrong type are refused', async () => {
    await expect(bus.ask('dbus-send', [`--bus=${bus.address}`, '--print-reply', `--dest=${NAME}`, `${ROOT}/file`, `${NAME}.CheckConfig`, 'uint32:1'], 1)).resolves
      .toMatch(/InvalidArgs: CheckConfig takes \(s\), not \(u\)/)
  })

  test('introspection says what the C daemon says, and the additions', async () => {
    const introspect = (path: string): Promise<string> => bus.ask('gdbus', ['introspect', '--address', bus.address, '--dest', NAME, '--object-path', path])
    const root = await introspect(ROOT)
    expect(root).toMatch(/interface org\.freedesktop\.DBus\.ObjectManager/)
    for (const child of ['HandlerManager1', 'file', 'drive']) expect(root).toContain(`node ${child} {`)
    expect(await introspect(`${ROOT}/file`)).toMatch(/CheckConfig\(in {2}s configstr,\s+out b is_valid,\s+out s message\);[^]*readonly s ConfigDesc/)
    expect(await introspect(`${ROOT}/HandlerManager1`)).toMatch(/RegisterHandler\(in {2}s subtype,\s+in {2}s cfgstr_desc,\s+out b succeeded,\s+out s message\)/)
    expect(await introspect('/')).toMatch(/node org {/)
  })

  test('handlers that come and go are told of', async () => {
    const monitor = watchSignals(bus)
    await monitor.ready
    it.source.list.push({ subtype: 'late', configHelp: 'now' })
    it.service.sync()
    it.source.list.pop()
    it.service.sync()
    await until(() => /member=InterfacesRemoved/.test(monitor.text()), 'both signals')
    await monitor.end()
    expect(monitor.text()).toMatch(/member=InterfacesAdded[^]*object path "\/org\/kernel\/TCMUService1\/late"[^]*ConfigDesc[^]*member=InterfacesRemoved[^]*late[^]*string "org\.kernel\.TCMUService1"/)
  })
})

describeIf(requires.all(requires.command('dbus-daemon', 'dbus-daemon'), requires.command('gdbus', 'libglib2.0-bin'), requires.command('dbus-monitor', 'dbus-bin')), 'when the bus is not there', () => {
  test('the service waits for it, takes the name, and takes it again after a restart of the bus', async () => {
    const bus = await new PrivateBus().start()
    await bus.stop()
    const it = service(bus)
    try {
      await it.service.start()
      expect(it.lines).toEqual([expect.stringMatching(/^warn D-Bus: .*bus\.sock: .*(ENOENT|ECONNREFUSED).*targetcli does not see this host/)])
      const owned = (): number => it.lines.filter((l) => / is ours on /.test(l)).length
      for (const times of [1, 2, 3]) {
        await bus.start()
        await until(() => owned() === times, `the name is ours ${times} times`)
        expect(await bus.gdbus(ROOT, `${OBJECT_MANAGER}.GetManagedObjects`)).toContain(`${ROOT}/file`)
        await bus.stop()
        await pause(20)
      }
      expect(it.lines.length).toBeLessThan(20)
    } finally {
      await it.service.stop()
      await bus.close()
    }
  })

  test('a name that another process has is ours when that one ends', async () => {
    const bus = await new PrivateBus().start()
    const [first, second] = [service(bus), service(bus)]
    try {
      await first.service.start()
      await second.service.start()
      expect(second.lines).toEqual([expect.stringMatching(/^warn .*belongs to another process/)])
      await first.service.stop()
      await until(() => second.lines.some((l) => l.includes('is ours now')), 'the second has the name')
      expect(await bus.gdbus(ROOT, `${OBJECT_MANAGER}.GetManagedObjects`)).toContain(`${ROOT}/file`)
    } finally {
      await second.service.stop()
      await bus.close()
    }
  })
})
