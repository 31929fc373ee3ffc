import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Lack, requires } from '../lib/requires'
import { run, stopProcess, until } from '../lib/run'
import { freeAddress, listens } from './loopback'

/** Where clients expect glusterd. Each node has a loopback address to itself, so that all can use it. */
const PORT = 24007
/** Of a client that hears nothing from a brick; requests fail after up to twice as long. */
const PING_SECONDS = 2

const volfile = (folder: string, address: string): string => `volume management
  type mgmt/glusterd
${Object.entries({
  'working-directory': join(folder, 'state'), 'run-directory': join(folder, 'run'), 'logging-directory': join(folder, 'log'),
  'glusterd-sockfile': join(folder, 'glusterd.sock'), 'transport-type': 'socket', 'transport.address-family': 'inet',
  'transport.socket.bind-address': address, 'transport.socket.listen-port': PORT, 'event-threads': 1, 'max-port': 60999,
}).map(([name, value]) => `  option ${name} ${value}\n`).join('')}end-volume
`

/**
 * The init of the node's own process and mount namespaces: everything of the node ends with it. Bricks have their sockets in
 * /run/gluster whatever glusterd is told, and glusterd takes seconds to ask the geo-replication helper what it can do.
 */
const init = `
  mount -t tmpfs tmpfs /run && mkdir /run/gluster || exit 1
  [ ! -d /var/lib/glusterd ] || mount -t tmpfs tmpfs /var/lib/glusterd || exit 1
  for helper in /usr/libexec/glusterfs/gsyncd /usr/lib/*/glusterfs/gsyncd /usr/lib/glusterfs/gsyncd; do
    [ ! -x "$helper" ] || mount --bind "$1/gsyncd" "$helper" || exit 1
  done
  glusterd -N -f "$1/glusterd.vol" -p "$1/glusterd.pid" -l "$1/log/glusterd.log" -L WARNING &
  wait`

/** A Gluster of one machine: glusterd and a brick a volume, in a temporary folder, on a loopback address. Needs root. */
export class GlusterNode {
  readonly folder = mkdtempSync(join(tmpdir(), 'tcmu-gluster-'))
  private daemon: ChildProcess | undefined

  private constructor(readonly address: string) {}

  static async start(): Promise<GlusterNode> {
    // Any address of 127/8 is this machine for glusterd, but for a brick it refuses 127.0.0.1.
    const node = new GlusterNode(await freeAddress(PORT))
    for (const name of ['state', 'run', 'log', 'bricks']) mkdirSync(join(node.folder, name))
    writeFileSync(join(node.folder, 'glusterd.vol'), volfile(node.folder, node.address))
    writeFileSync(join(node.folder, 'gsyncd'), '#!/bin/sh\necho gsyncd 0.0.1\n', { mode: 0o755 })
    try {
      await node.startDaemon()
    } catch (error) {
      node.close()
      throw error
    }
    return node
  }

  private async startDaemon(): Promise<void> {
    // A test that is killed takes its node along.
    this.daemon = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc', 'sh', '-c', init, 'sh', this.folder], { stdio: 'ignore' })
    await once(this.daemon, 'spawn')
    await until(async () => {
      if (this.daemon!.exitCode !== null) throw new Error(`glusterd did not start:\n${this.log()}`)
      return existsSync(this.socket) && (await this.tryCli('volume', 'list')).code === 0
    }, 'glusterd answers', 60_000)
  }

  /** Of glusterd, for clients too. */
  get socket(): string { return join(this.folder, 'glusterd.sock') }

  private log(): string {
    const file = join(this.folder, 'log/glusterd.log')
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(-20).join('\n') : 'no log'
  }

  private tryCli(...words: string[]): ReturnType<typeof run> {
    return run('gluster', ['--mode=script', `--glusterd-sock=${this.socket}`, `--log-file=${join(this.folder, 'log/cli.log')}`, ...words])
  }

  /** The gluster command; it must end well. */
  async cli(...words: string[]): Promise<string> {
    const { code, text } = await this.tryCli(...words)
    if (code !== 0) throw new Error(`gluster ${words.join(' ')}: ${text}\n${this.log()}`)
    return text
  }

  /** A started volume with one brick. */
  async volume(name: string, options: Readonly<Record<string, string | number>> = {}): Promise<void> {
    // "force": the brick may be on the root file system.
    await this.cli('volume', 'create', name, `${this.address}:${join(this.folder, 'bricks', name)}`, 'force')
    for (const [key, value] of Object.entries({ 'network.ping-timeout': PING_SECONDS, 'storage.reserve': 0, ...options })) await this.cli('volume', 'set', name, key, String(value))
    await this.cli('volume', 'start', name)
    await this.brickUp(name)
  }

  /** A brick is usable once glusterd knows its port and something listens there. */
  private brickUp(volume: string): Promise<void> {
    return until(async () => {
      const { text } = await this.tryCli('volume', 'status', volume, '--xml')
      const port = /<status>1<\/status>\s*<port>(\d+)/.exec(text)?.[1]
      return port !== undefined && listens(this.address, Number(port))
    }, `the brick of ${volume} is up`, 60_000)
  }

  /** Where the file lies on the brick's disk. */
  brickFile(volume: string, path: string): string { return join(this.folder, 'bricks', volume, path) }

  /** Bytes of storage that a file has on the brick's disk. */
  storage(volume: string, path: string): number { return statSync(this.brickFile(volume, path)).blocks * 512 }

  /** Process of a volume's brick as this side of the namespace has it. */
  private brick(volume: string): number | undefined {
    const mark = join(this.folder, 'bricks', volume)
    const found = readdirSync('/proc').find((pid) => {
      if (!/^\d+$/.test(pid)) return false
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
        return words[0]!.endsWith('glusterfsd') && words.includes(mark)
      } catch {
        return false
      }
    })
    return found === undefined ? undefined : Number(found)
  }

  private runningBrick(volume: string): number {
    const pid = this.brick(volume)
    if (pid === undefined) throw new Error(`${volume} has no brick running`)
    return pid
  }

  /** The brick takes requests and answers none. */
  async pauseBrick(volume: string): Promise<void> { await stopProcess(this.runningBrick(volume)) }
  resumeBrick(volume: string): void { process.kill(this.runningBrick(volume), 'SIGCONT') }

  async killBrick(volume: string): Promise<void> {
    process.kill(this.runningBrick(volume), 'SIGKILL')
    await until(() => this.brick(volume) === undefined, 'the brick ends')
  }

  async startBrick(volume: string): Promise<void> {
    await this.cli('volume', 'start', volume, 'force')
    await this.brickUp(volume)
  }

  close(): void {
    this.daemon?.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** What a node needs, besides root: trusted.* extended attributes and namespaces are not for others. */
export const glusterLack = (): Lack => requires.all(
  requires.command('glusterd', 'glusterfs-server'), requires.command('gluster', 'glusterfs-server'), requires.command('unshare', 'util-linux'),
  process.getuid!() === 0 ? undefined : 'needs root, for trusted.* extended attributes and namespaces',
)

/** A node for the tests of the file or describe block that calls this. */
export function gluster(...volumes: readonly (string | readonly [name: string, options: Readonly<Record<string, string>>])[]): () => GlusterNode {
  let node: GlusterNode
  beforeAll(async () => {
    node = await GlusterNode.start()
    for (const v of volumes) await (typeof v === 'string' ? node.volume(v) : node.volume(v[0], v[1]))
  })
  afterAll(() => node?.close())
  return () => node
}
