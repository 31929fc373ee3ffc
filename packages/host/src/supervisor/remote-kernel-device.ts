import { setTimeout as sleep } from 'node:timers/promises'
import { type DeviceRuntime, type DeviceSpec, openDevice } from '../device'
import { quote, reasonOf, TcmuError } from '../errors'
import type { HandlerIo, HandlerLog } from '../handler'
import { DeviceFolder } from '../kernel/configfs'
import { KernelDevice } from '../kernel/device'
import { parseDeviceConfig } from '../kernel/device-config'
import type { KernelChange } from '../kernel/netlink'
import { type UioNode, whenFree } from '../kernel/node'
import { EBUSY, EINVAL } from '../kernel/reply'
import type { RemoteParts, ServedDevice } from '../kernel/served'
import { defaultReset, takeOver, unblock } from '../kernel/take-over'
import { mapSize, type UioDevice } from '../kernel/uio-scan'
import { inTime } from '../kernel/wait'
import { CrashBudget } from './crash-budget'
import type { HandlerHost } from './handler-host'
import { parkedHandler } from './parked'
import { RemoteUnit } from './remote-unit'
import { CALL_MS, type HostEvent, type Running, START_MS, type Tenant } from './tenant'

export interface RemoteKernelParts {
  readonly host: HandlerHost
  readonly kernel: RemoteParts
  readonly log: HandlerLog
  readonly stateDir?: string | undefined
}

/** On top of its deadline, what a device may take there to let go of its backend and of memory with I/O in it. */
const LETTING_GO_MS = 12_000
/** Commands to a parked device are answered at once. */
const PARKED_MS = 1000

/** The process is gone or does not answer, as against: it answered that something went wrong. */
const rpcFailed = (e: unknown): boolean => e instanceof TcmuError && e.code === 'E_DEVICE_HOST'

async function end({ spawned }: Running): Promise<void> {
  spawned.kill()
  await spawned.ended
}

const noFiles: HandlerIo = { open: () => Promise.reject(new Error('a parked device opens no files')) }

/**
 * A device of the kernel whose ring is mapped by the process of its handler. Here its UIO descriptor is kept, so that the next
 * process can have it when one ends, and so that the device can be answered for while it is parked.
 */
export class RemoteKernelDevice implements Tenant, ServedDevice {
  readonly device: number
  readonly runtime: RemoteUnit
  private readonly folder: DeviceFolder
  private readonly budget: CrashBudget
  private entered = false
  /** The process it is open in. */
  private running: Running | undefined
  /** Answers while no process does. */
  private parked: KernelDevice | undefined
  private leaving = false
  private over = false
  private work: Promise<unknown> = Promise.resolve()

  private constructor(public at: UioDevice, private readonly node: UioNode, private readonly existing: boolean, private readonly parts: RemoteKernelParts) {
    this.device = parts.host.number()
    this.runtime = new RemoteUnit(this.device, at.device, parseDeviceConfig(at.cfgstring).subtype)
    this.folder = new DeviceFolder(parts.kernel.roots, at)
    this.budget = new CrashBudget(parts.host.budget)
  }

  /** Have a device served by the process of its handler. Rejects as KernelDevice.open does. */
  static open(at: UioDevice, existing: boolean, parts: RemoteKernelParts): Promise<RemoteKernelDevice> {
    const { kernel } = parts
    return takeOver(at, kernel, existing, () => whenFree(kernel.roots, at.minor, kernel.node), async (node) => {
      const device = new RemoteKernelDevice(at, node, existing, parts)
      await device.enter()
      return device
    })
  }

  /** A device that initiators have already is not given up because a process ended while it was opened. */
  private async enter(): Promise<void> {
    const { host, log } = this.parts
    while (!this.entered) {
      try {
        await host.enter(this)
        this.entered = true
      } catch (e) {
        const pause = this.existing && rpcFailed(e) ? this.budget.spend() : undefined
        if (pause === undefined) throw e
        log.warn(`${this.name} is tried again: ${reasonOf(e)}`)
        await sleep(pause)
      }
    }
  }

  get name(): string {
    return this.at.device
  }

  /** One thing at a time: the end of a process, the next one, and parking are about the same ring. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.work.then(work)
    this.work = result.catch(() => undefined)
    return result
  }

  private aside(work: () => Promise<unknown>): void {
    this.inTurn(work).catch((e: unknown) => this.parts.log.error(`${this.name}: ${reasonOf(e)}`))
  }

  open(running: Running): Promise<void> {
    if (this.entered) return this.inTurn(() => this.again(running))
    return this.serve(running, this.existing).catch(async (e: unknown) => {
      // It may open yet; what is new nobody uses until then, and whoever makes it anew waits.
      if (rpcFailed(e) && this.existing) await end(running)
      else if (rpcFailed(e)) this.dismissThere(running)
      throw e
    })
  }

  private async serve(running: Running, existing: boolean): Promise<void> {
    const { at, device, node, parts: { kernel: { roots, resetRing, pollMicros }, stateDir } } = this
    const { spawned, rpc } = running
    spawned.sendRing(device, [node.fd])
    const facts = await rpc.call('serve', { device, spec: { at, roots, existing, reopen: this.entered, resetRing, pollMicros, stateDir } }, START_MS)
    this.running = running
    this.runtime.connect(rpc, facts)
  }

  private dismissThere({ rpc }: Running): void {
    rpc.call('remove', { device: this.device, deadlineMs: 0 }, CALL_MS).catch(() => undefined)
  }

  /** In the next process, or once more in one where it could not be opened. */
  private async again(running: Running): Promise<void> {
    if (this.leaving || this.running === running) return
    await this.dismissParked()
    await this.folder.block(true)
    try {
      await this.serve(running, true)
    } catch (e) {
      // It may open yet, and then nobody would know who is at its ring.
      if (rpcFailed(e)) await end(running)
      if (running.rpc.gone) throw e
      await this.failed(running, e)
      return
    }
    if (this.over) {
      this.dismissThere(running)
      return
    }
    if (this.leaving) return
    void this.parts.kernel.ports.on(this)
    await this.unblock()
  }

  /** Its process runs, and cannot open it: that is nobody else's business. Initiators are told BUSY between tries. */
  private async failed(running: Running, e: unknown): Promise<void> {
    this.parts.log.error(`${this.name} could not be opened again: ${reasonOf(e)}`)
    const pause = this.budget.spend()
    if (pause === undefined) await this.answerNotReady(reasonOf(e))
    else setTimeout(() => this.aside(async () => (running.rpc.gone ? undefined : this.again(running))), pause).unref()
  }

  hear(event: HostEvent): void {
    const { log, kernel: { ports } } = this.parts
    if (event.event === 'log') log[event.level](event.message, event.facts)
    else if (event.event !== 'ports') this.runtime.hear(event)
    else if (event.off !== undefined) ports.off(event.off, this)
    else void ports.on(this)
  }

  gone(): number[] {
    this.running = undefined
    if (!this.parked) this.runtime.disconnect('restarting', 'the process of its handler has ended')
    this.aside(() => this.giveUp())
    return []
  }

  /** What is in the ring was with the process, which nobody is any more. */
  private async giveUp(): Promise<void> {
    if (this.leaving || this.parked) return
    if (await this.folder.block(true)) await this.folder.resetRing(this.parts.kernel.resetRing ?? defaultReset)
  }

  private unblock(): Promise<void> {
    return unblock(this.folder, this.at, this.parts.log)
  }

  park(why: string): void {
    this.aside(() => this.answerNotReady(why))
  }

  /** A ring that nobody serves would keep initiators waiting until their time-outs. */
  private async answerNotReady(why: string): Promise<void> {
    if (this.leaving || this.parked) return
    const { at, runtime, parts: { kernel, log } } = this
    runtime.disconnect('parked', why)
    const handler = parkedHandler(runtime)
    try {
      const map = this.node.map(await mapSize(kernel.roots, at))
      const open = (spec: DeviceSpec, serial: () => string): Promise<DeviceRuntime> => openDevice(spec, { handler, io: noFiles, log, serial })
      this.parked = await KernelDevice.serve(at, { ...kernel, log, open }, map, true).catch((e: unknown) => {
        map.close()
        throw e
      })
      log.error(`${this.name} is parked and answers NOT READY: ${why}; \`echo ${quote(at.cfgstring)} > ${this.folder.path}/attrib/dev_config\` has it tried again`)
    } finally {
      await this.unblock()
    }
  }

  private async dismissParked(): Promise<void> {
    const { parked } = this
    this.parked = undefined
    await parked?.leave(PARKED_MS)
  }

  async reconfigure(change: KernelChange): Promise<number> {
    if (this.parked) return change.kind === 'config' ? this.tryAgain(change.cfgstring) : this.parked.reconfigure(change)
    if (!this.running) return EBUSY
    const { status, facts } = await this.running.rpc.call('change', { device: this.device, change }, CALL_MS)
    this.runtime.learn(facts)
    if (status === 0 && change.kind === 'config') this.at = { ...this.at, cfgstring: change.cfgstring }
    return status
  }

  /** The administrator has given its configuration, perhaps the same one. */
  private tryAgain(cfgstring: string): number {
    if (parseDeviceConfig(cfgstring).subtype !== this.runtime.subtype) return EINVAL
    this.at = { ...this.at, cfgstring }
    this.budget.forget()
    this.parts.host.retry(this).catch((e: unknown) => this.parts.log.error(`${this.name}: ${reasonOf(e)}`))
    return 0
  }

  async remove(deadlineMs: number): Promise<void> {
    this.leaving = true
    void this.parts.kernel.ports.on(this)
    await inTime(this.work, deadlineMs)
    await this.end('remove', deadlineMs)
  }

  async leave(deadlineMs: number): Promise<void> {
    this.leaving = true
    await inTime(this.work, deadlineMs)
    await this.parts.kernel.ports.on(this)
    if (!(await this.end('leave', deadlineMs))) await this.unblock()
  }

  /** Whether somebody who served it has let it go in order. */
  private async end(how: 'remove' | 'leave', deadlineMs: number): Promise<boolean> {
    const { device, parked, running, parts: { host, log } } = this
    let served = false
    try {
      await host.leave(this, async () => {
        if (parked) await parked[how](deadlineMs)
        else await running?.rpc.call(how, { device, deadlineMs }, deadlineMs + LETTING_GO_MS)
        served = parked !== undefined || running !== undefined
      })
    } catch (e) {
      log.error(`${this.name} did not close cleanly: ${reasonOf(e)}`)
    }
    this.over = true
    this.runtime.disconnect('closed')
    return served
  }

  drop(): void {
    this.node.close()
  }
}
