import type { HandlerLog } from '../handler'
import type { NativeCore } from '../platform'
import type { BudgetOptions } from './crash-budget'
import type { OnCrash } from './link'
import type { HostStart } from './messages'
import type { Spawn } from './spawn'

export interface HandlerHostOptions {
  readonly start: HostStart
  /** The handler and the package it is of, for messages. Default: its subtype. */
  readonly who?: string
  /** What to start when it is started: what is there may have changed. Throws when that is not to be. Default: `start`. */
  readonly current?: () => HostStart
  readonly core: NativeCore
  readonly spawn: Spawn
  readonly log: HandlerLog
  readonly onCrash?: OnCrash
  readonly budget?: BudgetOptions
  /** How long its loop may stand still before it counts as hung. Default 30 s. */
  readonly hangMs?: number
  /** Memory of its JavaScript. Default 512. */
  readonly heapMiB?: number
  /** Stay when the last device closes. */
  readonly linger?: boolean
}

/** What `status` shows of a device host. */
export interface HandlerHostState {
  readonly subtype: string
  readonly state: 'idle' | 'running' | 'restarting' | 'parked'
  readonly pid: number | undefined
  readonly crashes: number
  /** Why it ended last. */
  readonly reason: string | undefined
  readonly devices: readonly string[]
}
