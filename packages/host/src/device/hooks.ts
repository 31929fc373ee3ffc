import { SyncBailHook, SyncHook } from 'tapable'
import type { Result, Status, Task } from '../scsi'
import { opHooks, type OpHooks } from './ops'

export type DeviceEvent =
  | { readonly kind: 'state'; readonly state: string }
  | { readonly kind: 'connection-lost' | 'lock-lost' | 'space-low' | 'command-late'; readonly why?: string }
  | { readonly kind: 'resized'; readonly sizeBytes: number }

/** Where others attach to one device (DESIGN §9). Tap before the first command. */
export interface DeviceHooks {
  /** The answer chain: the first that returns something answers. Order is `stage`. */
  readonly command: SyncBailHook<[Task], Result | undefined>
  /** After each command; costs nothing while nobody taps. */
  readonly completed: SyncHook<[Task, Status]>
  readonly event: SyncHook<[DeviceEvent]>
  readonly ops: OpHooks
}

export const deviceHooks = (): DeviceHooks =>
  Object.freeze({
    command: new SyncBailHook<[Task], Result | undefined>(['task'], 'command'),
    completed: new SyncHook<[Task, Status]>(['task', 'status'], 'completed'),
    event: new SyncHook<[DeviceEvent]>(['event'], 'event'),
    ops: opHooks(),
  })
