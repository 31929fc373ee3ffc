import { setTimeout as sleep } from 'node:timers/promises'
import { serialOf } from '../control/serial'
import type { DeviceRuntime, DeviceSpec } from '../device'
import { Pump } from '../device/pump'
import { quote, reasonOf, type TcmuError } from '../errors'
import { Status } from '../scsi'
import type { DataArea } from '../wire'
import { type Attributes, DeviceFolder } from './configfs'
import { type DeviceConfig, parseDeviceConfig } from './device-config'
import type { KernelChange } from './netlink'
import { whenFree } from './node'
import { type UioMap, UioPort } from './port'
import { KernelPortGroups } from './port-groups'
import type { PortSwitch } from './ports'
import { EINVAL, errnoOfStatus } from './reply'
import { SerialCache } from './serial'
import type { ServedDevice } from './served'
import { defaultReset, takeOver, type TakeOverParts } from './take-over'
import { limitsOf } from './timeouts'
import { mapSize, type UioDevice } from './uio-scan'
import { inTime } from './wait'

/** What a device whose ring is mapped is served with. */
export interface ServeParts extends TakeOverParts {
  /** Open the handler; `serial` says the unit serial number as it is at that moment. */
  readonly open: (spec: DeviceSpec, serial: () => string) => Promise<DeviceRuntime>
  /** As in PumpOptions. */
  readonly pollMicros?: number | undefined
  /** Start collected I/O, before the kernel is told of a batch. */
  readonly flush?: () => void
  /** Forget memory that is about to be unmapped. */
  readonly release?: (area: DataArea) => void
  /** Takes ports away from initiators while their backend is away. Left out: they stay. */
  readonly ports?: Pick<PortSwitch, 'on' | 'off'>
}

/** What devices are made with. */
export interface DeviceParts extends ServeParts {
  readonly map: (path: string, size: number) => UioMap
}

/** The kernel posts nothing while the device is blocked: what is in the ring then is all there is to do. */
const DRAIN_PAUSE_MS = 5
/** A ring that breaks again and again is left alone. */
const MOST_RESETS = 3
const RESET_WINDOW_MS = 60_000
/** How long a backend may take to let go before that is an error. */
const PATIENCE_MS = 5000

/** A device of the kernel that this host serves: from the mapping of its ring to its handler. */
export class KernelDevice implements ServedDevice {
  private pump: Pump | undefined
  private port: UioPort | undefined
  private resets: number[] = []
  private leaving = false
  /** A change of the kernel's is under way: it writes the new value itself when we have answered. */
  private changing = false

  private constructor(
    readonly at: UioDevice, private readonly config: DeviceConfig, private readonly folder: DeviceFolder,
    readonly runtime: DeviceRuntime, private readonly serial: SerialCache, private readonly groups: KernelPortGroups, private readonly parts: ServeParts,
  ) {}

  /**
   * Open a device. `existing`: it was there before this host, and what is in its ring is given up first; it is let go
   * again whatever happens. Rejects with what went wrong; nothing stays open then.
   */
  static async open(at: UioDevice, parts: DeviceParts, existing: boolean): Promise<KernelDevice> {
    const size = await mapSize(parts.roots, at)
    const map = (): Promise<UioMap> => whenFree(parts.roots, at.minor, (path) => parts.map(path, size))
    return takeOver(at, parts, existing, map, (m) => KernelDevice.serve(at, parts, m, existing))
  }

  /** Serve a device whose ring `map` is. Rejects with what went wrong; `map` is still open then. */
  static async serve(at: UioDevice, parts: ServeParts, map: UioMap, existing: boolean): Promise<KernelDevice> {
    const folder = new DeviceFolder(parts.roots, at)
    const config = parseDeviceConfig(at.cfgstring)
    const asked = await folder.attributes()
    const fallback = serialOf(`user_${at.hba}`, at.device)
    const serial = new SerialCache(() => folder.serial() || fallback, fallback)
    let runtime: DeviceRuntime | undefined
    try {
      runtime = await parts.open({
        name: at.device, subtype: config.subtype, config: config.config, sizeBytes: asked.sizeBytes, blockSize: asked.blockSize,
        serial: fallback, limits: limitsOf(at.device, config.commandTimeout, asked.timeouts, parts.log), ...(asked.maxSectors !== undefined && { maxTransferBlocks: asked.maxSectors }),
      }, () => serial.value)
      const groups = new KernelPortGroups(parts.roots, folder.path, parts.log)
      const device = new KernelDevice(at, config, folder, runtime, serial, groups, parts)
      await device.agree(asked, existing)
      await device.usePorts(existing)
      device.attach(map)
      return device
    } catch (e) {
      await runtime?.close(0).catch((closing: unknown) => parts.log.error(`${at.device} did not close cleanly: ${reasonOf(closing)}`))
      throw e
    }
  }

  /** Make what configfs says and what the device is the same. */
  private async agree(asked: Attributes, existing: boolean): Promise<void> {
    const { folder, runtime } = this
    const sizeBytes = runtime.blocks * runtime.blockSize
    if (sizeBytes !== 0 && sizeBytes !== asked.sizeBytes) await folder.pushSize(sizeBytes)
    await folder.setAttribute('tmr_notification', 1)
    if (asked.writeCache === undefined || asked.writeCache === runtime.writeCache) return
    // A device that served before was set so by somebody; on a new one 0 is only what the kernel starts with, and it can
    // be written without an event as long as the device is not enabled.
    if (existing || asked.writeCache) await this.adoptWriteCache(asked.writeCache)
    else await folder.setAttribute('emulate_write_cache', 1)
  }

  /** On a new device there are no ports yet; who is there already may send a write before anything that asks for the groups. */
  private async usePorts(existing: boolean): Promise<void> {
    const { groups, runtime } = this
    if (existing) await groups.refresh()
    runtime.usePortGroups(groups)
    runtime.extend({ name: 'kernel ports', port: () => groups.identity })
  }

  private async adoptWriteCache(on: boolean): Promise<void> {
    const status = await this.runtime.setWriteCache(on)
    if (status !== Status.OK) this.parts.log.warn(`${this.at.device}: emulate_write_cache is ${on ? 1 : 0}, which ${this.config.subtype} cannot do`)
  }

  private attach(map: UioMap): void {
    const { log, flush } = this.parts
    const name = this.at.device
    this.port = new UioPort(map, (e) => log.error(`${name}: uio${this.at.minor} is gone: ${reasonOf(e)}`))
    this.pump = new Pump(this.port, this.runtime, {
      flush, pollMicros: this.parts.pollMicros,
      broken: (e) => void this.repair(e),
      malformed: (f) => log.warn(`${name}: the ring at ${f.position}: ${f.reason}`),
      failed: (e) => log.error(`${name}: a bug of the host: ${reasonOf(e)}`, { stack: (e as Error | undefined)?.stack }),
    })
    this.runtime.hooks.event.tap('configfs', (event) => {
      if (this.leaving) return
      if (event.kind === 'resized' && !this.changing) this.tellSize(event.sizeBytes)
      if (event.kind === 'state') this.switchPorts(event.state)
    })
  }

  /** While the backend is away initiators had better take another path, where there is one. */
  private switchPorts(state: string): void {
    const { ports } = this.parts
    const { expendable } = this.groups
    if (state !== 'recovering') void ports?.on(this)
    else if (expendable !== undefined) ports?.off(expendable, this)
  }

  private tellSize(sizeBytes: number): void {
    this.folder.pushSize(sizeBytes).catch((e: unknown) => this.parts.log.error(`${this.at.device}: its new size: ${reasonOf(e)}`))
  }

  /** The ring makes no sense any more: start it anew, so that only what was in it is lost. */
  private async repair(fault: TcmuError): Promise<void> {
    const { log } = this.parts
    log.error(fault.message)
    const now = Date.now()
    this.resets = [...this.resets.filter((t) => now - t < RESET_WINDOW_MS), now]
    if (this.leaving || this.resets.length > MOST_RESETS) return
    try {
      if (!(await this.folder.block(true))) return
      try {
        await this.giveUp()
        await this.folder.resetRing(this.parts.resetRing ?? defaultReset)
        this.pump!.start()
        log.warn(`${this.at.device}: the ring was reset`)
      } finally {
        await this.folder.block(false)
      }
    } catch (e) {
      log.error(`${this.at.device}: the ring could not be reset: ${reasonOf(e)}`)
    }
  }

  /** The kernel hands out the memory of what it forgets: nothing of ours may be under way in it. */
  private async giveUp(): Promise<void> {
    const given = this.pump!.abandon()
    if (await inTime(given, PATIENCE_MS)) return
    this.parts.log.error(`${this.at.device} stays blocked until its backend answers: its I/O is under way in the ring's memory`)
    await given
  }

  /** Do what the administrator wrote; 0 or a negative errno. Values as they are already are fine. */
  async reconfigure(change: KernelChange): Promise<number> {
    this.changing = true
    try {
      if (change.kind === 'size') return await this.resize(change.sizeBytes)
      if (change.kind === 'writeCache') return await this.switchWriteCache(change.on)
      return await this.reconfigureHandler(change.cfgstring)
    } finally {
      this.changing = false
    }
  }

  private async resize(sizeBytes: number): Promise<number> {
    const { runtime } = this
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < runtime.blockSize || sizeBytes % runtime.blockSize) return EINVAL
    if (sizeBytes === runtime.blocks * runtime.blockSize) return 0
    return errnoOfStatus(await runtime.reconfigure({ kind: 'size', sizeBytes }))
  }

  private async switchWriteCache(on: boolean): Promise<number> {
    const { runtime } = this
    if (runtime.writeCache === on) return 0
    const status = await runtime.setWriteCache(on)
    if (status === Status.OK) runtime.attention(Status.MODE_CHANGED)
    return errnoOfStatus(status)
  }

  private async reconfigureHandler(cfgstring: string): Promise<number> {
    const wanted = parseDeviceConfig(cfgstring)
    if (wanted.subtype === this.runtime.subtype && wanted.config === this.runtime.config) return 0
    if (wanted.subtype !== this.runtime.subtype) {
      this.parts.log.error(`${this.at.device}: its handler cannot be changed from ${this.runtime.subtype} to ${quote(wanted.subtype)}; delete the device and create it anew`)
      return EINVAL
    }
    return errnoOfStatus(await this.runtime.reconfigure({ kind: 'config', config: wanted.config }))
  }

  /** The kernel is about to take the device away: nothing of it in configfs is touched from here on. */
  async remove(deadlineMs: number): Promise<void> {
    this.leaving = true
    this.serial.freeze()
    this.groups.freeze()
    // Its LUNs are gone; what its portal group serves besides is to come back.
    void this.parts.ports?.on(this)
    await this.close(deadlineMs)
  }

  /** End serving a device that stays: new commands get BUSY meanwhile, and wait in the ring afterwards. */
  async leave(deadlineMs: number): Promise<void> {
    this.leaving = true
    const blocked = await this.folder.block(true).catch(() => false)
    await this.parts.ports?.on(this)
    try {
      const until = performance.now() + deadlineMs
      while (blocked && !this.pump!.ring.empty && performance.now() < until) await sleep(DRAIN_PAUSE_MS)
      await this.close(Math.max(0, until - performance.now()))
    } finally {
      if (blocked) await this.folder.block(false)
    }
  }

  private async close(deadlineMs: number): Promise<void> {
    const { pump, port, runtime, parts } = this
    const idle = await pump!.stop(deadlineMs)
    if (!idle) parts.log.warn(`${this.at.device}: ${pump!.ring.inFlight} commands were not done in ${deadlineMs} ms`)
    const closed = runtime.close(0).catch((e: unknown) => parts.log.error(`${this.at.device} did not close cleanly: ${reasonOf(e)}`))
    if (!(await inTime(closed, PATIENCE_MS))) parts.log.error(`${this.at.device}: its backend does not close; the device is let go all the same`)
    pump!.close()
    port!.silence()
    const unmap = pump!.quiet().then(() => {
      parts.release?.(pump!.ring.area)
      port!.close()
    })
    // A disk that never answers keeps its memory, and nobody waits for it.
    if (!(await inTime(unmap, PATIENCE_MS))) parts.log.error(`${this.at.device}: I/O is under way in its memory, which stays mapped until that ends`)
  }
}
