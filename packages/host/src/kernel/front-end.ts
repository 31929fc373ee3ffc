import { setTimeout as sleep } from 'node:timers/promises'
import type { HostedDevice } from '../device'
import { quote, reasonOf } from '../errors'
import type { HandlerLog } from '../handler/types'
import { type DeviceParts, KernelDevice } from './device'
import { parseUioName } from './device-config'
import { type NetlinkPort, TcmuFamily } from './family'
import type { KernelEvent } from './netlink'
import { PortSwitch } from './ports'
import { Queues } from './queues'
import { EINTR, ENOENT, EOPNOTSUPP, errnoOf } from './reply'
import type { RemoteParts, ServedDevice, ServeElsewhere } from './served'
import { scanUio, type UioDevice } from './uio-scan'

export interface TcmuOptions {
  readonly parts: DeviceParts
  /** Devices whose handler does not run in this thread; left out: there are none. */
  readonly elsewhere?: { readonly serve: ServeElsewhere; readonly node: RemoteParts['node'] }
  /** Whether a subtype is ours. */
  readonly knows: (subtype: string) => boolean
  /** Whether another process has registered for a subtype: it answers the kernel itself, and two answers would race. */
  readonly registered?: (subtype: string) => boolean
  /** Opens the socket; left out: no netlink, what the scan finds is served and nothing else. */
  readonly netlink?: () => NetlinkPort
  /** Devices of other subtypes: refuse them, for there is no other daemon (default), or leave them to it. */
  readonly foreign?: 'reject' | 'ignore'
  readonly log: HandlerLog
  readonly added?: (minor: number, device: HostedDevice) => void | Promise<void>
  readonly removed?: (minor: number, device: HostedDevice) => void | Promise<void>
}

/** The kernel waits for the answer to a removal, and its caller cannot be killed meanwhile. */
const REMOVE_MS = 10_000

const subtypeOf = (cfgstring: string): string => cfgstring.split('/', 1)[0]!

/** Serves the devices of target_core_user: those there are, and those that come and go by netlink. */
export class TcmuFrontEnd {
  private readonly devices = new Map<number, ServedDevice>()
  private readonly queues = new Queues<number>()
  private readonly unanswered = new Set<KernelEvent>()
  private readonly log: HandlerLog
  private family: TcmuFamily | undefined
  private readonly ports: PortSwitch
  private stopped = false

  constructor(private readonly options: TcmuOptions) {
    this.log = options.log
    this.ports = new PortSwitch(options.log)
  }

  /** Hear the kernel's events, then take over what is there already. Rejects when netlink is wanted and not to be had. */
  async start(): Promise<void> {
    if (this.options.netlink) await this.listen(this.options.netlink)
    else this.log.warn('without netlink: devices made from now on are not seen, and none can be removed in order; restart after changes')
    await this.rescan()
  }

  private async listen(netlink: () => NetlinkPort): Promise<void> {
    this.family = await TcmuFamily.open(netlink(), {
      event: (e) => void this.take(e),
      overrun: () => this.overrun(),
      failed: (e) => this.log.error(`netlink: ${reasonOf(e)}; devices that come or go are not seen any more`),
    })
    if (!(await this.family.setFeatures(true))) this.log.warn('this kernel does not wait for answers to its events')
  }

  private overrun(): void {
    this.log.warn('netlink: events were lost; looking at what is there')
    this.rescan().catch((e: unknown) => this.log.error(`looking for devices: ${reasonOf(e)}`))
  }

  /** Bring what is served in line with what is there. */
  async rescan(): Promise<void> {
    const found = new Map((await scanUio(this.options.parts.roots)).map((d) => [d.minor, d]))
    const gone = [...this.devices.keys()].filter((minor) => !found.has(minor))
    await Promise.all([
      ...gone.map((minor) => this.queues.run(minor, () => this.remove(minor))),
      ...[...found.values()].map((at) => this.queues.run(at.minor, () => this.adopt(at))),
    ])
  }

  /** Serve a device that is there already; what keeps us from it is logged. */
  private async adopt(at: UioDevice): Promise<void> {
    if (this.stopped || this.devices.has(at.minor) || this.isForeign(at)) return
    try {
      await this.add(at, true)
    } catch (e) {
      this.complain(at, e)
    }
  }

  private isForeign(at: UioDevice): boolean {
    return !this.options.knows(subtypeOf(at.cfgstring))
  }

  private async add(at: UioDevice, existing: boolean): Promise<void> {
    const { elsewhere, parts } = this.options
    const remote = elsewhere && (await elsewhere.serve(at, existing, { ...parts, ports: this.ports, node: elsewhere.node }))
    const device = remote ?? (await KernelDevice.open(at, { ports: this.ports, ...parts }, existing))
    this.devices.set(at.minor, device)
    const { runtime } = device
    await this.options.added?.(at.minor, runtime)
    this.log.info(`user_${at.hba}/${at.device} (${at.cfgstring}) is served on uio${at.minor}, ${runtime.blocks} blocks of ${runtime.blockSize} bytes`, { uio: at.minor })
  }

  private complain(at: UioDevice, e: unknown): void {
    const facts = e instanceof Error && !('code' in e) ? { uio: at.minor, stack: e.stack } : { uio: at.minor }
    this.log.error(`user_${at.hba}/${at.device} (${quote(at.cfgstring)}) is not served: ${reasonOf(e)}`, facts)
  }

  /** An event of the kernel: done in turn for its device, then answered. */
  private async take(event: KernelEvent): Promise<void> {
    const at = parseUioName(event.name)
    const ours = this.devices.has(event.minor) || (at !== undefined && this.options.knows(subtypeOf(at.cfgstring)))
    if (!ours && (this.options.foreign === 'ignore' || (at !== undefined && this.options.registered?.(subtypeOf(at.cfgstring))))) return
    this.unanswered.add(event)
    const status = await this.queues.run(event.minor, () => this.act(event, at && { minor: event.minor, ...at })).catch((e: unknown) => this.failed(event, e))
    await this.answer(event, status)
  }

  private failed(event: KernelEvent, e: unknown): number {
    const status = errnoOf(e)
    this.log.error(`${quote(event.name)}: ${event.kind}: ${reasonOf(e)}`, { uio: event.minor, errno: status })
    return status
  }

  private async answer(event: KernelEvent, status: number): Promise<void> {
    if (!this.unanswered.delete(event)) return
    try {
      await this.family!.done(event, status)
    } catch (e) {
      this.log.error(`${quote(event.name)}: answering that it was ${event.kind}: ${reasonOf(e)}`, { uio: event.minor })
    }
  }

  /** 0 or a negative errno. */
  private async act(event: KernelEvent, at: UioDevice | undefined): Promise<number> {
    if (event.kind === 'removed') {
      await this.remove(event.minor)
      return 0
    }
    if (event.kind === 'reconfig') {
      const device = this.devices.get(event.minor)
      return device && event.change ? device.reconfigure(event.change) : device ? EOPNOTSUPP : ENOENT
    }
    if (this.stopped) return EINTR
    if (at === undefined || this.isForeign(at)) {
      this.log.error(`${quote(event.name)}: no handler for ${quote(at?.cfgstring ?? '')}; \`tcmu-host handlers\` lists what there is`, { uio: event.minor })
      return ENOENT
    }
    if (!this.devices.has(at.minor)) await this.add(at, false)
    return 0
  }

  private async remove(minor: number): Promise<void> {
    const device = this.devices.get(minor)
    if (!device) return
    this.devices.delete(minor)
    try {
      await device.remove(REMOVE_MS)
    } finally {
      await this.options.removed?.(minor, device.runtime)
      this.log.info(`${device.at.device} (uio${minor}) was removed`, { uio: minor })
    }
  }

  /** Let go of every device, which stays in the kernel; answer what is still to be answered. Never rejects. */
  async stop(deadlineMs: number): Promise<void> {
    this.stopped = true
    await Promise.race([this.queues.idle(), sleep(deadlineMs, undefined, { ref: false })])
    await Promise.all([...this.devices].map(async ([minor, device]) => {
      try {
        await device.leave(deadlineMs)
        await this.options.removed?.(minor, device.runtime)
      } catch (e) {
        this.log.error(`${device.at.device} did not close cleanly: ${reasonOf(e)}`)
      }
    }))
    this.devices.clear()
    await Promise.all([...this.unanswered].map((event) => this.answer(event, EINTR)))
    this.family?.close()
  }
}
