import { type DeviceRuntime, openDevice, type TracedCommand } from '../device'
import type { Handler, HandlerIo, HandlerLog } from '../handler'
import { KernelDevice } from '../kernel/device'
import type { UioNode } from '../kernel/node'
import { mapSize } from '../kernel/uio-scan'
import { openModes } from '../state/device-modes'
import type { DataArea } from '../wire'
import type { CallName, Calls, Channel, FromHost, KernelSpec, ToHost, UnitFacts } from './messages'

export interface KernelDevicesParts {
  readonly channel: Channel<FromHost, ToHost>
  readonly handler: () => Handler
  readonly logOf: (device: number) => HandlerLog
  readonly io: HandlerIo & { submit?(): void; release?(area: DataArea): void }
  /** The UIO device whose descriptor comes with the request for this device. */
  readonly uio: (device: number) => Pick<UioNode, 'map' | 'close'>
}

const factsOf = (d: DeviceRuntime): UnitFacts => ({
  config: d.config, state: d.state, fault: d.fault, blocks: d.blocks, blockSize: d.blockSize, deviceType: d.deviceType, readOnly: d.readOnly,
  writeCache: d.writeCache, serial: d.identity.serial, inflight: d.inflight, counters: { ...d.counters },
})

const toldOf = ({ cdb, cdbLength, row, nexus }: TracedCommand): TracedCommand => ({ cdb: cdb.slice(0, cdbLength), cdbLength, row: row && { name: row.name }, nexus: { name: nexus.name } })

type KernelCall = 'serve' | 'change' | 'remove' | 'leave' | 'facts' | 'ask' | 'trace'

/** The devices of the kernel that the process of a handler serves: each as the host itself would. */
export class KernelDevices {
  private readonly opening = new Map<number, Promise<KernelDevice>>()
  private readonly devices = new Map<number, KernelDevice>()

  readonly calls: { readonly [K in KernelCall & CallName]: (asks: Calls[K]['asks']) => Promise<Calls[K]['answers']> } = {
    serve: ({ device, spec }) => this.serve(device, spec),
    change: async ({ device, change }) => {
      const served = this.find(device)
      return { status: await served.reconfigure(change), facts: factsOf(served.runtime) }
    },
    remove: ({ device, deadlineMs }) => this.end(device, (d) => d.remove(deadlineMs)),
    leave: ({ device, deadlineMs }) => this.end(device, (d) => d.leave(deadlineMs)),
    facts: async ({ device }) => factsOf(this.find(device).runtime),
    ask: ({ device, cdb, options }) => this.find(device).runtime.ask(cdb, options),
    trace: async ({ device, on }) => {
      const { channel } = this.parts
      this.find(device).runtime.trace = on ? (command) => channel.send({ event: 'command', device, command: toldOf(command) }) : undefined
      return null
    },
  }

  constructor(private readonly parts: KernelDevicesParts) {}

  /** The runtime of a device; undefined when it is none of these. */
  runtime(device: number): DeviceRuntime | undefined {
    return this.devices.get(device)?.runtime
  }

  private find(device: number): KernelDevice {
    const found = this.devices.get(device)
    if (!found) throw new Error(`device ${device} is not served here`)
    return found
  }

  private async serve(device: number, spec: KernelSpec): Promise<UnitFacts> {
    const node = this.parts.uio(device)
    try {
      const opened = this.open(device, spec, node)
      this.opening.set(device, opened)
      const served = await opened
      this.devices.set(device, served)
      const { runtime } = served
      runtime.hooks.event.tap('supervisor', (what) => this.parts.channel.send({ event: 'happened', device, what, facts: factsOf(runtime) }))
      return factsOf(runtime)
    } finally {
      this.opening.delete(device)
      node.close()
    }
  }

  private async open(device: number, { at, roots, existing, reopen, resetRing, pollMicros, stateDir }: KernelSpec, node: Pick<UioNode, 'map'>): Promise<KernelDevice> {
    const { channel, io, handler } = this.parts
    const log = this.parts.logOf(device)
    const map = node.map(await mapSize(roots, at))
    try {
      return await KernelDevice.serve(at, {
        roots, log, resetRing, pollMicros,
        open: (device, serial) => openDevice({ ...device, reopen }, { handler: handler(), io, log, serial, savedModes: openModes(stateDir, at.device) }),
        flush: () => io.submit?.(),
        release: (area) => io.release?.(area),
        ports: { off: (tpg) => channel.send({ event: 'ports', device, off: tpg }), on: async () => channel.send({ event: 'ports', device }) },
      }, map, existing)
    } catch (e) {
      map.close()
      throw e
    }
  }

  /** One that is being opened is closed when that is done; one that is not there is no news. */
  private async end(device: number, how: (served: KernelDevice) => Promise<void>): Promise<null> {
    const served = (await this.opening.get(device)?.catch(() => undefined)) ?? this.devices.get(device)
    this.devices.delete(device)
    if (served) await how(served)
    return null
  }
}
