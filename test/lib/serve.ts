import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inRepository } from './repository'
import { PATIENCE } from './run'

/** The built command line, or another one to be tested in its place. */
export const cli = process.env['TCMU_CLI'] ?? inRepository('packages/host/dist/cli.js')

export interface HostOptions {
  /** Values of `--lun`. Default: one `file` LUN of 64 MiB in the folder of the test. */
  readonly luns?: readonly string[]
  /** More arguments of `serve`. */
  readonly args?: readonly string[]
  readonly portal?: string
  readonly env?: NodeJS.ProcessEnv
  readonly readyMs?: number
}

/** `tcmu-host serve` in a process of its own. */
export class HostProcess {
  private constructor(readonly child: ChildProcess, private readonly lines: string[], readonly ready: string) {}

  static start(args: readonly string[], options: HostOptions = {}): Promise<HostProcess> {
    if (!existsSync(cli)) throw new Error('packages/host/dist/cli.js is not there: run `npm run build` first')
    const child = spawn(process.execPath, [cli, 'serve', ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } })
    const lines: string[] = []
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), options.readyMs ?? PATIENCE * 20_000)
      let rest = ''
      child.stderr.setEncoding('utf8').on('data', (s: string) => void lines.push(...s.split('\n').filter(Boolean)))
      child.stdout.setEncoding('utf8').on('data', (s: string) => {
        const parts = (rest + s).split('\n')
        rest = parts.pop()!
        lines.push(...parts)
        const ready = parts.find((l) => l.startsWith('ready '))
        if (!ready) return
        clearTimeout(timer)
        resolve(new HostProcess(child, lines, ready))
      })
      child.on('error', reject)
      child.on('close', (code, signal) => {
        clearTimeout(timer)
        reject(Object.assign(new Error(`serve ${args.join(' ')} ended with ${code ?? signal} before it was ready:\n${lines.join('\n')}`), { code }))
      })
    })
  }

  get pid(): number { return this.child.pid! }
  /** Everything it printed, logs included. */
  get output(): string { return this.lines.join('\n') }
  /** Of LUN 0. */
  get url(): string { return this.ready.split(' ')[1]! }
  /** `iscsi://127.0.0.1:PORT`. */
  get portal(): string { return /^iscsi:\/\/[^/]+/.exec(this.url)![0] }
  get address(): string { return this.portal.slice('iscsi://'.length) }
  get port(): number { return Number(/:(\d+)$/.exec(this.portal)![1]) }
  get targetName(): string { return this.url.split('/')[3]! }
  get ended(): boolean { return this.child.exitCode !== null || this.child.signalCode !== null }
  lun(number: number): string { return `${this.portal}/${this.targetName}/${number}` }

  /** Send a signal and wait for the end; resolves to the exit code, or the signal's name. */
  end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    return new Promise((resolve) => {
      const tell = (): void => resolve(this.child.exitCode ?? this.child.signalCode)
      if (this.ended) return tell()
      this.child.once('close', tell)
      this.child.kill(signal)
    })
  }
}

/** A temporary folder, and hosts that serve out of it; all gone after the tests of the file. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'tcmu-test-'))
  private readonly hosts: HostProcess[] = []

  path(...parts: string[]): string { return join(this.folder, ...parts) }

  /** Value of `--lun` for a `file` LUN in this folder. */
  fileLun(name = 'disk', size = '64M'): string { return `name=${name},size=${size},cfgstring=file/${this.path(`${name}.img`)}` }

  /** Flags that keep a host away from what the machine has: configuration, handlers, sockets, reservations. */
  private places(): string[] {
    mkdirSync(this.path('handlers'), { recursive: true })
    mkdirSync(this.path('state'), { recursive: true })
    writeFileSync(this.path('host.json'), '{}')
    return ['--handler-root', this.path('handlers'), '--config', this.path('host.json'), '--socket', this.path(`host-${this.hosts.length}.sock`), '--state-dir', this.path('state')]
  }

  /** Where a host of this bench listens for commands. */
  socketOf(host: HostProcess): string { return this.path(`host-${this.hosts.indexOf(host)}.sock`) }

  get environment(): NodeJS.ProcessEnv {
    return { HOME: this.folder, XDG_RUNTIME_DIR: this.folder, XDG_DATA_HOME: this.folder, XDG_CONFIG_HOME: this.folder }
  }

  async start(options: HostOptions = {}): Promise<HostProcess> {
    const luns = options.luns ?? [this.fileLun()]
    const args = ['--frontend', 'iscsi', '--portal', options.portal ?? '127.0.0.1:0', ...this.places(), ...luns.flatMap((l) => ['--lun', l]), ...(options.args ?? [])]
    const host = await HostProcess.start(args, { ...options, env: { ...this.environment, ...options.env } })
    this.hosts.push(host)
    return host
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map((h) => h.end('SIGKILL')))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A bench for the tests of the describe block or file that calls this. */
export function bench(): Bench {
  const it = new Bench()
  afterAll(() => it.close())
  return it
}
