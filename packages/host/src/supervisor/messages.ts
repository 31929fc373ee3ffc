import { TcmuError } from '../errors'
import type { BackendLock, Change, DeviceInfo, DeviceProperties, HandlerLog, LockHolder } from '../handler/types'
import type { Counters, DeviceEvent, DeviceFault, TracedCommand } from '../device'
import type { Roots } from '../kernel/configfs'
import type { KernelChange } from '../kernel/netlink'
import type { ResetPolicy } from '../kernel/take-over'
import type { UioDevice } from '../kernel/uio-scan'
import type { AskOptions, Extent, Reply, Space } from '../scsi'

/** What a device host needs to find the one package it runs. */
export interface HostStart {
  readonly packagePath: string
  readonly subtype: string
  /** Folder of the host's own package, whose SDK handlers get. */
  readonly hostPackage: string
  /** Handler root whose file of enabled packages has to have it; left out for packages from elsewhere. */
  readonly trust?: { readonly root: string; readonly asked: boolean }
}

/** What a handler is, without its code. */
export interface HandlerFacts {
  readonly subtype: string
  readonly summary?: string
  readonly deviceType?: number
  /** Callbacks it has. */
  readonly members: readonly string[]
  readonly fua?: 'native' | 'emulate'
}

export interface RemoteSpec {
  readonly name: string
  readonly config: string
  readonly options: unknown
  readonly sizeBytes: number
  readonly blockSize: number
  readonly reopen?: boolean
  readonly kept?: unknown
  readonly thick?: boolean
  /** Bytes of the memory that comes with the request, as three descriptors: memory, doorbell to ring, doorbell to hear. */
  readonly ringBytes: number
}

export interface RemoteDeviceFacts {
  readonly properties: DeviceProperties
  readonly sizeBytes: number
}

/** A device of the kernel whose ring the process maps itself; its UIO descriptor comes with the request. */
export interface KernelSpec {
  readonly at: UioDevice
  readonly roots: Roots
  readonly existing: boolean
  /** Another process of this host had it open. */
  readonly reopen: boolean
  readonly resetRing?: ResetPolicy | undefined
  readonly pollMicros?: number | undefined
  /** Folder of what outlives the process. */
  readonly stateDir?: string | undefined
}

/** What lists show of a device that is served there. */
export interface UnitFacts {
  readonly config: string
  readonly state: string
  readonly fault?: DeviceFault | undefined
  readonly blocks: number
  readonly blockSize: number
  readonly deviceType: number
  readonly readOnly: boolean
  readonly writeCache: boolean
  readonly serial: string
  readonly inflight: number
  readonly counters: Counters
}

/** What a device host can be asked, by name: what goes there and what comes back. */
export interface Calls {
  load: { asks: HostStart; answers: HandlerFacts }
  check: { asks: { config: string; options: unknown }; answers: true | string }
  open: { asks: { device: number; spec: RemoteSpec }; answers: RemoteDeviceFacts }
  reconfigure: { asks: { device: number; change: Change }; answers: number }
  extents: { asks: { device: number; offset: number; length: number }; answers: readonly Extent[] }
  space: { asks: { device: number }; answers: Space }
  lock: { asks: { device: number; tag?: number }; answers: number }
  unlock: { asks: { device: number }; answers: number }
  lockState: { asks: { device: number }; answers: BackendLock }
  lockHolder: { asks: { device: number }; answers: LockHolder | number }
  close: { asks: { device: number; deadlineMs: number }; answers: null }
  /** Of devices of the kernel: as the methods of KernelDevice. */
  serve: { asks: { device: number; spec: KernelSpec }; answers: UnitFacts }
  change: { asks: { device: number; change: KernelChange }; answers: { status: number; facts: UnitFacts } }
  remove: { asks: { device: number; deadlineMs: number }; answers: null }
  leave: { asks: { device: number; deadlineMs: number }; answers: null }
  facts: { asks: { device: number }; answers: UnitFacts }
  ask: { asks: { device: number; cdb: Uint8Array; options: Pick<AskOptions, 'out' | 'in'> }; answers: Reply }
  trace: { asks: { device: number; on: boolean }; answers: null }
  /** Answered at once by a process whose loop turns. */
  ping: { asks: null; answers: null }
}
export type CallName = keyof Calls

/** An error as it crosses processes; `code` is an errno name or one of ours. */
export interface RemoteError {
  readonly message: string
  readonly code?: string
  readonly stack?: string
  /** Of an error of ours. */
  readonly facts?: TcmuError['facts']
}

export type ToHost = { readonly [K in CallName]: { readonly id: number; readonly call: K; readonly with: Calls[K]['asks'] } }[CallName]
export type FromHost =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: RemoteError }
  | { readonly event: 'resized'; readonly device: number; readonly sizeBytes: number }
  | { readonly event: 'kept'; readonly device: number; readonly fact: unknown }
  | { readonly event: 'mediumChanged'; readonly device: number; readonly sizeBytes: number }
  | { readonly event: 'report'; readonly device: number; readonly kind: Parameters<DeviceInfo['report']>[0]; readonly why?: string | undefined }
  | { readonly event: 'happened'; readonly device: number; readonly what: DeviceEvent; readonly facts: UnitFacts }
  | { readonly event: 'command'; readonly device: number; readonly command: TracedCommand }
  /** Switch a target portal group off for the device; without one, on what was off for it. */
  | { readonly event: 'ports'; readonly device: number; readonly off?: string }
  | { readonly event: 'log'; readonly device: number; readonly level: keyof HandlerLog; readonly message: string; readonly facts?: object }

/** Either end of the way between a host and its device host: a process's IPC channel, or a worker's port. */
export interface Channel<Out, In> {
  send(message: Out): void
  listen(take: (message: In) => void): void
}

export function remoteError(e: unknown): RemoteError {
  if (!(e instanceof Error)) return { message: String(e) }
  const { code } = e as { code?: unknown }
  // Of an error about another one, that of the other one says where.
  const stack = e.cause instanceof Error ? e.cause.stack : e.stack
  return { message: e.message, stack, ...(typeof code === 'string' && { code }), ...(e instanceof TcmuError && { facts: e.facts }) }
}

/** The error again, with its code, so that errno names become sense data here as they would have there. */
export function errorOf(remote: RemoteError): Error {
  const { code, facts, message } = remote
  const ours = code !== undefined && facts !== undefined
  const e = ours ? new TcmuError(code as TcmuError['code'], message.slice(code.length + 2), facts) : Object.assign(new Error(message), code !== undefined && { code })
  if (remote.stack !== undefined) e.stack = remote.stack
  return e
}
