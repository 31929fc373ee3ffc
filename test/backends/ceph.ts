import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Lack, requires } from '../lib/requires'
import { PATIENCE, run, runOk, stopProcess, until } from '../lib/run'
import { cephConf, type ClusterOptions } from './ceph-conf'
import { freePort } from './loopback'

/** What a test of Ceph needs of the machine. */
export const ceph = (): Lack => requires.all(
  requires.command('ceph-mon', 'ceph-mon'), requires.command('ceph-osd', 'ceph-osd'), requires.command('rbd', 'ceph-common'),
  requires.library('librbd.so.1', 'librbd1'),
)

/** The same, and a manager. */
export const cephWithManager = (): Lack => requires.all(ceph(), requires.command('ceph-mgr', 'ceph-mgr'))

type Daemon = 'mon.a' | 'osd.0' | 'mgr.x'
const START_MS = 60_000
const CALL_MS = PATIENCE * START_MS

const MEMORY = '/dev/shm'
const MEMORY_BYTES = 2 ** 32

/** A monitor waits for the disk again and again, and a disk that others use takes seconds at times: what need not survive lies in memory. */
function folderFor(store: ClusterOptions['store']): string {
  if (store === 'disk' || !existsSync(MEMORY)) return tmpdir()
  const { bavail, bsize } = statfsSync(MEMORY)
  return bavail * bsize > MEMORY_BYTES ? MEMORY : tmpdir()
}

/** Neither gone nor a zombie that nobody has waited for. */
function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** A Ceph cluster of its own: in a temporary folder, on loopback ports nobody else uses, without the system's configuration. */
export class CephCluster {
  /** Unix sockets lie in it: its name must be short. */
  readonly folder: string
  readonly conf: string
  private readonly fsid = randomUUID()
  private readonly env: NodeJS.ProcessEnv

  private constructor(private readonly options: ClusterOptions) {
    this.folder = mkdtempSync(join(folderFor(options.store), 'ceph-'))
    this.conf = join(this.folder, 'ceph.conf')
    this.env = { CEPH_CONF: this.conf, CEPH_ARGS: '' }
  }

  /** Made new, with a pool `rbd`. */
  static async up(options: ClusterOptions = {}): Promise<CephCluster> {
    const cluster = new CephCluster(options)
    try {
      await cluster.make()
      return cluster
    } catch (error) {
      await cluster.destroy()
      throw error
    }
  }

  private path(...parts: string[]): string {
    return join(this.folder, ...parts)
  }

  private async make(): Promise<void> {
    const { address: host = '127.0.0.1' } = this.options
    const port = await freePort(host)
    for (const name of ['mon.a', 'osd.0', 'crash']) mkdirSync(this.path(name))
    writeFileSync(this.conf, cephConf(this.folder, this.fsid, { host, port }, this.options))
    const address = `[v2:${host}:${port}/0]`
    // A monitor takes its address from the map alone.
    await runOk('monmaptool', ['--create', '--fsid', this.fsid, '--addv', 'a', address, '--enable-all-features', this.path('monmap')])
    const keyring = this.options.keys ? await this.makeKeys() : []
    await this.call('ceph-mon', ['--mkfs', '-i', 'a', '--monmap', this.path('monmap'), ...keyring])
    await this.call('ceph-mon', ['-i', 'a', '--public-addrv', address])
    await this.makeOsd()
    await this.makePool('rbd')
    if (this.options.manager) await this.startManager()
  }

  private async startManager(): Promise<void> {
    mkdirSync(this.path('mgr.x'))
    if (this.options.keys) await this.ceph('auth', 'get-or-create', 'mgr.x', 'mon', 'allow profile mgr', 'osd', 'allow *', 'mds', 'allow *', '-o', this.path('mgr.x/keyring'))
    await this.call('ceph-mgr', ['-i', 'x'])
    await until(async () => (JSON.parse(await this.ceph('mgr', 'stat', '--format', 'json')) as { available: boolean }).available, 'the start of the manager', START_MS)
  }

  private async makeKeys(): Promise<string[]> {
    const keyring = this.path('keyring')
    const all = ['mon', 'osd', 'mds', 'mgr'].flatMap((d) => ['--cap', d, 'allow *'])
    const profile = (name: string): string[] => ['mon', 'osd', 'mgr'].flatMap((d) => ['--cap', d, `profile ${d === 'osd' ? name : 'rbd'}`])
    await runOk('ceph-authtool', ['-C', keyring, '-g', '-n', 'mon.', '--cap', 'mon', 'allow *'])
    await runOk('ceph-authtool', [keyring, '-g', '-n', 'client.admin', ...all])
    await runOk('ceph-authtool', [keyring, '-g', '-n', 'client.tcmu', ...profile('rbd')])
    await runOk('ceph-authtool', [keyring, '-g', '-n', 'client.reader', ...profile('rbd-read-only')])
    return ['--keyring', keyring]
  }

  private async makeOsd(): Promise<void> {
    const uuid = randomUUID()
    await this.ceph('osd', 'new', uuid, '0')
    if (this.options.keys) await this.ceph('auth', 'get-or-create', 'osd.0', 'mon', 'allow profile osd', 'mgr', 'allow profile osd', 'osd', 'allow *', '-o', this.path('osd.0/keyring'))
    await this.call('ceph-osd', ['-i', '0', '--mkfs', '--osd-uuid', uuid])
    await this.startOsd()
  }

  async makePool(name: string): Promise<void> {
    await this.ceph('osd', 'pool', 'create', name, '8', '8')
    await this.rbd('pool', 'init', name)
  }

  private call(command: string, args: readonly string[], timeoutMs = CALL_MS): Promise<string> {
    return runOk(command, ['-c', this.conf, ...args], { env: this.env, timeoutMs }).then((ended) => ended.stdout)
  }
  ceph(...args: string[]): Promise<string> {
    return this.call('ceph', ['--connect-timeout', '120', ...args])
  }
  rbd(...args: string[]): Promise<string> {
    return this.call('rbd', args)
  }
  /** Names of the objects of a pool. */
  async objects(pool = 'rbd'): Promise<string[]> {
    return (await this.call('rados', ['-p', pool, 'ls'])).split('\n').filter(Boolean)
  }

  /** A new image; what a LUN's cfgstring has after `rbd/`. */
  async image(name: string, size: string, ...more: string[]): Promise<string> {
    await this.rbd('create', '--size', size, ...more, `rbd/${name}`)
    return this.config(`rbd/${name}`)
  }
  config(spec: string): string {
    return `${spec};conf=${this.conf}`
  }

  private pidOf(daemon: Daemon): number | undefined {
    try {
      const pid = Number(readFileSync(this.path(`${daemon}.pid`), 'utf8'))
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.conf) && alive(pid) ? pid : undefined
    } catch {
      return undefined
    }
  }

  private async end(daemon: Daemon, signal: NodeJS.Signals): Promise<void> {
    const pid = this.pidOf(daemon)
    if (pid === undefined) return
    process.kill(pid, signal)
    process.kill(pid, 'SIGCONT')
    await until(() => !alive(pid), `the end of ${daemon}`, 30_000)
  }

  async startOsd(): Promise<void> {
    await this.call('ceph-osd', ['-i', '0'])
    // A monitor believes for a while that an OSD that died is up: ask the OSD itself too.
    const asked = (): Promise<string> => run('ceph', ['--admin-daemon', this.path('osd.0.asok'), 'status'], { env: this.env }).then((e) => e.stdout)
    await until(async () => (await asked()).includes('"state": "active"') && (await this.ceph('osd', 'stat')).includes(' 1 up'), 'the start of the OSD', START_MS)
  }
  stopOsd(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    return this.end('osd.0', signal)
  }
  /** It hangs, and so does whoever asks it. */
  pauseOsd(): Promise<void> {
    return stopProcess(this.pidOf('osd.0')!)
  }
  /** It goes on, if it was paused. */
  resumeOsd(): void {
    const pid = this.pidOf('osd.0')
    if (pid !== undefined) process.kill(pid, 'SIGCONT')
  }

  async destroy(): Promise<void> {
    // Nothing of it is wanted any more.
    for (const daemon of ['mgr.x', 'osd.0', 'mon.a'] as const) await this.end(daemon, 'SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A cluster for the tests of the describe block that calls this. */
export function cluster(options: ClusterOptions = {}): { readonly it: CephCluster } {
  let made: CephCluster | undefined
  beforeAll(async () => void (made = await CephCluster.up(options)))
  // A test that failed while the OSD hung must not take those after it along.
  afterEach(() => made?.resumeOsd())
  afterAll(() => made?.destroy())
  return { get it() { return made! } }
}
