import type { Access, Task } from '../scsi'
import { Status } from '../scsi/status'
import type { Complaints } from './complaints'
import { faultOf } from './fault'

/** The one place where what a handler of a device threw becomes a status, and is logged. */
export class Faults {
  constructor(private readonly name: string, private readonly complaints: Complaints, private readonly lost: (why: string) => void) {}

  explain(task: Task, e: unknown): Status {
    if (task.aborted) return Status.ABORTED
    return this.told(e, task.row?.name ?? `operation code ${task.cdb[0]}`, task.row?.access ?? 'none', { lba: task.lba, blocks: task.blocks })
  }

  told(e: unknown, command: string, access: Access, facts: object = {}): Status {
    const { status, message, kind, stack, lost } = faultOf(e, access)
    if (lost) this.lost(`${command} failed: ${message}`)
    this.complaints.error(`${command} ${kind}`, `${this.name}: ${command} failed: ${message}`, { ...facts, ...(stack !== undefined && { stack }) })
    return status
  }

  /** Somebody who listens to what has ended threw. */
  listener(e: unknown): void {
    const { message, stack } = faultOf(e, 'none')
    this.complaints.error('completed', `${this.name}: who listens to completions failed: ${message}`, { stack })
  }
}
