import { type DeviceDeps, type DeviceRuntime, type DeviceSpec, openDevice } from '../device'
import { tcmuError } from '../errors'
import type { BlocksHandler } from '../handler'
import { TcmuFrontEnd, type TcmuOptions } from '../kernel/front-end'
import { FakeKernel } from './fake-kernel'
import { ramHandler } from './handlers/ram'
import { LogLines } from './harness'
import { Initiator, throughRing } from './initiator'
import { KernelTree, type TreeDevice } from './kernel-tree'
import { NetlinkPeer } from './netlink-peer'

const noIo = { open: () => Promise.reject(new Error('no files here')) }

/** The kernel front end between a folder tree, a netlink peer and fake rings. */
export class FrontEndBench {
  readonly tree = new KernelTree()
  readonly peer = new NetlinkPeer()
  readonly kernels = new Map<string, FakeKernel>()
  readonly served = new Map<number, DeviceRuntime>()
  readonly log = new LogLines()
  readonly handlers = new Map<string, BlocksHandler>([['ram', ramHandler]])
  readonly front: TcmuFrontEnd

  constructor(options: Partial<TcmuOptions> = {}, private readonly recovery?: DeviceDeps['recovery']) {
    this.front = new TcmuFrontEnd({
      parts: { roots: this.tree.roots, open: (spec, serial) => this.open(spec, serial), log: this.log, map: (path) => this.map(path) },
      knows: (subtype) => this.handlers.has(subtype),
      netlink: () => this.peer,
      log: this.log,
      added: (minor, d) => void this.served.set(minor, d as DeviceRuntime),
      removed: (minor) => void this.served.delete(minor),
      ...options,
    })
  }

  private open(spec: DeviceSpec, serial: () => string): Promise<DeviceRuntime> {
    const handler = this.handlers.get(spec.subtype)
    if (!handler) throw tcmuError('E_UNKNOWN_SUBTYPE', { subtype: spec.subtype, known: 'ram' })
    return openDevice(spec, { handler, io: noIo, log: this.log, serial, ...(this.recovery && { recovery: this.recovery }) })
  }

  private map(path: string) {
    const kernel = new FakeKernel()
    this.kernels.set(path.slice(path.lastIndexOf('/') + 1), kernel)
    return { memory: kernel.memory, start: (fn: () => void) => kernel.onWake(fn), kick: () => kernel.kick(), close: () => kernel.close() }
  }

  initiator(minor = 0): Initiator {
    return new Initiator(throughRing(this.kernels.get(`uio${minor}`)!), 512)
  }

  add(d: TreeDevice): Promise<number> {
    return this.peer.event('added', this.tree.add(d), d.minor)
  }
  remove(d: TreeDevice): Promise<number> {
    return this.peer.event('removed', this.tree.name(d), d.minor)
  }

  /** What was against the protocol of a ring. */
  async close(): Promise<string[]> {
    await this.front.stop(1000)
    this.tree.close()
    return [...this.kernels.values()].flatMap((k) => k.violations)
  }
}
