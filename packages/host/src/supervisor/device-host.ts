import type { DeviceRuntime } from '../device'
import { openDevice } from '../device'
import { Pump, type RingPort } from '../device/pump'
import { tcmuError } from '../errors'
import { type BlocksHandler, type DeviceInfo, type DeviceProperties, type Handler, type HandlerLog, handlerMembers, isBlocks } from '../handler'
import { Status } from '../scsi'
import { KernelDevices, type KernelDevicesParts } from './kernel-devices'
import { type CallName, type Calls, type HandlerFacts, type RemoteSpec, remoteError, type ToHost } from './messages'

/** A mapped ring that is closed with its device. */
export interface HostPort extends RingPort {
  close(): void
}

export interface DeviceHostParts extends Pick<KernelDevicesParts, 'channel' | 'io' | 'uio'> {
  /** Import the code of a package. */
  readonly load: (start: Calls['load']['asks']) => Promise<Handler>
  /** Map the ring whose descriptors come with the request that opens this device. */
  readonly map: (device: number, spec: RemoteSpec, lost: (e: Error) => void) => HostPort
}

interface Served {
  readonly runtime: DeviceRuntime
  readonly pump: Pump
  readonly port: HostPort
}

const commandMembers = new Set(Object.keys(handlerMembers.blocks).concat(Object.keys(handlerMembers.commands)))
const factsOf = (handler: Handler): HandlerFacts => ({
  subtype: handler.subtype,
  summary: handler.summary,
  members: Object.keys(handler).filter((k) => k === 'commands' || (commandMembers.has(k) && typeof (handler as unknown as Record<string, unknown>)[k] === 'function')),
  ...(isBlocks(handler) ? { fua: handler.fua } : typeof handler.deviceType === 'number' ? { deviceType: handler.deviceType } : {}),
})

const never = new AbortController().signal

/**
 * The end of the way in the other process or thread: runs the code of one handler, opens its devices, and answers their
 * rings with the same pump that answers the kernel's.
 */
export class DeviceHost {
  private handler: Handler | undefined
  private readonly devices = new Map<number, Served>()
  /** What the handler's `open` gave, for its lock: whoever asks for that is the host, not a command. */
  private readonly states = new Map<number, unknown>()
  private readonly kernel: KernelDevices
  private readonly calls: { [K in CallName]: (asks: Calls[K]['asks']) => Promise<Calls[K]['answers']> }

  constructor(private readonly parts: DeviceHostParts) {
    const { channel, io, uio } = parts
    this.kernel = new KernelDevices({ channel, io, uio, handler: () => this.handler!, logOf: (device) => this.logOf(device) })
    this.calls = this.callsOf()
    parts.channel.listen((message) => void this.take(message))
  }

  private callsOf(): DeviceHost['calls'] {
    return {
      load: async (start) => factsOf((this.handler = await this.parts.load(start))),
      check: async ({ config, options }) => (await this.handler?.checkConfig?.(config, options)) ?? true,
      open: ({ device, spec }) => this.open(device, spec),
      reconfigure: ({ device, change }) => (this.kernel.runtime(device) ?? this.served(device).runtime).reconfigure(change),
      extents: async ({ device, ...range }) => (await this.served(device).runtime.ops.extents?.({ ...range, signal: never })) ?? [],
      space: async ({ device }) => (await this.served(device).runtime.ops.space?.()) ?? { used: 0, available: 0 },
      lock: async ({ device, tag }) => (await this.blocks.lock?.(this.states.get(device), tag)) ?? Status.OK,
      unlock: async ({ device }) => (await this.blocks.unlock?.(this.states.get(device))) ?? Status.OK,
      lockState: async ({ device }) => (await this.blocks.getLockState?.(this.states.get(device))) ?? 'unknown',
      lockHolder: async ({ device }) => (await this.blocks.getLockTag?.(this.states.get(device))) ?? Status.NO_LOCK_HOLDERS,
      close: ({ device, deadlineMs }) => this.close(device, deadlineMs),
      ping: () => Promise.resolve(null),
      ...this.kernel.calls,
    }
  }

  private async take({ id, call, with: asks }: ToHost): Promise<void> {
    const { channel } = this.parts
    try {
      const answer = this.calls[call] as (a: unknown) => Promise<unknown>
      channel.send({ id, result: await answer(asks) })
    } catch (e) {
      channel.send({ id, error: remoteError(e) })
    }
  }

  private get blocks(): BlocksHandler {
    return this.handler as BlocksHandler
  }

  private served(device: number): Served {
    const served = this.devices.get(device)
    if (!served) throw tcmuError('E_DEVICE_HOST', { reason: `device ${device} is not open here` })
    return served
  }

  private logOf(device: number): HandlerLog {
    const line = (level: keyof HandlerLog) => (message: string, facts?: object): void => this.parts.channel.send({ event: 'log', device, level, message, facts })
    return { error: line('error'), warn: line('warn'), info: line('info'), debug: line('debug') }
  }

  private async open(device: number, spec: RemoteSpec): Promise<Calls['open']['answers']> {
    const { channel, io } = this.parts
    const log = this.logOf(device)
    const port = this.parts.map(device, spec, (e) => log.error(`${spec.name}: its ring is gone: ${e.message}`))
    const properties: DeviceProperties = {}
    let runtime: DeviceRuntime | undefined
    try {
      runtime = await openDevice({ ...spec, subtype: this.handler!.subtype, serial: spec.name }, { handler: this.listening(device, properties), io, log, recovery: false })
      const pump = new Pump(port, runtime, {
        flush: () => io.submit?.(),
        broken: (e) => log.error(e.message),
        failed: (e) => log.error(`${spec.name}: a bug of the host: ${String(e)}`, { stack: (e as Error | undefined)?.stack }),
      })
      runtime.hooks.event.tap('supervisor', (event) => {
        if (event.kind === 'resized') channel.send({ event: 'resized', device, sizeBytes: event.sizeBytes })
        // Whether its handler said so or an error did: the host closes the device and opens it again.
        if (event.kind === 'connection-lost' || event.kind === 'lock-lost' || event.kind === 'space-low') channel.send({ event: 'report', device, kind: event.kind, why: event.why })
      })
      this.devices.set(device, { runtime, pump, port })
      return { properties, sizeBytes: runtime.blocks * runtime.blockSize }
    } catch (e) {
      await runtime?.close(0)
      port.close()
      throw e
    }
  }

  /** The handler, with what its `open` says of the device kept. */
  private listening(device: number, properties: DeviceProperties): Handler {
    const handler = this.handler!
    const { channel } = this.parts
    return {
      ...handler,
      open: async (dev: DeviceInfo): Promise<unknown> => this.keep(device, await handler.open(Object.create(dev, {
        declare: { value: (p: DeviceProperties) => { dev.declare(p); Object.assign(properties, p) } },
        keep: { value: (fact: unknown) => { dev.keep(fact); channel.send({ event: 'kept', device, fact }) } },
        mediumChanged: { value: (sizeBytes: number) => { dev.mediumChanged(sizeBytes); channel.send({ event: 'mediumChanged', device, sizeBytes }) } },
      }) as DeviceInfo)),
    } as Handler
  }

  private keep(device: number, state: unknown): unknown {
    this.states.set(device, state)
    return state
  }

  private async close(device: number, deadlineMs: number): Promise<null> {
    this.states.delete(device)
    const { runtime, pump, port } = this.served(device)
    this.devices.delete(device)
    await pump.stop(deadlineMs)
    try {
      await runtime.close(0)
    } finally {
      pump.close()
      this.parts.io.release?.(pump.ring.area)
      port.close()
    }
    return null
  }
}
