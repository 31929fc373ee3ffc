import type { Result } from './lun'
import type { Activity } from './medium'
import { Status } from './status'

/**
 * What an operation over the whole unit makes of it: while there is one of these, only rows that allow it are answered
 * (SBC-3 4.11.2, 5.2). Formatting and sanitizing both count as `formatting`.
 */
export type UnitState = 'formatting' | 'unformatted' | 'unsanitized'

export interface UnitCondition {
  readonly state: UnitState
  /** What every other command is told. */
  readonly status: Status
  /** 0 to 65535 of 65536; −1 when nothing is under way. */
  readonly progress: number
  /** A failed SANITIZE in restricted completion mode (SBC-3 4.11.3). */
  readonly restricted?: boolean
}

/** An operation under way: what it does stops when it is aborted. */
export interface Operation extends Activity {
  /** Add to what is done, in bytes of `total`. */
  advance(bytes: number): void
}

export interface OperationSpec {
  /** Told while it runs. */
  readonly status: Status
  /** Bytes that `advance` will have counted at the end. */
  readonly total: number
  /** What the unit is left with when it fails; aborted on purpose it leaves nothing. */
  readonly failed: Pick<UnitCondition, 'state' | 'status' | 'restricted'>
  readonly work: (operation: Operation) => Result
}

/** How an operation ended, or ABORTED at once when the command that waits for it is. */
export function endOf(operation: Promise<Status>, waiting: Activity): Promise<Status> {
  const { signal } = waiting
  if (signal.aborted) return Promise.resolve(Status.ABORTED)
  return Promise.race([operation, new Promise<Status>((resolve) => signal.addEventListener('abort', () => resolve(Status.ABORTED), { once: true }))])
}

/** Long operations of a unit, one at a time. They outlive the command that began them. */
export interface UnitOperations {
  readonly condition: UnitCondition | undefined
  /** Begin; resolves to how it ended, and never rejects. Clears what an earlier one left when it ends well. */
  begin(spec: OperationSpec): Promise<Status>
  /** Forget a failure. */
  clear(): void
  /** Tell the one under way to stop; resolves when it has. */
  stop(): Promise<void>
}
