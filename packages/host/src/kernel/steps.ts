import type { Step } from '../control/sequence'
import type { DeviceRuntime, DeviceSpec, HostedDevice } from '../device'
import type { HandlerLog } from '../handler/types'
import { loadNative, type NativeCore } from '../platform'
import type { DataArea } from '../wire'
import { type Roots, systemRoots } from './configfs'
import { TcmuFrontEnd } from './front-end'
import { openUioNode } from './node'
import type { ServeElsewhere } from './served'
import { type Execute, KernelSetup } from './setup'
import type { ResetPolicy } from './take-over'

/** The kernel drops what does not fit; a hundred devices made at once take a few KiB. */
const RECEIVE_BUFFER = 4 * 2 ** 20

/** How to serve the kernel's devices. */
export interface KernelOptions {
  /** False: serve what the scan finds, and nothing that comes later. */
  readonly netlink?: boolean
  /** Devices of subtypes that nobody here knows: refuse them (default), or leave them to another daemon. */
  readonly foreign?: 'reject' | 'ignore'
  /** What becomes of commands that a former daemon left in a ring. Default: initiators try again. */
  readonly resetRing?: ResetPolicy
  /** Bound of the busy-poll of idle rings in microseconds; 0: never. Left out: what fits the machine. */
  readonly pollMicros?: number | undefined
  readonly roots?: Roots
  readonly native?: NativeCore
  readonly run?: Execute
}

/** What the kernel front end asks of the host. */
export interface KernelHost {
  readonly open: (spec: DeviceSpec, serial: () => string) => Promise<DeviceRuntime>
  readonly knows: (subtype: string) => boolean
  /** Subtypes that another process has registered: it serves their devices. */
  readonly registered: (subtype: string) => boolean
  readonly serveElsewhere: ServeElsewhere
  readonly flush: () => void
  readonly release: (area: DataArea) => void
  readonly added: (minor: number, device: HostedDevice) => void | Promise<void>
  readonly removed: (minor: number, device: HostedDevice) => void | Promise<void>
  readonly log: HandlerLog
}

/** The parts of the kernel front end: before handlers are looked for, in place of a portal, and when all else is up. */
export interface KernelSteps {
  readonly before: readonly Step[]
  readonly serve: Step
  readonly after: Step
}

function frontEndOf(options: KernelOptions, host: KernelHost, roots: Roots): TcmuFrontEnd {
  const native = options.native ?? loadNative()
  const { open, flush, release, log, serveElsewhere, ...rest } = host
  return new TcmuFrontEnd({
    ...rest, log, elsewhere: { serve: serveElsewhere, node: (path) => openUioNode(native, path) },
    parts: { roots, open, flush, release, log, resetRing: options.resetRing, pollMicros: options.pollMicros, map: (path, size) => new native.UioMap(path, size) },
    ...(options.netlink !== false && { netlink: () => new native.NetlinkSocket(RECEIVE_BUFFER) }),
    foreign: options.foreign,
  })
}

/** Netlink is blocked from before devices are looked for until they are served, and freed when that fails too. */
export function kernelSteps(options: KernelOptions, host: KernelHost): KernelSteps {
  const roots = options.roots ?? systemRoots
  const setup = new KernelSetup(roots, (fd) => (options.native ?? loadNative()).lockFile(fd, true), options.run)
  let frontEnd: TcmuFrontEnd | undefined
  return {
    before: [
      { name: 'instance lock', start: () => setup.lock(), stop: () => setup.unlock() },
      { name: 'kernel module', start: () => setup.loadModule() },
      { name: 'netlink block', start: () => setup.blockNetlink(), stop: () => setup.unblockNetlink() },
    ],
    serve: {
      name: 'kernel devices',
      start: () => (frontEnd = frontEndOf(options, host, roots)).start(),
      stop: (ms) => frontEnd?.stop(ms),
    },
    after: { name: 'netlink', start: () => setup.unblockNetlink() },
  }
}
