import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf, tcmuError } from '../errors'
import type { Change, DeviceInfo, HandlerLog, LockHolder } from '../handler'
import type { NativeCore } from '../platform'
import { Status } from '../scsi'
import { type BudgetOptions, CrashBudget } from './crash-budget'
import { Link, type OnCrash } from './link'
import type { FromHost, HandlerFacts, HostStart, RemoteDeviceFacts, RemoteSpec } from './messages'
import { callbacksOf, type RemoteDevice, type RemoteSite } from './remote-handler'
import { RING_BYTES } from './remote-port'
import { Rpc } from './rpc'
import type { Spawn, Spawned } from './spawn'

export interface HandlerHostOptions {
  readonly start: HostStart
  /** The handler and the package it is of, for messages. Default: its subtype. */
  readonly who?: string
  /** What to start when it is started: what is there may have changed. Throws when that is not to be. Default: `start`. */
  readonly current?: () => HostStart
  readonly core: NativeCore
  readonly spawn: Spawn
  readonly log: HandlerLog
  readonly onCrash?: OnCrash
  readonly budget?: BudgetOptions
  /** How long its loop may stand still before it counts as hung. Default 30 s. */
  readonly hangMs?: number
  /** Memory of its JavaScript. Default 512. */
  readonly heapMiB?: number
  /** Stay when the last device closes. */
  readonly linger?: boolean
}

/** Loading code, opening a backend, changing a size: what a person waits for. */
const CALL_MS = 60_000
const CLOSE_MS = 10_000
const PING_MS = 5000
const DEFAULT_UNMAP_BLOCKS = 2 ** 20

interface Open {
  readonly dev: DeviceInfo
  readonly link: Link
  readonly spec: RemoteSpec
}
interface Running {
  readonly spawned: Spawned
  readonly rpc: Rpc
}

/** What `status` shows of a device host. */
export interface HandlerHostState {
  readonly subtype: string
  readonly state: 'idle' | 'running' | 'restarting' | 'parked'
  readonly pid: number | undefined
  readonly crashes: number
  /** Why it ended last. */
  readonly reason: string | undefined
  readonly devices: readonly string[]
}

/** What of a change a process has to know that opens the device again. */
function lasting(change: Change): Partial<RemoteSpec> {
  if (change.kind === 'size') return { sizeBytes: change.sizeBytes }
  return change.kind === 'config' ? { config: change.config } : {}
}

/** The process of one handler: started when it is needed, started again when it ends, left alone when that happens too often. */
export class HandlerHost implements RemoteSite {
  private running: Running | undefined
  private starting: Promise<Running> | undefined
  private facts: HandlerFacts | undefined
  private readonly devices = new Map<number, Open>()
  private readonly budget: CrashBudget
  private readonly pings: NodeJS.Timeout
  private nextDevice = 1
  /** Questions under way that need the process. */
  private asking = 0
  private closed = false
  private parked: string | undefined
  private reason: string | undefined

  constructor(private readonly options: HandlerHostOptions) {
    this.budget = new CrashBudget(options.budget)
    this.pings = setInterval(() => this.ping(), Math.min(PING_MS, this.hangMs / 2))
    this.pings.unref()
  }

  private get subtype(): string {
    return this.options.start.subtype
  }

  private get hangMs(): number {
    return this.options.hangMs ?? 30_000
  }

  /** Its commands are not to be sent again by themselves: the lock that let them through went with the process. */
  private get locks(): boolean {
    return this.facts?.members.includes('lock') === true
  }

  state(): HandlerHostState {
    return {
      subtype: this.subtype,
      state: this.parked !== undefined ? 'parked' : this.running ? 'running' : this.starting ? 'restarting' : 'idle',
      pid: this.running?.spawned.pid,
      crashes: this.budget.spent,
      reason: this.reason,
      devices: [...this.devices.values()].map(({ spec }) => spec.name),
    }
  }

  /** No device is open there, and nothing is asked. */
  get idle(): boolean {
    return this.devices.size === 0 && this.asking === 0
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
    return tcmuError('E_DEVICE_HOST', { reason: `${this.subtype} is parked after ${this.budget.spent} crashes: ${this.parked}` })
  }

  private async startOnce(): Promise<Running> {
    const { core, spawn, log, heapMiB = 512 } = this.options
    const start = this.options.current?.() ?? this.options.start
    const spawned = spawn(core, heapMiB, (line) => log.info(`${this.subtype} says: ${line}`))
    const rpc = new Rpc(spawned, this.options.who ?? this.subtype, (event) => this.hear(event))
    const running = { spawned, rpc }
    try {
      this.facts = await rpc.call('load', start, CALL_MS)
    } catch (e) {
      spawned.kill()
      throw e
    }
    this.running = running
    void spawned.ended.then((why) => this.ended(running, why))
    return running
  }

  private hear(event: Extract<FromHost, { event: string }>): void {
    const dev = this.devices.get(event.device)?.dev
    if (event.event === 'log') (dev?.log ?? this.options.log)[event.level](event.message, event.facts)
    else if (event.event === 'resized') dev?.resized(event.sizeBytes)
    else if (event.event === 'mediumChanged') dev?.mediumChanged(event.sizeBytes)
    else dev?.report(event.kind)
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
    const during = callbacksOf([...this.devices.values()].flatMap(({ link }) => link.suspend()))
    this.options.log.error(`the process of ${this.options.who ?? this.subtype}: ${why}${during.length ? ` during ${during.join(', ')}` : ''}; ${this.devices.size} devices wait for it`)
    this.restart(why).catch((e: unknown) => this.options.log.error(`${this.subtype}: ${reasonOf(e)}`))
  }

  private async restart(why: string): Promise<void> {
    for (let reason = why; !this.closed && this.devices.size > 0;) {
      const pause = this.budget.spend()
      if (pause === undefined) {
        this.park(reason)
        return
      }
      await sleep(pause, undefined, { ref: false })
      try {
        await this.reopen()
        this.options.log.warn(`${this.subtype} runs again, with ${this.devices.size} devices`)
        return
      } catch (e) {
        reason = reasonOf(e)
        this.reason = reason
        this.options.log.error(`${this.subtype} could not be started again: ${reason}`)
      }
    }
  }

  private async reopen(): Promise<void> {
    const running = await this.ready()
    try {
      for (const [device, { dev, spec, link }] of this.devices) {
        await this.openThere(running, device, { ...spec, reopen: true }, link)
        // Whoever else wants the lock may have it by now.
        if (this.locks) dev.report('lock-lost')
        link.resume()
      }
    } catch (e) {
      // All or nothing: a process without some of its devices would have to be told from one that is whole.
      this.running = undefined
      running.spawned.kill()
      for (const { link } of this.devices.values()) link.suspend()
      throw e
    }
  }

  private park(why: string): void {
    this.parked = why
    for (const { link } of this.devices.values()) link.park()
    this.options.log.error(`${this.subtype} is parked: it ended ${this.budget.spent} times, last because ${why}; its devices answer NOT READY until they are opened anew`)
  }

  private openThere({ spawned, rpc }: Running, device: number, spec: RemoteSpec, link: Link): Promise<RemoteDeviceFacts> {
    spawned.sendRing(device, link.ring.peer)
    return rpc.call('open', { device, spec }, CALL_MS)
  }

  async check(config: string, options: unknown): Promise<true | string> {
    this.asking++
    try {
      return await (await this.ready()).rpc.call('check', { config, options }, CALL_MS)
    } finally {
      this.asking--
    }
  }

  /** Open a device there. Rejects with what the handler threw. */
  async open(dev: DeviceInfo): Promise<RemoteDevice> {
    this.asking++
    try {
      return await this.openHere(dev, await this.ready())
    } finally {
      this.asking--
    }
  }

  private async openHere(dev: DeviceInfo, running: Running): Promise<RemoteDevice> {
    const { name, config, options, sizeBytes, blockSize, reopen, thick } = dev
    const spec: RemoteSpec = { name, config, options, sizeBytes, blockSize, reopen, thick, ringBytes: RING_BYTES }
    const device = this.nextDevice++
    const link = new Link(this.options.core, name, this.locks ? 'fail' : (this.options.onCrash ?? 'retry'), this.options.log, () => running.spawned.kill())
    try {
      const facts = await this.openThere(running, device, spec, link)
      dev.declare(facts.properties)
      dev.resized(facts.sizeBytes)
      this.devices.set(device, { dev, link, spec: { ...spec, sizeBytes: sizeBytes === 0 ? 0 : facts.sizeBytes } })
      link.resume()
      return this.remote(device, facts)
    } catch (e) {
      link.close()
      throw e
    }
  }

  private remote(device: number, { properties }: RemoteDeviceFacts): RemoteDevice {
    const { link, dev } = this.devices.get(device)!
    return {
      blockSize: dev.blockSize,
      maxUnmapBlocks: properties.maxUnmapBlocks ?? DEFAULT_UNMAP_BLOCKS,
      ask: (ask, answered) => link.ask(ask, answered),
      lost: this.locks ? Status.BUSY : Status.NOT_READY,
      reconfigure: (_state: unknown, change: Change) => this.reconfigure(device, change),
      extents: async ({ offset, length }) => (await this.ready()).rpc.call('extents', { device, offset, length }, CALL_MS),
      ...this.lockOf(device),
      close: () => this.closeDevice(device),
    }
  }

  private lockOf(device: number): Pick<RemoteDevice, 'lock' | 'unlock' | 'getLockState' | 'getLockTag'> {
    const rpc = async (): Promise<Rpc> => (await this.ready()).rpc
    return {
      lock: async (_, tag) => (await rpc()).call('lock', { device, tag }, CALL_MS) as Promise<Status>,
      unlock: async () => (await rpc()).call('unlock', { device }, CLOSE_MS) as Promise<Status>,
      getLockState: async () => (await rpc()).call('lockState', { device }, CALL_MS),
      getLockTag: async () => (await rpc()).call('lockHolder', { device }, CALL_MS) as Promise<LockHolder | Status>,
    }
  }

  private async reconfigure(device: number, change: Change): Promise<Status> {
    const { rpc } = await this.ready()
    const status = (await rpc.call('reconfigure', { device, change }, CALL_MS)) as Status
    const open = this.devices.get(device)
    if (status === Status.OK && open) this.devices.set(device, { ...open, spec: { ...open.spec, ...lasting(change) } })
    return status
  }

  private async closeDevice(device: number): Promise<void> {
    const open = this.devices.get(device)
    if (!open) return
    this.devices.delete(device)
    this.asking++
    try {
      await this.running?.rpc.call('close', { device, deadlineMs: CLOSE_MS }, CLOSE_MS * 2)
    } finally {
      this.asking--
      open.link.close()
      // Another one may be closing there, or one be opened again.
      if (this.idle) this.rest()
    }
  }

  /** Nobody needs it: end the process; the next device starts it anew, with the code that is there then. */
  private rest(): void {
    if (this.options.linger) return
    const { running } = this
    this.running = undefined
    this.parked = undefined
    this.budget.forget()
    running?.spawned.kill()
  }

  async close(): Promise<void> {
    this.closed = true
    clearInterval(this.pings)
    const running = this.running ?? (await this.starting?.catch(() => undefined))
    this.running = undefined
    for (const { link } of this.devices.values()) link.close()
    this.devices.clear()
    running?.spawned.kill()
    await running?.spawned.ended
  }
}
