import type { Task } from '../scsi'
import { sam } from '../scsi/status'

/** Totals since the device opened. */
export interface Counters {
  commands: number
  reads: number
  writes: number
  readBytes: number
  writtenBytes: number
  /** Commands that ended in anything but GOOD or CONDITION MET. */
  errors: number
  aborted: number
  /** Times that the connection or the lock of the backend was lost, and commands that were not done in time. */
  connectionLost: number
  lockLost: number
  late: number
}

export const counters = (): Counters => ({ commands: 0, reads: 0, writes: 0, readBytes: 0, writtenBytes: 0, errors: 0, aborted: 0, connectionLost: 0, lockLost: 0, late: 0 })

/** What was counted after `start`. */
export const since = (now: Counters, start: Counters): Counters =>
  Object.fromEntries(Object.entries(now).map(([name, n]: [string, number]) => [name, n - start[name as keyof Counters]])) as unknown as Counters

export function count(c: Counters, task: Task): void {
  c.commands++
  if (task.aborted) c.aborted++
  else if (task.status !== sam.GOOD && task.status !== sam.CONDITION_MET) c.errors++
  else if (task.row?.extent) {
    if (task.row.access === 'read') {
      c.reads++
      c.readBytes += task.length
    } else if (task.row.access === 'write') {
      c.writes++
      c.writtenBytes += task.length
    }
  }
}
