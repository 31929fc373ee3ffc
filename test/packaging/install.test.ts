import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { program } from '../../packages/host/src/cli/program'
import { DbusService } from '../../packages/host/src/control/dbus'
import { parseTcmuConf } from '../../packages/host/src/control/tcmu-conf'
import { keepWatchdog, tellReady } from '../../packages/host/src/cli/watchdog'
import { privateBus } from '../lib/bus'
import { testIf, describeIf, requires } from '../lib/requires'
import { run, until } from '../lib/run'
import { cli } from '../lib/serve'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-install-'))
afterAll(() => rmSync(folder, { recursive: true }))
const install = (dest: string, ...more: string[]): ReturnType<typeof run> => run(process.execPath, [cli, 'install-files', '--dest', dest, ...more])
const filesIn = (dest: string): string[] => readdirSync(dest, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name).slice(dest.length)).sort()
const at = join(folder, 'usr')
const read = (path: string): string => readFileSync(join(at, path), 'utf8')

beforeAll(async () => {
  expect(await install(at)).toMatchObject({ code: 0, stderr: '' })
})

test('every file goes to its place, readable by all and writable by its owner', () => {
  expect(filesIn(at)).toEqual([
    '/etc/dbus-1/system.d/tcmu-host.conf', '/etc/logrotate.d/tcmu-host', '/etc/tcmu/tcmu.conf', '/usr/lib/systemd/system/tcmu-host.service',
    '/usr/share/bash-completion/completions/tcmu-host', '/usr/share/dbus-1/system-services/org.kernel.TCMUService1.service', '/usr/share/man/man8/tcmu-host.8',
  ])
  for (const f of filesIn(at)) {
    expect(statSync(join(at, f)).mode & 0o777).toBe(0o644)
    expect(read(f)).not.toMatch(/@[A-Z]+@/)
  }
})

test('what they run is below the prefix', async () => {
  const local = join(folder, 'local')
  expect((await install(local, '--prefix', '/usr/local/')).stdout.split('\n')).toContain(join(local, '/usr/local/lib/systemd/system/tcmu-host.service'))
  const unit = readFileSync(join(local, 'usr/local/lib/systemd/system/tcmu-host.service'), 'utf8')
  expect(unit).toMatch(/^ExecStart=\/usr\/local\/bin\/tcmu-host serve /m)
  expect(readFileSync(join(local, 'usr/local/share/dbus-1/system-services/org.kernel.TCMUService1.service'), 'utf8')).toMatch(/^Exec=\/usr\/local\/bin\/tcmu-host serve .*\nUser=root\nSystemdService=tcmu-host\.service$/m)
  expect(existsSync(join(local, 'etc/dbus-1/system.d/tcmu-host.conf'))).toBe(true)
})

test('a second time changes nothing; a tcmu.conf that was changed stays, other files are mended', async () => {
  writeFileSync(join(at, 'etc/tcmu/tcmu.conf'), 'log_level = 5\n')
  writeFileSync(join(at, 'usr/lib/systemd/system/tcmu-host.service'), 'old')
  const { code, stdout } = await install(at)
  expect(code).toBe(0)
  expect(stdout).toContain(`kept as it was ${join(at, 'etc/tcmu/tcmu.conf')}\n`)
  expect(read('etc/tcmu/tcmu.conf')).toBe('log_level = 5\n')
  expect(read('usr/lib/systemd/system/tcmu-host.service')).toMatch(/^\[Unit\]/)
  expect(filesIn(at)).toHaveLength(7)
})

test.each([
  [['--prefix', 'usr'], 1, /E_INSTALL: "usr" was not written: a prefix is an absolute path/], [['--prefix', '/a b'], 1, /E_INSTALL/], [['--prefix', '/a\nExecStart=/x'], 1, /E_INSTALL/],
])('%j is refused', async (more, code, reason) => {
  const dest = join(folder, 'refused')
  const ended = await install(dest, ...more)
  expect([ended.code, ended.stdout]).toEqual([code, ''])
  expect(ended.stderr).toMatch(reason)
  expect(existsSync(dest)).toBe(false)
})

test('a place that cannot be written to is named', async () => {
  const taken = join(folder, 'taken')
  mkdirSync(taken)
  writeFileSync(join(taken, 'etc'), '')
  expect(await install(taken)).toMatchObject({ code: 1, stderr: expect.stringMatching(/E_INSTALL: .*taken\/etc\/dbus-1\/system\.d\/tcmu-host\.conf was not written: (ENOTDIR|EEXIST)/) })
  expect((await run(process.execPath, [cli, 'install-files'])).code).toBe(2)
})

test('the template of tcmu.conf says the defaults and sets nothing', () => {
  const text = readFileSync(join(__dirname, '../../packages/host/files/tcmu.conf'), 'utf8')
  expect(parseTcmuConf(text)).toEqual({ values: {}, faults: [] })
  expect(parseTcmuConf(text.replace(/^# (?=log_)/gm, ''))).toEqual({ values: { logLevel: 3, logDir: '/var/log' }, faults: [] })
})

describe('the unit', () => {
  const unit = (): Record<string, string> => Object.fromEntries([...read('usr/lib/systemd/system/tcmu-host.service').matchAll(/^([A-Za-z]+)=(.*)$/gm)].map((m) => [m[1]!, m[2]!]))
  test('has a bus name, a watchdog, restarts, and stops in short time', () => {
    expect(unit()).toMatchObject({ Type: 'dbus', BusName: 'org.kernel.TCMUService1', Restart: 'on-failure', WatchdogSec: '60', TimeoutStopSec: '20' })
  })
  test('calls the host with flags that it has', () => {
    const serve = program({ env: {}, uid: 0 }, () => undefined).commands.find((c) => c.name() === 'serve')!
    const known = serve.options.map((o) => o.long)
    for (const flag of unit()['ExecStart']!.match(/--[a-z-]+/g)!) expect(known).toContain(flag)
  })
  testIf(requires.command('systemd-analyze', 'systemd'), 'is one that systemd takes', async () => {
    // Nothing is installed here: another program stands for the host.
    const copy = join(folder, 'tcmu-host.service')
    writeFileSync(copy, read('usr/lib/systemd/system/tcmu-host.service').replace('/usr/bin/tcmu-host', process.execPath).replace(/^Documentation=.*\n/m, ''))
    const ended = await run('systemd-analyze', ['verify', '--man=no', copy])
    expect(ended.text.split('\n').filter((l) => l.includes('tcmu-host'))).toEqual([])
    writeFileSync(copy, read('usr/lib/systemd/system/tcmu-host.service').replace('Restart=', 'Restrat='))
    expect((await run('systemd-analyze', ['verify', '--man=no', copy])).text).toMatch(/tcmu-host\.service.*Restrat/)
  })
  testIf(requires.command('logrotate', 'logrotate'), 'has a rule that logrotate takes', async () => {
    const copy = join(folder, 'logrotate.conf')
    writeFileSync(copy, read('etc/logrotate.d/tcmu-host'))
    chmodSync(copy, 0o644)
    const ended = await run('logrotate', ['--debug', '--state', join(folder, 'state'), copy])
    expect([ended.code, ended.text.match(/^error.*$/gm)]).toEqual([0, null])
  })
})

describe('the completion', () => {
  const script = join(__dirname, '../../packages/host/files/completion.bash')
  const complete = async (...words: string[]): Promise<string[]> => {
    const text = `source '${script}'; COMP_WORDS=(tcmu-host ${words.map((w) => `'${w}'`).join(' ')}); COMP_CWORD=${words.length}; _tcmu_host; printf '%s\\n' "\${COMPREPLY[@]}"`
    return (await run('bash', ['-c', text])).stdout.split('\n').filter(Boolean)
  }
  const root = program({ env: {}, uid: 0 }, () => undefined)
  test('knows every command and every long option', async () => {
    expect((await complete('')).sort()).toEqual([...root.commands.map((c) => c.name()), 'help', '--help', '--version'].sort())
    for (const c of root.commands) {
      expect((await complete(c.name(), '--')).sort()).toEqual([...new Set([...c.options.map((o) => o.long!), '--help'])].sort())
    }
  })
  test('knows values', async () => {
    expect(await complete('serve', '--log-level', 'd')).toEqual(['debug', 'debug-scsi-cmd'])
    expect(await complete('serve', '--frontend', 'i')).toEqual(['iscsi'])
    expect(await complete('serve', '--config', `${script.slice(0, -4)}`)).toEqual([script])
  })
  testIf(requires.command('shellcheck', 'shellcheck'), 'is clean for shellcheck', async () => {
    expect(await run('shellcheck', ['--shell=bash', script])).toMatchObject({ code: 0, text: '' })
  })
})

describeIf(requires.all(requires.command('dbus-daemon', 'dbus-daemon'), requires.command('gdbus', 'libglib2.0-bin')), 'the D-Bus policy', () => {
  const policy = readFileSync(join(__dirname, '../../packages/host/files/tcmu-host-dbus.conf'), 'utf8')
  const inner = /<busconfig>([^]*)<\/busconfig>/.exec(policy)![1]!
  // As the system's bus has it: nobody owns or calls anything unless a policy says so.
  const bus = privateBus(`<policy context="default"><allow user="*"/><deny own="*"/><deny send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
    <allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/><allow send_destination="org.freedesktop.DBus"/></policy>${inner}`)
  const call = ['call', '--address', '', '--dest', 'org.kernel.TCMUService1', '--object-path', '/org/kernel/TCMUService1', '--method', 'org.freedesktop.DBus.Peer.Ping']
  const ping = (): string[] => call.map((a) => (a === '' ? bus.address : a))

  testIf(process.getuid?.() === 0 ? requires.command('setpriv', 'util-linux') : 'needs root', 'lets root own and call, and nobody else', async () => {
    const mute = (): void => undefined
    const service = new DbusService({
      address: bus.address, log: { error: mute, warn: mute, info: mute, debug: mute },
      handlers: { list: () => [], check: async () => true, device: () => undefined },
    })
    await service.start()
    try {
      await expect(bus.ask('gdbus', ping())).resolves.toBe('()\n')
      chmodSync(bus.folder, 0o755)
      chmodSync(bus.socket, 0o777)
      const other = ['--reuid=65534', '--regid=65534', '--clear-groups', 'gdbus']
      expect(await bus.ask('setpriv', [...other, ...ping()], 1)).toMatch(/AccessDenied/)
      const own = ['call', '--address', bus.address, '--dest', 'org.freedesktop.DBus', '--object-path', '/org/freedesktop/DBus', '--method', 'org.freedesktop.DBus.RequestName']
      for (const name of ['org.kernel.TCMUService1', 'org.kernel.TCMUService1.HandlerManager1.x']) {
        expect(await bus.ask('setpriv', [...other, ...own, name, '0'], 1)).toMatch(/AccessDenied/)
      }
      expect(await bus.ask('gdbus', [...own, 'org.kernel.TCMUService1.HandlerManager1.x', '0'])).toBe('(uint32 1,)\n')
    } finally {
      await service.stop()
    }
  })
})

describe('the service manager', () => {
  test('hears twice in each period that the host is alive, if it asked', async () => {
    const said: string[] = []
    const end = keepWatchdog({ NOTIFY_SOCKET: '/x', WATCHDOG_USEC: '40000', WATCHDOG_PID: '7' }, 7, (_, t) => void said.push(t))
    await until(() => said.length >= 4, 'four beats')
    end()
    const n = said.length
    await new Promise((r) => setTimeout(r, 60))
    expect(said.slice(0, n)).toEqual([...Array<string>(n - 1).fill('WATCHDOG=1'), 'STOPPING=1'])
    expect(said).toHaveLength(n)
  })
  test.each([[{}], [{ NOTIFY_SOCKET: '/x' }], [{ NOTIFY_SOCKET: '/x', WATCHDOG_USEC: '1', WATCHDOG_PID: '8' }], [{ WATCHDOG_USEC: '1' }], [{ NOTIFY_SOCKET: '/x', WATCHDOG_USEC: 'x' }]])('hears nothing when it did not: %j', (env) => {
    const said: string[] = []
    keepWatchdog(env, 7, (_, t) => void said.push(t))()
    expect(said).toEqual([])
  })
  test('is told when the host is ready', () => {
    const said: string[] = []
    tellReady({}, (_, t) => void said.push(t))
    tellReady({ NOTIFY_SOCKET: '/x' }, (_, t) => void said.push(t))
    expect(said).toEqual(['READY=1'])
  })
})
