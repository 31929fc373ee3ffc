import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf, tcmuError } from '../errors'
import type { DeviceInfo } from '../handler'
import { type BudgetOptions, CrashBudget } from './crash-budget'
import type { HandlerHostOptions, HandlerHostState } from './handler-host-options'
import { LinkedDevice } from './linked-device'
import type { HandlerFacts } from './messages'
import { callbacksOf, type RemoteDevice, type RemoteSite } from './remote-handler'
import { Rpc } from './rpc'
import type { Spawned } from './spawn'
import { CALL_MS, CLOSE_MS, type HostEvent, type Running, START_MS, type Tenant } from './tenant'

const PING_MS = 5000

/** The process of one handler: started when it is needed, started again when it ends, left alone when that happens too often. */
export class HandlerHost implements RemoteSite {
  readonly budget: BudgetOptions
  private running: Running | undefined
  private starting: Promise<Running> | undefined
  /** The process there is, or the one that is being started. */
  private spawned: Spawned | undefined
  private restarting: Promise<void> | undefined
  private facts: HandlerFacts | undefined
  private readonly tenants = new Map<number, Tenant>()
  /** Not open for the first time yet: what they say is heard, and they are not opened again. */
  private readonly entering = new Map<number, Tenant>()
  private readonly crashes: CrashBudget
  private readonly pings: NodeJS.Timeout
  private nextDevice = 1
  /** Questions under way that need the process. */
  private asking = 0
  private closed = false
  private parked: string | undefined
  private reason: string | undefined

  constructor(private readonly options: HandlerHostOptions) {
    this.budget = options.budget ?? {}
    this.crashes = new CrashBudget(this.budget)
    this.pings = setInterval(() => this.ping(), Math.min(PING_MS, this.hangMs / 2))
    this.pings.unref()
  }

  private get subtype(): string {
    return this.options.start.subtype
  }
  private get who(): string {
    return this.options.who ?? this.subtype
  }
  private get hangMs(): number {
    return this.options.hangMs ?? 30_000
  }

  state(): HandlerHostState {
    return {
      subtype: this.subtype,
      state: this.parked !== undefined ? 'parked' : this.running ? 'running' : this.starting || this.restarting ? 'restarting' : 'idle',
      pid: this.running?.spawned.pid,
      crashes: this.crashes.spent,
      reason: this.reason,
      devices: [...this.tenants.values()].map((t) => t.name),
    }
  }

  /** No device is open there, and nothing is asked. */
  get idle(): boolean {
    return this.tenants.size === 0 && this.asking === 0
  }

  /** What the handler is; starts its process. Rejects with what its code threw when it was loaded. */
  async load(): Promise<HandlerFacts> {
    await this.ready()
    return this.facts!
  }

  private ready(): Promise<Running> {
    if (this.parked !== undefined) return Promise.reject(this.parkedError())
    if (this.running) return Promise.resolve(this.running)
    this.starting ??= this.startOnce().finally(() => (this.starting = undefined))
    return this.starting
  }

  private parkedError(): Error {
    return tcmuError('E_DEVICE_HOST', { reason: `${this.subtype} is parked after ${this.crashes.spent} crashes: ${this.parked}` })
  }

  private async startOnce(): Promise<Running> {
    const { core, spawn, log, heapMiB = 512 } = this.options
    const start = this.options.current?.() ?? this.options.start
    const spawned = spawn(core, heapMiB, (line) => log.info(`${this.subtype} says: ${line}`))
    this.spawned = spawned
    const rpc = new Rpc(spawned, this.who, (event) => this.hear(event))
    const running = { spawned, rpc }
    try {
      // A person waits for the first one, initiators for those that take the place of another.
      this.facts = await rpc.call('load', start, this.tenants.size > 0 ? START_MS : CALL_MS)
    } catch (e) {
      spawned.kill()
      throw e
    }
    this.running = running
    void spawned.ended.then((why) => this.ended(running, why))
    return running
  }

  private hear(event: HostEvent): void {
    const tenant = this.tenants.get(event.device) ?? this.entering.get(event.device)
    if (tenant) tenant.hear(event)
    else if (event.event === 'log') this.options.log[event.level](event.message, event.facts)
  }

  /** A loop that does not answer holds all its devices up: end it, and the others of its kind go on. */
  private ping(): void {
    const { running } = this
    if (!running || this.closed) return
    if (this.idle) {
      this.rest()
      return
    }
    running.rpc.call('ping', null, this.hangMs).catch(() => {
      if (this.running !== running) return
      this.options.log.error(`${this.subtype} has not turned its event loop for ${this.hangMs / 1000} s; its process is ended`)
      running.spawned.kill()
    })
  }

  private ended(running: Running, why: string): void {
    if (this.running !== running) return
    this.running = undefined
    this.reason = why
    if (this.closed) return
    const during = callbacksOf([...this.tenants.values()].flatMap((t) => t.gone()))
    this.options.log.error(`the process of ${this.who}: ${why}${during.length ? ` during ${during.join(', ')}` : ''}; ${this.tenants.size} devices wait for it`)
    this.restart(why)
  }

  /** Once at a time: an end of the process while its devices are opened is one more of its ends. */
  private restart(why: string): void {
    this.restarting ??= this.tryAgain(why)
      .catch((e: unknown) => this.options.log.error(`${this.subtype}: ${reasonOf(e)}`))
      .finally(() => (this.restarting = undefined))
  }

  private async tryAgain(why: string): Promise<void> {
    for (let reason = why; !this.running && !this.closed && this.tenants.size > 0;) {
      const pause = this.crashes.spend()
      if (pause === undefined) {
        this.park(reason)
        return
      }
      await sleep(pause, undefined, { ref: false })
      try {
        await this.reopen()
        this.options.log.warn(`${this.subtype} runs again, with ${this.tenants.size} devices`)
      } catch (e) {
        reason = reasonOf(e)
        this.reason = reason
        this.options.log.error(`${this.subtype} could not be started again: ${reason}`)
      }
    }
  }

  private async reopen(): Promise<void> {
    const running = await this.ready()
    const tenants = [...this.tenants.values()]
    const opened = await Promise.allSettled(tenants.map((t) => t.open(running)))
    const failed = opened.find((o) => o.status === 'rejected')
    if (!failed) return
    // All or nothing: a process without some of its devices would have to be told from one that is whole.
    if (this.running === running) this.running = undefined
    running.spawned.kill()
    await running.spawned.ended
    for (const t of tenants) t.gone()
    throw failed.reason
  }

  private park(why: string): void {
    this.parked = why
    for (const t of this.tenants.values()) t.park(why)
    this.options.log.error(`${this.subtype} is parked: it ended ${this.crashes.spent} times, last because ${why}; its devices answer NOT READY until they are opened anew`)
  }

  /** Open a device again that is parked, alone or with all others of its handler. */
  async retry(tenant: Tenant): Promise<void> {
    if (this.parked === undefined) {
      await tenant.open(await this.ready())
      return
    }
    this.parked = undefined
    this.crashes.forget()
    this.restart('it was asked for')
  }

  async check(config: string, options: unknown): Promise<true | string> {
    this.asking++
    try {
      return await (await this.ready()).rpc.call('check', { config, options }, CALL_MS)
    } finally {
      this.asking--
    }
  }

  /** A number for a device that is to enter. */
  number(): number {
    return this.nextDevice++
  }

  /** Open a device, and keep it open until it leaves. Rejects with what the handler threw; it has not entered then. */
  async enter(tenant: Tenant): Promise<void> {
    this.asking++
    this.entering.set(tenant.device, tenant)
    try {
      const running = await this.ready()
      await tenant.open(running)
      if (this.running !== running) throw tcmuError('E_DEVICE_HOST', { reason: `the process of ${this.who} ended as ${tenant.name} was opened: ${this.reason}` })
      this.tenants.set(tenant.device, tenant)
    } finally {
      this.entering.delete(tenant.device)
      this.asking--
    }
  }

  /** A device is not to be opened again. `close` may need the process, which is not ended before that. */
  async leave(tenant: Tenant, close: () => Promise<unknown>): Promise<void> {
    if (!this.tenants.delete(tenant.device)) return
    this.entering.set(tenant.device, tenant)
    this.asking++
    try {
      await close()
    } finally {
      this.asking--
      this.entering.delete(tenant.device)
      tenant.drop()
      // Another one may be closing there, or one be opened again.
      if (this.idle) this.rest()
    }
  }

  /** Open a device whose commands come from here. Rejects with what the handler threw. */
  async open(dev: DeviceInfo): Promise<RemoteDevice> {
    const { core, onCrash = 'retry' } = this.options
    await this.ready()
    const linked = new LinkedDevice({
      core, dev, onCrash, device: this.number(), locks: this.facts?.members.includes('lock') === true,
      rpc: async () => (await this.ready()).rpc, broken: () => this.running?.spawned.kill(), close: (d) => this.closeLinked(d),
    })
    try {
      await this.enter(linked)
      return linked
    } catch (e) {
      linked.drop()
      throw e
    }
  }

  private closeLinked(linked: LinkedDevice): Promise<void> {
    return this.leave(linked, async () => this.running?.rpc.call('close', { device: linked.device, deadlineMs: CLOSE_MS }, CLOSE_MS * 2))
  }

  /** Nobody needs it: end the process; the next device starts it anew, with the code that is there then. */
  private rest(): void {
    if (this.options.linger) return
    const { running } = this
    this.running = undefined
    this.parked = undefined
    this.crashes.forget()
    running?.spawned.kill()
  }

  async close(): Promise<void> {
    this.closed = true
    clearInterval(this.pings)
    this.running = undefined
    for (const t of this.tenants.values()) t.drop()
    this.tenants.clear()
    this.spawned?.kill()
    await this.spawned?.ended
  }
}
