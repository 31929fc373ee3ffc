import type { Change, DeviceInfo, LockHolder } from '../handler'
import type { NativeCore } from '../platform'
import type { Request } from '../ring'
import { type BlockRange, type Extent, type Space, Status } from '../scsi'
import { type Ask, Link, type OnCrash } from './link'
import type { RemoteSpec } from './messages'
import type { RemoteDevice } from './remote-handler'
import { RING_BYTES } from './remote-port'
import type { Rpc } from './rpc'
import { CALL_MS, CLOSE_MS, type HostEvent, type Running, type Tenant } from './tenant'

export interface LinkedDeviceParts {
  readonly core: NativeCore
  readonly device: number
  readonly dev: DeviceInfo
  /** Its commands are not to be sent again by themselves: the lock that let them through went with the process. */
  readonly locks: boolean
  readonly onCrash: OnCrash
  /** The process there is, or the next one. */
  readonly rpc: () => Promise<Rpc>
  /** What the process wrote into the ring makes no sense. */
  readonly broken: () => void
  readonly close: (device: LinkedDevice) => Promise<void>
}

const DEFAULT_UNMAP_BLOCKS = 2 ** 20

/** What of a change a process has to know that opens the device again. */
function lasting(change: Change): Partial<RemoteSpec> {
  if (change.kind === 'size') return { sizeBytes: change.sizeBytes }
  return change.kind === 'config' ? { config: change.config } : {}
}

/** A device whose commands end here, and whose callbacks run in the process of its handler: a ring of ours goes between. */
export class LinkedDevice implements Tenant, RemoteDevice {
  readonly device: number
  readonly blockSize: number
  readonly lost: Status
  maxUnmapBlocks = DEFAULT_UNMAP_BLOCKS
  private readonly link: Link
  private spec: RemoteSpec
  private opened = false
  /** What the handler wants to be told when it opens this device again, in this process or the next. */
  private kept: unknown

  constructor(private readonly parts: LinkedDeviceParts) {
    const { core, device, dev, locks, onCrash, broken } = parts
    const { name, config, options, sizeBytes, blockSize, reopen, thick } = dev
    this.device = device
    this.blockSize = blockSize
    this.lost = locks ? Status.BUSY : Status.NOT_READY
    this.spec = { name, config, options, sizeBytes, blockSize, reopen, thick, ringBytes: RING_BYTES }
    this.kept = dev.kept
    this.link = new Link(core, name, locks ? 'fail' : onCrash, dev.log, broken)
  }

  get name(): string {
    return this.spec.name
  }

  async open({ spawned, rpc }: Running): Promise<void> {
    const { device, spec, parts: { dev, locks } } = this
    spawned.sendRing(device, this.link.ring.peer)
    const facts = await rpc.call('open', { device, spec: { ...spec, kept: this.kept, ...(this.opened && { reopen: true }) } }, CALL_MS)
    if (!this.opened) {
      this.opened = true
      dev.declare(facts.properties)
      dev.resized(facts.sizeBytes)
      this.maxUnmapBlocks = facts.properties.maxUnmapBlocks ?? DEFAULT_UNMAP_BLOCKS
      if (spec.sizeBytes !== 0) this.spec = { ...spec, sizeBytes: facts.sizeBytes }
    } else if (locks) {
      // Whoever else wants the lock may have it by now.
      dev.report('lock-lost')
    }
    this.link.resume()
  }

  hear(event: HostEvent): void {
    const { dev } = this.parts
    if (event.event === 'log') dev.log[event.level](event.message, event.facts)
    else if (event.event === 'kept') dev.keep((this.kept = event.fact))
    else if (event.event === 'resized') dev.resized(event.sizeBytes)
    else if (event.event === 'mediumChanged') dev.mediumChanged(event.sizeBytes)
    else if (event.event === 'report') dev.report(event.kind, event.why)
  }

  gone(): number[] {
    return this.link.suspend()
  }

  park(): void {
    this.link.park()
  }

  drop(): void {
    this.link.close()
  }

  ask<T>(ask: Ask, answered: (answer: Request) => T): Promise<T | undefined> {
    return this.link.ask(ask, answered)
  }

  async reconfigure(_state: unknown, change: Change): Promise<Status> {
    const status = (await (await this.parts.rpc()).call('reconfigure', { device: this.device, change }, CALL_MS)) as Status
    if (status === Status.OK) this.spec = { ...this.spec, ...lasting(change) }
    return status
  }

  async extents({ offset, length }: BlockRange): Promise<readonly Extent[]> {
    return (await this.parts.rpc()).call('extents', { device: this.device, offset, length }, CALL_MS)
  }

  async space(): Promise<Space> {
    return (await this.parts.rpc()).call('space', { device: this.device }, CALL_MS)
  }

  async lock(_state: unknown, tag: number | undefined): Promise<Status> {
    return (await this.parts.rpc()).call('lock', { device: this.device, tag }, CALL_MS) as Promise<Status>
  }

  async unlock(): Promise<Status> {
    return (await this.parts.rpc()).call('unlock', { device: this.device }, CLOSE_MS) as Promise<Status>
  }

  async getLockState(): Promise<'locked' | 'unlocked' | 'unknown'> {
    return (await this.parts.rpc()).call('lockState', { device: this.device }, CALL_MS)
  }

  async getLockTag(): Promise<LockHolder | Status> {
    return (await this.parts.rpc()).call('lockHolder', { device: this.device }, CALL_MS) as Promise<LockHolder | Status>
  }

  close(): Promise<void> {
    return this.parts.close(this)
  }
}
