import { type DeviceInfo, Status } from '@tcmu/host/handler'
import { RestartBudget } from './budget'
import type { ExecConfig } from './config'
import { Connection, NotSentError } from './connection'
import { Flag } from './frames'
import { can, greet, type Terms } from './handshake'
import { type Ask, errnoError } from './request'
import { openTransport, type OpenTransport } from './transport'

type State = 'running' | 'restarting' | 'parked' | 'closed'

/** What commands are told while the program is not there. */
const absent: Readonly<Record<Exclude<State, 'running'>, Status>> = {
  restarting: Status.BECOMING_READY, parked: Status.NOT_READY_DEVICE, closed: Status.NOT_READY,
}

/** How to start a program, and whom to tell of a connection that has only begun. */
interface Start {
  readonly open: OpenTransport
  readonly begun?: (connection: Connection) => void
}

async function start(dev: DeviceInfo, config: ExecConfig, sizeBytes: number, { open, begun }: Start): Promise<{ connection: Connection; terms: Terms }> {
  const limits = { deadlineMs: config.deadlineMs, inflight: 1, cancels: false }
  const connection = new Connection(open(config, (line) => dev.log.info(`${dev.name}: ${line}`)), limits)
  begun?.(connection)
  try {
    const terms = await greet(connection, dev, config, sizeBytes)
    limits.inflight = terms.inflight
    limits.cancels = can(terms, 'CANCEL')
    return { connection, terms }
  } catch (e) {
    await connection.end((e as Error).message)
    if (connection.lastLines.length) dev.log.error(`${dev.name}: ${config.path} said last: ${connection.lastLines.slice(-3).join(' | ')}`, { stderr: connection.lastLines })
    throw e
  }
}

/** The program of one device: started, asked, started again when it ends by itself, and left alone when it does so too often. */
export class Program {
  private state: State = 'running'
  private timer: NodeJS.Timeout | undefined
  private restart: Promise<void> | undefined
  private starting: Connection | undefined
  private readonly budget: RestartBudget
  /** Writes that were answered, and how many of them a flush has made durable. */
  private written = 0
  private synced = 0
  /** The program ended with writes that no flush had made durable: the next flush says so. */
  private lostWrites = false

  private constructor(
    private readonly dev: DeviceInfo, private readonly config: ExecConfig, private connection: Connection, readonly terms: Terms,
    private readonly openAgain: OpenTransport,
  ) {
    this.budget = new RestartBudget(config.restarts)
    this.watch(connection)
  }

  /** Rejects with E_EXEC; nothing runs then. */
  static async open(dev: DeviceInfo, config: ExecConfig, open = openTransport): Promise<Program> {
    const { connection, terms } = await start(dev, config, dev.sizeBytes, { open })
    return new Program(dev, config, connection, terms, open)
  }

  private watch(connection: Connection): void {
    void connection.ended.then((why) => {
      if (this.state !== 'closed' && connection === this.connection) this.lost(why, connection.lastLines)
    })
  }

  private lost(why: string, lines: readonly string[]): void {
    const { dev, config } = this
    if (this.written > this.synced) this.lostWrites = true
    this.synced = this.written
    const pause = this.budget.spend()
    const said = lines.length ? `; it said last: ${lines.slice(-3).join(' | ')}` : ''
    const next = pause === undefined
      ? `it has done so ${config.restarts + 1} times in ten minutes and is left alone until the device is reset (LOGICAL UNIT RESET) or opened again`
      : `it is ${config.kind === 'socket' ? 'connected to' : 'started'} again in ${pause} ms`
    dev.log.error(`${dev.name}: ${config.path}: ${why}; ${next}${said}`, { stderr: lines })
    this.state = pause === undefined ? 'parked' : 'restarting'
    if (pause !== undefined) this.timer = setTimeout(() => void (this.restart = this.again()), pause)
  }

  private async again(): Promise<void> {
    const { dev, config, terms } = this
    try {
      const next = await start(dev, config, terms.sizeBytes, { open: this.openAgain, begun: (c) => (this.starting = c) })
      this.connection = next.connection
      if (next.terms.abilities !== terms.abilities || next.terms.maxPayload < terms.maxPayload) {
        await next.connection.end('it came back with other abilities than before')
        throw new Error('it came back with other abilities than before')
      }
      if (this.state === 'closed') return await next.connection.close()
      this.state = 'running'
      this.watch(next.connection)
      dev.log.warn(`${dev.name}: ${config.path} runs again`)
    } catch (e) {
      if (this.state !== 'closed') this.lost((e as Error).message, [])
    }
  }

  /** Ask the program, or say why it cannot be asked. Rejects with an errno. */
  async ask(what: Ask): Promise<Status> {
    if (this.state !== 'running') return absent[this.state]
    try {
      await this.connection.request(what)
      return Status.OK
    } catch (e) {
      if (e instanceof NotSentError) return absent[this.state === 'running' ? 'restarting' : this.state]
      throw e
    }
  }

  /** Ask for a change of the medium. */
  async change(what: Ask): Promise<Status> {
    const status = await this.ask(what)
    if (status === Status.OK && what.flags !== Flag.FUA) this.written++
    return status
  }

  async flush(what: Ask): Promise<Status> {
    if (this.lostWrites) {
      this.lostWrites = false
      throw errnoError('EIO', 'its program ended with writes that were not flushed yet; they may be gone')
    }
    const until = this.written
    const status = await this.ask(what)
    if (status === Status.OK) this.synced = Math.max(this.synced, until)
    return status
  }

  /** LOGICAL UNIT RESET: one that was left alone gets another chance. */
  reset(): void {
    if (this.state !== 'parked') return
    this.budget.forget()
    this.state = 'restarting'
    this.restart = this.again()
  }

  async close(): Promise<void> {
    const { state } = this
    this.state = 'closed'
    clearTimeout(this.timer)
    if (state === 'restarting') await this.starting?.end('the device was closed')
    await this.restart
    if (state === 'running') await this.connection.close()
  }
}
