import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, until } from './run'

const allowAll = '<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy>'

/** A message bus of the test's own, in a temporary folder; it can be stopped and started again at the same address. */
export class PrivateBus {
  readonly folder = mkdtempSync(join(tmpdir(), 'tcmu-bus-'))
  readonly socket = join(this.folder, 'bus.sock')
  readonly address = `unix:path=${this.socket}`
  private child: ChildProcess | undefined
  private said = ''

  constructor(private readonly policy = allowAll) {}

  /** For programs that are to take this bus for the system's. */
  get environment(): NodeJS.ProcessEnv {
    return { DBUS_SYSTEM_BUS_ADDRESS: this.address }
  }

  async start(): Promise<this> {
    const config = join(this.folder, 'bus.conf')
    writeFileSync(config, `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>${this.address}</listen><auth>EXTERNAL</auth>${this.policy}</busconfig>\n`)
    rmSync(this.socket, { force: true })
    const child = spawn('dbus-daemon', [`--config-file=${config}`, '--nofork', '--nopidfile', '--nosyslog'], { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.setEncoding('utf8').on('data', (s: string) => (this.said += s))
    this.child = child
    await until(() => {
      if (child.exitCode !== null) throw new Error(`dbus-daemon ended:\n${this.said}`)
      return existsSync(this.socket) && answers(this.socket)
    }, 'dbus-daemon listens')
    return this
  }

  async stop(): Promise<void> {
    const { child } = this
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  async close(): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** A program on this bus; resolves to its output. Rejects unless it ends with `code`. */
  async ask(command: string, args: readonly string[], code = 0): Promise<string> {
    const ended = await run(command, args, { env: this.environment })
    if (ended.code !== code) throw new Error(`${command} ${args.join(' ')} ended with ${ended.code ?? ended.signal}:\n${ended.text}`)
    return ended.text
  }

  /** `gdbus call` on the service. */
  gdbus(path: string, method: string, args: readonly string[] = [], code = 0): Promise<string> {
    return this.ask('gdbus', ['call', '--address', this.address, '--dest', 'org.kernel.TCMUService1', '--object-path', path, '--method', method, ...args], code)
  }
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(path)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false)).once('connect', () => socket.destroy())
  })

/** A bus for the tests of the describe block or file that calls this. */
export function privateBus(policy?: string): PrivateBus {
  const bus = new PrivateBus(policy)
  beforeAll(async () => void (await bus.start()))
  afterAll(() => bus.close())
  return bus
}

/** `dbus-monitor` for the signals of object managers. */
export function watchSignals(bus: PrivateBus): { ready: Promise<void>; text: () => string; end: () => Promise<void> } {
  const child = spawn('dbus-monitor', ['--address', bus.address, "type='signal',interface='org.freedesktop.DBus.ObjectManager'"], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (s: string) => (text += s))
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    // A monitor is told that it lost its own name when it has become one.
    ready: until(() => /member=NameLost/.test(text), 'dbus-monitor monitors'),
    text: () => text,
    end: () => {
      child.kill()
      return gone
    },
  }
}
