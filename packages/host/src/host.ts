import { dirname } from 'node:path'
import { type Address, DEFAULT_TARGET, formatAddress, ISCSI_PORT, type LunConfig, lunOf, ControlSocket, type DbusService, mediumMethods, Sequence, serialOf, type Step, within } from './control'
import { type DeviceRecord, type DeviceRuntime, type DeviceSpec, type HostedDevice, openDevice, recordOf, zonesMethod } from './device'
import { reasonOf, TcmuError, tcmuError } from './errors'
import { listenError, loadFrontEnd, type Portal } from './frontend'
import { HANDLER_API_VERSION } from './handler'
import { HandlerSet } from './handler-set'
import { hostHooks } from './host-hooks'
import type { HostOptions, IoEngine } from './host-options'
import { createIoEngine } from './io'
import { type KernelHost, kernelSteps, parseDeviceConfig, type ServeElsewhere } from './kernel'
import type { HostDevice } from './library'
import { createLog, type FactLog, handlerLog, type Logger } from './log'
import { PortalGroup } from './port-group'
import { traceCommands } from './trace'
import { DeviceFilters, type HandlerRegistry, type Inventory } from './plugins'
import { openModes } from './state/device-modes'
import type { HandlerHostState } from './supervisor'

const sentenceOf = (e: TcmuError): string => e.message.slice(e.code.length + 2)
/** A handler that looks at a dead network file system may never answer; who asks over D-Bus gives up after 25 s. */
const CHECK_MS = 15_000
/** A handler whose `open` takes longer is named. */
const SLOW_OPEN_MS = 10_000

/** A host: handlers found, devices opened, a portal in front of them. Made by `createHost`; nothing is shared between two. */
export class Host {
  readonly hooks = hostHooks()
  readonly log: Logger
  readonly targetName: string
  /** The target port group of the portal, when it is to be one. */
  readonly portGroup: PortalGroup | undefined
  readonly filters: DeviceFilters
  private readonly sequence: Sequence
  private readonly devicesByLun = new Map<number, HostedDevice>()
  /** Those that the portal has; commands of the others come from the kernel. */
  private readonly luns = new Map<number, DeviceRuntime>()
  private io: IoEngine | undefined
  private portal: Portal | undefined
  private socket: ControlSocket | undefined
  private dbus: DbusService | undefined
  private bound: Address | undefined
  private readonly set: HandlerSet

  constructor(private readonly options: HostOptions) {
    this.log = options.log ?? createLog()
    this.targetName = options.targetName ?? DEFAULT_TARGET
    this.portGroup = options.portGroup && new PortalGroup(options.portGroup)
    this.set = new HandlerSet({
      ...options, ...options.parts, hooks: this.hooks, log: this.log, changed: () => this.dbus?.sync(),
      devicesOf: (subtype) => [...this.devicesByLun.values()].filter((d) => d.subtype === subtype).map((d) => d.name),
    })
    this.hooks.deviceRemoved.tap('handlers', () => this.set.settle())
    this.filters = new DeviceFilters({ ...options, hostPackage: dirname(__dirname) })
    const kernel = options.kernel && kernelSteps(options.kernel, this.kernelHost())
    // Start order; stopping goes the other way.
    const steps: readonly Step[] = [
      ...(kernel?.before ?? []),
      { name: 'filters', start: () => this.filters.check() },
      { name: 'handlers', start: () => this.set.start(), stop: () => this.set.close() },
      { name: 'file I/O', start: () => this.openIo(), stop: () => this.io?.close() },
      ...(kernel ? [kernel.serve] : [{ name: 'devices', start: () => this.openDevices(), stop: (ms: number) => this.closeDevices(ms) }]),
      { name: 'D-Bus', start: () => this.openBus(), stop: () => this.dbus?.stop() },
      ...(kernel ? [] : [{ name: 'portal', start: () => this.openPortal(), stop: (ms: number) => this.portal?.close(ms) }]),
      { name: 'control socket', start: () => this.openSocket(), stop: () => this.socket?.close() },
      ...(kernel ? [kernel.after] : []),
    ]
    this.sequence = new Sequence(steps, (e) => this.log.error(e.message))
  }

  /** Handlers; the scan happens when this is first used, and runs none of their code. */
  get registry(): HandlerRegistry {
    return this.set.registry
  }

  /** Open everything, or nothing: rejects with the first error after what was open is closed again. */
  start(): Promise<void> {
    return this.sequence.start()
  }

  /** Take nothing new, let what is under way end for up to `deadlineMs`, close everything. Never rejects. */
  stop(deadlineMs: number): Promise<void> {
    return this.sequence.stop(deadlineMs)
  }

  /** One URL for each LUN, once the portal listens; the UIO devices that are served, under the kernel. */
  get urls(): string[] {
    const at = this.bound
    if (this.options.kernel) return [...this.devicesByLun.keys()].map((minor) => `uio${minor}`)
    return at ? [...this.devicesByLun.keys()].map((lun) => `iscsi://${formatAddress(at)}/${this.targetName}/${lun}`) : []
  }

  handlers(): Inventory {
    return this.registry.inventory()
  }

  /** Subtypes that other processes have registered over D-Bus: their devices are none of this host's. */
  get externalSubtypes(): readonly string[] {
    return this.dbus?.externalSubtypes ?? []
  }

  devices(): DeviceRecord[] {
    return [...this.devicesByLun].map(([lun, device]) => recordOf(lun, device))
  }

  /** Get what changes all the time of devices in other processes, as `devices` shows it from now on. Never rejects. */
  async refresh(): Promise<void> {
    await Promise.all([...this.devicesByLun.values()].map(async (d) => d.refresh?.()))
  }

  /** A device that is open. Throws E_NO_DEVICE. */
  device(name: string): HostDevice {
    const unit = this.deviceNamed(name)
    if (!unit) throw tcmuError('E_NO_DEVICE', { device: name })
    const library = require('./library') as typeof import('./library')
    return new library.HostDevice(unit)
  }

  /** Whether a handler takes a configuration: loads it and asks, opens nothing. True, or the sentence that says what is wrong. */
  async check(subtype: string, config: string, options?: unknown): Promise<true | string> {
    const handler = await this.set.load(subtype)
    this.registry.checkOptions(subtype, options, 'to check')
    const asked = Promise.resolve(handler.checkConfig?.(config, options))
    const verdict = await within(CHECK_MS, asked, () => `the handler ${subtype} has not said anything for ${CHECK_MS / 1000} s; does what it looks at hang?`)
    return typeof verdict === 'string' ? verdict : true
  }

  /** Processes and threads that handlers run in. */
  get handlerHosts(): readonly HandlerHostState[] {
    return this.set.states
  }

  private async openIo(): Promise<void> {
    const { parts, ioEngine } = this.options
    this.io = await (parts?.openIo ?? (() => createIoEngine({ engine: ioEngine })))()
    if (this.io.about !== undefined) this.log.info(`file I/O: ${this.io.about}`)
  }

  private async openDevices(): Promise<void> {
    const failures: TcmuError[] = []
    for (const [lun, config] of (this.options.luns ?? []).map(lunOf).entries()) {
      try {
        const device = await this.openDevice({ ...config, serial: config.serial ?? serialOf(this.targetName, config.name) })
        this.luns.set(lun, device)
        this.devicesByLun.set(lun, device)
        this.portGroup?.attach(device)
        await this.hooks.deviceAdded.promise(device)
        this.log.info({ device: config.name, lun }, `${config.subtype}/${config.config} is LUN ${lun}, ${device.blocks} blocks of ${device.blockSize} bytes`)
      } catch (e) {
        failures.push(this.deviceFailure(config, e))
        if (!(e instanceof Error) || !('code' in e)) this.log.error({ device: config.name, stack: (e as Error | undefined)?.stack }, `${config.subtype} threw: ${reasonOf(e)}`)
      }
    }
    const [first, ...others] = failures
    if (!others.length && first) throw first
    for (const f of failures) this.log.error({ device: f.facts.device }, f.message)
    if (first) throw tcmuError('E_DEVICES', { count: failures.length, devices: failures.map((f) => f.facts.device).join(', '), first: first.message })
  }

  /** What the kernel front end asks of this host. Devices are listed by their UIO minor number. */
  private kernelHost(): KernelHost {
    return {
      open: (spec, serial) => this.openDevice(spec, serial),
      serveElsewhere: this.serveElsewhere,
      knows: (subtype) => this.registry.knows(subtype),
      registered: (subtype) => this.externalSubtypes.includes(subtype),
      flush: () => this.io?.submit?.(),
      release: (area) => this.io?.release?.(area),
      added: async (minor, device) => {
        this.devicesByLun.set(minor, device)
        await this.hooks.deviceAdded.promise(device)
      },
      removed: async (minor, device) => {
        this.devicesByLun.delete(minor)
        await this.hooks.deviceRemoved.promise(device)
      },
      log: handlerLog(this.log, { frontend: 'tcmu' }),
    }
  }

  private logOf({ name, subtype }: Pick<DeviceSpec, 'name' | 'subtype'>): FactLog {
    return handlerLog(this.log, { device: name, handler: subtype, ...this.set.packageOf(subtype) })
  }

  private async openDevice(spec: DeviceSpec & Pick<LunConfig, 'filters'>, serial?: () => string): Promise<DeviceRuntime> {
    const { name, subtype } = spec
    const log = this.logOf(spec)
    this.registry.checkOptions(subtype, spec.options, name)
    this.filters.checkDevice(spec)
    const handler = await this.filters.over(await this.set.load(subtype), spec)
    return this.traced(spec, openDevice(spec, { handler, io: this.io!, log, serial, savedModes: openModes(this.options.stateDir, name) }))
  }

  /** Name a handler that takes its time; log commands of a device from when it is open. */
  private async traced<D extends HostedDevice>({ name, subtype }: Pick<DeviceSpec, 'name' | 'subtype'>, opening: Promise<D>): Promise<D> {
    const slow = setTimeout(() => this.log.warn({ device: name }, `${subtype} has not opened ${name} for ${SLOW_OPEN_MS / 1000} s`), SLOW_OPEN_MS)
    try {
      const device = await opening
      traceCommands(this.log.child({ device: name, handler: subtype }), device)
      return device
    } finally {
      clearTimeout(slow)
    }
  }

  /** A device of the kernel, by the process of its handler where that has one. Filters run here, and so the commands that pass them come here. */
  private readonly serveElsewhere: ServeElsewhere = async (at, existing, kernel) => {
    const { subtype } = parseDeviceConfig(at.cfgstring)
    const spec = { name: at.device, subtype }
    const host = this.filters.has(spec) ? undefined : await this.set.hostOf(subtype)
    if (!host) return undefined
    this.registry.checkOptions(subtype, undefined, at.device)
    const { RemoteKernelDevice } = require('./supervisor') as typeof import('./supervisor')
    const opening = RemoteKernelDevice.open(at, existing, { host, kernel, log: this.logOf(spec), stateDir: this.options.stateDir })
    await this.traced(spec, opening.then((d) => d.runtime))
    return opening
  }

  /** Any error of opening a device, with a code, and the device in its text. */
  private deviceFailure(config: LunConfig, e: unknown): TcmuError {
    const { name: device, subtype, config: rest } = config
    const cfgstring = `${subtype}/${rest}`
    if (!(e instanceof TcmuError)) return tcmuError('E_DEVICE_OPEN', { device, cfgstring, reason: reasonOf(e) }, { cause: e })
    const sentence = sentenceOf(e)
    return new TcmuError(e.code, sentence.startsWith(`device ${device}`) ? sentence : `device ${device} (${cfgstring}): ${sentence}`, { ...e.facts, device }, { cause: e })
  }

  private async closeDevices(deadlineMs: number): Promise<void> {
    const open = [...this.luns.values()]
    this.luns.clear()
    this.devicesByLun.clear()
    const closed = await Promise.allSettled(open.map(async (device) => {
      await device.close(deadlineMs)
      await this.hooks.deviceRemoved.promise(device)
    }))
    for (const [i, result] of closed.entries()) {
      if (result.status === 'rejected') this.log.error({ device: open[i].name }, `${open[i].name} did not close cleanly: ${reasonOf(result.reason)}`)
    }
  }

  private deviceNamed(name: string): HostedDevice | undefined {
    return [...this.devicesByLun.values()].find((d) => d.name === name)
  }

  private openBus(): Promise<void> | undefined {
    const { dbus: address } = this.options
    if (!address) return undefined
    const handlers = {
      list: () => this.handlers().handlers,
      check: (subtype: string, config: string) => this.check(subtype, config),
      device: (name: string) => this.deviceNamed(name),
    }
    const bus = require('./control/dbus') as typeof import('./control/dbus')
    this.dbus = new bus.DbusService({ address, handlers, log: handlerLog(this.log) })
    return this.dbus.start()
  }

  private async openPortal(): Promise<void> {
    const { portal = { address: '127.0.0.1', port: ISCSI_PORT }, chap, acl, allowOpen, stateDir } = this.options
    if (!portal) return
    const frontEnd = await (this.options.parts?.frontEnd ?? (() => loadFrontEnd('iscsi')))()
    this.portal = frontEnd.createPortal({
      ...portal, targetName: this.targetName, luns: this.luns, chap, acl, allowOpen, stateDir, portGroup: this.portGroup, log: handlerLog(this.log, { frontend: 'iscsi' }),
    })
    try {
      this.bound = await this.portal.listen()
    } catch (e) {
      throw listenError(e, formatAddress(portal))
    }
  }

  private async openSocket(): Promise<void> {
    const { socket, socketAsked } = this.options
    if (socket === undefined) return
    this.socket = new ControlSocket(socket, {
      devices: async () => {
        await this.refresh()
        return this.devices()
      },
      handlers: () => this.handlers(),
      rescan: () => this.set.rescan(),
      ...mediumMethods((name) => this.deviceNamed(name)),
      ...zonesMethod((name) => this.deviceNamed(name)),
      version: () => ({ handlerApi: HANDLER_API_VERSION, pid: process.pid, urls: this.urls, fileIo: this.io?.about }),
    })
    try {
      await this.socket.listen()
    } catch (e) {
      this.socket = undefined
      if (socketAsked) throw e
      this.log.warn(`${reasonOf(e)}; \`tcmu-host devices\` will not see this host`)
    }
  }
}

/** Make a host. Nothing is read, loaded or bound before it is asked something or started. */
export const createHost = (options: HostOptions = {}): Host => new Host(options)
