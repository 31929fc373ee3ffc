import type { Change } from '../handler/types'
import type { AskOptions, Reply, Status, Task } from '../scsi'
import type { DeviceChain } from './device-chain'
import type { DeviceHooks } from './hooks'
import type { Counters } from './statistics'

/** What a trace sees of a command before anything else does. */
export type TracedCommand = Pick<Task, 'cdb' | 'cdbLength'> & { readonly row: { readonly name: string } | undefined; readonly nexus: { readonly name: string } }

/** What keeps a device from answering. */
export interface DeviceFault {
  /** A sentence for people, as was heard last. */
  readonly reason: string
  /** ISO 8601. */
  readonly since: string
}

/** A device as its host lists it and asks things of it, in whichever process it runs. */
export interface HostedDevice {
  readonly name: string
  readonly subtype: string
  /** The cfgstring after `subtype/`. */
  readonly config: string
  readonly state: string
  /** Of a device that does not answer: why. */
  readonly fault?: DeviceFault | undefined
  readonly blocks: number
  readonly blockSize: number
  readonly readOnly: boolean
  readonly writeCache: boolean
  readonly identity: { readonly serial: string }
  readonly inflight: number
  readonly counters: Readonly<Counters>
  readonly chain: DeviceChain
  readonly hooks: Pick<DeviceHooks, 'event'>
  /** Told of each command before anything else is; undefined: nobody wants to know. */
  trace: ((command: TracedCommand) => void) | undefined
  /** Send it one command. Never rejects: whatever goes wrong is a status. */
  ask(cdb: Uint8Array, options?: AskOptions): Promise<Reply>
  /** Tell its handler of a change; when it agrees, initiators hear of it. */
  reconfigure(change: Change): Promise<Status>
  /** Of a device elsewhere: get what changes all the time (counters) from there. */
  refresh?(): Promise<void>
}

/** One device as lists show it. */
export interface DeviceRecord extends DeviceChain {
  readonly lun: number
  readonly name: string
  readonly cfgstring: string
  readonly state: string
  readonly fault?: DeviceFault
  readonly sizeBytes: number
  readonly blockSize: number
  readonly readOnly: boolean
  readonly serial: string
  readonly inflight: number
  readonly counters: object
}

export const recordOf = (lun: number, d: HostedDevice): DeviceRecord => ({
  lun, name: d.name, cfgstring: `${d.subtype}/${d.config}`, state: d.state, ...(d.fault && { fault: d.fault }), sizeBytes: d.blocks * d.blockSize, blockSize: d.blockSize,
  readOnly: d.readOnly, serial: d.identity.serial, inflight: d.inflight, counters: d.counters, ...d.chain,
})
