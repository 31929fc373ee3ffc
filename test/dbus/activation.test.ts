import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inRepository } from '../lib/repository'
import { PrivateBus } from '../lib/bus'
import { describeIf, requires } from '../lib/requires'
import { until } from '../lib/run'
import { bench, cli } from '../lib/serve'

const allow = '<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy>'
const NAME = 'org.kernel.TCMUService1'
const ROOT = '/org/kernel/TCMUService1'
const OBJECTS = 'org.freedesktop.DBus.ObjectManager.GetManagedObjects'

/** A bus starts what its service files name itself where there is no systemd: the file is the one that is installed, with this build in it. */
describeIf(requires.all(requires.command('dbus-daemon', 'dbus-daemon'), requires.command('gdbus', 'libglib2.0-bin')), 'started by the message bus', () => {
  const it = bench()
  const services = it.path('services')
  const pids = it.path('pids')
  const bus = new PrivateBus(`<type>session</type><servicedir>${services}</servicedir>${allow}`)
  const started = (): number[] => (existsSync(pids) ? readFileSync(pids, 'utf8').trim().split('\n').map(Number) : [])
  const alive = (pid: number): boolean => existsSync(`/proc/${pid}`)
  const owner = (): Promise<string> => bus.ask('gdbus', ['call', '--address', bus.address, '--dest', 'org.freedesktop.DBus', '--object-path', '/org/freedesktop/DBus', '--method', 'org.freedesktop.DBus.NameHasOwner', NAME])
  const list = (): Promise<string> => bus.ask('gdbus', ['call', '--address', bus.address, '--dest', NAME, '--object-path', ROOT, '--method', OBJECTS, '--timeout', '30'])

  beforeAll(async () => {
    mkdirSync(services)
    const program = it.path('tcmu-host')
    // There is no kernel to serve here: the portal stands for it, the rest of the line is as it is installed.
    writeFileSync(program, `#!/bin/sh
echo $$ >> ${pids}
[ "$*" = "serve --frontend tcmu --dbus --state-dir /var/lib/tcmu" ] || exit 9
exec env DBUS_SYSTEM_BUS_ADDRESS=${bus.address} ${process.execPath} ${cli} serve --portal 127.0.0.1:0 --socket ${it.path('control')} --dbus --lun ${it.fileLun('a', '1M')}
`)
    chmodSync(program, 0o755)
    const installed = readFileSync(inRepository('packages/host/files/org.kernel.TCMUService1.service'), 'utf8')
    writeFileSync(join(services, `${NAME}.service`), installed.replace('@BINDIR@/tcmu-host', program).replace(/^(User|SystemdService)=.*\n/gm, ''))
    await bus.start()
  })
  afterAll(async () => {
    for (const pid of started()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended.
      }
    }
    await bus.close()
  })

  test('by the first question; many at once start one', async () => {
    expect(await owner()).toBe('(false,)\n')
    const answers = await Promise.all(Array.from({ length: 4 }, list))
    for (const answer of answers) expect(answer).toContain(`'${ROOT}/file': {'${NAME}': {'ConfigDesc': <`)
    expect(started()).toHaveLength(1)
  })

  test('stopped, it lets go of the name first; the next question starts it again', async () => {
    const [first] = started()
    process.kill(first!, 'SIGTERM')
    await until(async () => (await owner()) === '(false,)\n', 'the name is free')
    await until(() => !alive(first!), 'it has ended')
    expect(await list()).toContain(`'${ROOT}/file'`)
    expect(started()).toHaveLength(2)
  })

  test('killed, the same', async () => {
    const [, second] = started()
    process.kill(second!, 'SIGKILL')
    await until(async () => (await owner()) === '(false,)\n', 'the name is free')
    expect(await list()).toContain(`'${ROOT}/file'`)
    expect(started()).toHaveLength(3)
  })
})
