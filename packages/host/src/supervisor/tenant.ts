import type { FromHost } from './messages'
import type { Rpc } from './rpc'
import type { Spawned } from './spawn'

/** Loading code, checking a configuration, changing a size: what a person waits for. */
export const CALL_MS = 60_000
/** Starting anew, opening a device of the kernel, which initiators wait for: on a machine short of processors that takes minutes. */
export const START_MS = 300_000
export const CLOSE_MS = 10_000

/** The process of a handler, or its thread. */
export interface Running {
  readonly spawned: Spawned
  readonly rpc: Rpc
}

export type HostEvent = Extract<FromHost, { event: string }>

/** A device that is open in the process of its handler, as that process's keeper sees it. */
export interface Tenant {
  /** By what its process knows it. */
  readonly device: number
  readonly name: string
  /** Open it there: at first, and again in each process that takes the place of one that ended. */
  open(running: Running): Promise<void>
  hear(event: HostEvent): void
  /** Its process is gone, which may be news or not. Returns operation codes of what was under way, as far as that is known. */
  gone(): number[]
  /** There will be no other process. `open` may come all the same, when somebody asks for one. */
  park(why: string): void
  /** The host ends. */
  drop(): void
}
