import { AsyncSeriesHook, SyncBailHook, SyncHook } from 'tapable'
import type { HostedDevice } from './device'
import type { Handler } from './handler'
import type { Accepted, Candidate } from './plugins'

/** Where others attach to a host (DESIGN §9). Tap before it is used. */
export interface HostHooks {
  readonly candidate: SyncBailHook<[Candidate], false | undefined>
  readonly handlerReady: SyncHook<[Handler, Accepted]>
  readonly deviceAdded: AsyncSeriesHook<[HostedDevice]>
  readonly deviceRemoved: AsyncSeriesHook<[HostedDevice]>
}

export const hostHooks = (): HostHooks =>
  Object.freeze({
    candidate: new SyncBailHook<[Candidate], false | undefined>(['candidate'], 'candidate'),
    handlerReady: new SyncHook<[Handler, Accepted]>(['handler', 'accepted'], 'handlerReady'),
    deviceAdded: new AsyncSeriesHook<[HostedDevice]>(['device'], 'deviceAdded'),
    deviceRemoved: new AsyncSeriesHook<[HostedDevice]>(['device'], 'deviceRemoved'),
  })
