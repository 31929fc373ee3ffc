import type { HostedDevice } from '../device'
import type { KernelChange } from './netlink'
import type { UioNode } from './node'
import type { PortSwitch } from './ports'
import type { TakeOverParts } from './take-over'
import type { UioDevice } from './uio-scan'

/** A device of the kernel that is served, in whichever process its ring is mapped. */
export interface ServedDevice {
  readonly at: UioDevice
  readonly runtime: HostedDevice
  /** Do what the administrator wrote; 0 or a negative errno. Values as they are already are fine. */
  reconfigure(change: KernelChange): Promise<number>
  /** The kernel is about to take the device away: nothing of it in configfs is touched from here on. */
  remove(deadlineMs: number): Promise<void>
  /** End serving a device that stays: new commands get BUSY meanwhile, and wait in the ring afterwards. */
  leave(deadlineMs: number): Promise<void>
}

/** What the kernel front end gives whoever has a device served in another process. */
export interface RemoteParts extends TakeOverParts {
  readonly node: (path: string) => UioNode
  readonly ports: Pick<PortSwitch, 'on' | 'off'>
  readonly pollMicros?: number | undefined
}

/** Serves a device in the process of its handler; undefined when that is this one. Rejects as opening a device does. */
export type ServeElsewhere = (at: UioDevice, existing: boolean, parts: RemoteParts) => Promise<ServedDevice | undefined>
