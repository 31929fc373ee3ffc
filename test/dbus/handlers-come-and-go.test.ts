import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { HandlerRoot } from '../lib/handler-root'
import { privateBus, watchSignals } from '../lib/bus'
import { describeIf, requires } from '../lib/requires'
import { run, until } from '../lib/run'
import { bench, cli, type HostProcess } from '../lib/serve'

const ROOT = '/org/kernel/TCMUService1'
const NAME = 'org.kernel.TCMUService1'
const WAIT_MS = 60_000

/** A handler of a version, which it tells when it is asked about a configuration. */
const code = (subtype: string, version: string): string =>
  `module.exports = { subtype: '${subtype}', checkConfig: (c) => c === 'ask' ? '${version}, process ' + process.pid : true, open: (d) => Buffer.alloc(d.sizeBytes), read() {}, write() {} }\n`

describeIf(requires.all(requires.command('dbus-daemon', 'dbus-daemon'), requires.command('gdbus', 'libglib2.0-bin'), requires.command('dbus-monitor', 'dbus-bin')), 'while the host runs', () => {
  const bus = privateBus()
  const here = bench()
  const root = new HandlerRoot(here.path('handlers'))
  let host: HostProcess
  const put = (name: string, version: string, configHelp = `help of ${name} ${version}`): void => {
    root.file(name, 'index.cjs', code(name, version))
    root.file(name, 'package.json', { name, version, main: 'index.cjs', keywords: ['tcmu-handler'], tcmuHandler: { apiVersion: '^1.0', subtype: name, shape: 'blocks', configHelp } })
    // As npm does when it is done.
    writeFileSync(here.path('handlers/node_modules/.package-lock.json.new'), version)
    renameSync(here.path('handlers/node_modules/.package-lock.json.new'), here.path('handlers/node_modules/.package-lock.json'))
  }
  const devices = async (): Promise<string> => (await run(process.execPath, [cli, 'devices', '--socket', here.path('host-0.sock')])).text
  const tcmu = async (...args: string[]): Promise<string> =>
    (await run(process.execPath, [cli, ...args, '--handler-root', here.path('handlers'), '--config', here.path('host.json'), '--socket', here.path('host-0.sock')], { env: here.environment })).text
  const exported = async (): Promise<string[]> =>
    [...(await bus.gdbus(ROOT, 'org.freedesktop.DBus.ObjectManager.GetManagedObjects')).matchAll(/'\/org\/kernel\/TCMUService1\/(\w+)'/g)].map((m) => m[1]!)
  const ask = (subtype: string): Promise<string> => bus.gdbus(`${ROOT}/${subtype}`, `${NAME}.CheckConfig`, [`${subtype}/ask`])
  const inside = (path: string): string[] => readdirSync(path)

  beforeAll(async () => {
    for (const name of ['used', 'inline']) put(name, '1.0.0')
    await root.enable()
    host = await here.start({ readyMs: 200_000, args: ['--dbus', bus.address, '--placement', 'inline=inline'], luns: ['name=u0,size=1M,cfgstring=used/x', 'name=i0,size=1M,cfgstring=inline/x'] })
  })
  afterAll(() => host?.end())

  test('one that is put there is seen, disabled, and not exported', async () => {
    put('late', '1.0.0')
    expect(await tcmu('handlers')).toMatch(/found, disabled: late \(blocks\) of late@1\.0\.0/)
    expect(await exported()).not.toContain('late')
  })

  test('enabled it is added to the bus, disabled it is removed', async () => {
    const monitor = watchSignals(bus)
    await monitor.ready
    expect(await tcmu('handlers', 'enable', 'late')).toMatch(/It is enabled\.\nThe running host has late, for devices that open from now on\n$/)
    expect(await exported()).toContain('late')
    expect(await ask('late')).toMatch(/^\(false, '1\.0\.0, process \d+'\)/)
    expect(await tcmu('handlers', 'disable', 'late')).toBe('late is disabled\nThe running host does not use it\n')
    expect(await exported()).not.toContain('late')
    await until(() => /member=InterfacesRemoved/.test(monitor.text()), 'both signals', WAIT_MS)
    await monitor.end()
    expect(monitor.text()).toMatch(/member=InterfacesAdded[^]*TCMUService1\/late"[^]*ConfigDesc[^]*help of late 1\.0\.0[^]*member=InterfacesRemoved[^]*TCMUService1\/late"/)
  })

  test('nobody has to tell the host: it watches the root', async () => {
    await root.enable('late')
    await until(async () => (await exported()).includes('late'), 'late is exported', WAIT_MS)
    put('late', '1.0.1')
    await until(async () => !(await exported()).includes('late'), 'what is not as it was enabled is not exported', WAIT_MS)
    expect(host.output).toMatch(/E_HANDLER_CHANGED: package late in .*found version 1\.0\.1/)
    await root.enable('late')
    await until(async () => (await exported()).includes('late'), 'late is exported again', WAIT_MS)
    expect(await bus.gdbus(`${ROOT}/late`, 'org.freedesktop.DBus.Properties.Get', [NAME, 'ConfigDesc'])).toContain('help of late 1.0.1')
  })

  test('an update of one in a process of its own is used by what opens next; its open device keeps its process', async () => {
    const before = await ask('used')
    put('used', '2.0.0')
    expect(await tcmu('handlers', 'enable', 'used')).toMatch(/The running host has used, for devices that open from now on\nDevices that are open keep the code they were opened with: u0\n$/)
    const after = await ask('used')
    expect([before, after]).toEqual([expect.stringMatching(/'1\.0\.0, process/), expect.stringMatching(/'2\.0\.0, process/)])
    const [, pid] = /process (\d+)/.exec(before)!
    expect(inside(`/proc/${pid}`)).toContain('cmdline')
    expect(await devices()).toMatch(/u0 .*running/)
  })

  test('an update of one that runs in the host says that a restart is needed, and goes on with the old code', async () => {
    put('inline', '2.0.0')
    expect(await tcmu('handlers', 'enable', 'inline')).toMatch(/The running host has 1\.0\.0 of inline in its own process, and uses 2\.0\.0 after a restart: restart needed\n/)
    expect(await ask('inline')).toMatch(/'1\.0\.0, process/)
    expect(await tcmu('handlers')).toMatch(/^restart needed: inline@2\.0\.0 is installed, and the running host has 1\.0\.0 in its own process$/m)
    await until(() => /inline: version 2\.0\.0 is installed, and 1\.0\.0 runs in this process: restart needed/.test(host.output), 'the log says so', WAIT_MS)
  })

  test('one in use that is disabled takes nothing new, and stays on the bus for its device', async () => {
    expect(await tcmu('handlers', 'disable', 'used')).toBe('used is disabled\nThe running host opens no new devices of used\nDevices that are open keep the code they were opened with: u0\n')
    expect(await exported()).toContain('used')
    expect(await ask('used')).toMatch(/^\(false, 'package used in .* is found, disabled: .*handlers enable used/)
    expect(await devices()).toMatch(/u0 .*running/)
    expect(await tcmu('handlers', 'enable', 'used')).toContain('The running host has used, for devices that open from now on')
    expect(await ask('used')).toMatch(/'2\.0\.0, process/)
  })
})
