import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { put, repository } from './packages'

const cli = join(repository, 'packages/host/dist/cli.js')

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A child process with what it printed. */
export class Child {
  stdout = ''
  stderr = ''
  readonly ended: Promise<Ended>

  constructor(readonly process: ChildProcess) {
    process.stdout!.setEncoding('utf8').on('data', (s: string) => (this.stdout += s))
    process.stderr!.setEncoding('utf8').on('data', (s: string) => (this.stderr += s))
    this.ended = new Promise((resolve) => process.on('close', (code, signal) => resolve({ code, signal, stdout: this.stdout, stderr: this.stderr })))
  }

  /** Wait until stdout or stderr has it; rejects when the process ends first. */
  async until(pattern: RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<RegExpExecArray> {
    let over = false
    void this.ended.then(() => (over = true))
    for (const deadline = Date.now() + 20_000; Date.now() < deadline; await new Promise((r) => setTimeout(r, 5))) {
      const match = pattern.exec(this[where])
      if (match) return match
      if (over) break
    }
    throw new Error(`never saw ${pattern} in ${where}:\n${this.stdout}\n${this.stderr}`)
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.process.kill(signal)
    return this.ended
  }
}

/** Where `tcmu-host` runs in a test: its own HOME and XDG folders, and no configuration but the one of the test. */
export class Sandbox {
  readonly children: Child[] = []
  constructor(readonly folder: string, config: object = {}) {
    if (!existsSync(cli)) throw new Error('packages/host/dist/cli.js is not there: run `npm run build` first')
    put(join(folder, 'home/.keep'), '')
    put(join(folder, 'config.json'), JSON.stringify(config))
  }

  get config(): string {
    return join(this.folder, 'config.json')
  }

  start(args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}): Child {
    const takesConfig = args[0] === 'serve' || args[0] === 'handlers' || args[0] === 'check'
    const all = takesConfig && !args.includes('--config') ? [...args, '--config', this.config] : args
    const home = join(this.folder, 'home')
    const { PATH, NODE_OPTIONS } = process.env
    const child = new Child(spawn(process.execPath, [cli, ...all], {
      stdio: ['ignore', 'pipe', 'pipe'], cwd: options.cwd ?? this.folder,
      env: { PATH, NODE_OPTIONS, HOME: home, XDG_RUNTIME_DIR: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home, ...options.env },
    }))
    this.children.push(child)
    return child
  }

  run(...args: readonly string[]): Promise<Ended> {
    return this.start(args).ended
  }

  async close(): Promise<void> {
    for (const { process } of this.children) if (process.exitCode === null && process.signalCode === null) process.kill('SIGKILL')
    await Promise.all(this.children.map((c) => c.ended))
  }
}
