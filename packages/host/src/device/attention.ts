import type { Nexus, Status, Task } from '../scsi'

/** A nexus that hears nothing keeps at most this many conditions; SAM-5 5.14 lets a device drop repeats and excess. */
const MOST = 16

/** Answered whatever attention waits, when no row says so: INQUIRY, REQUEST SENSE, REPORT LUNS (SPC-4 5.14). */
const silent: ReadonlySet<number> = new Set([0x12, 0x03, 0xa0])

/** Unit attention conditions that wait, for each I_T nexus (SAM-5 5.14). */
export class Attentions {
  private readonly queues = new Map<Nexus, Status[]>()
  private total = 0

  private condition = false

  /** Whether anybody has to be told anything: the only cost of a command when not. */
  get pending(): boolean {
    return this.total > 0
  }

  /** Whether everybody has to be told something else, by `otherwise` of `report`. */
  set held(is: boolean) {
    if (is !== this.condition) this.total += is ? 1 : -1
    this.condition = is
  }

  join(nexus: Nexus): void {
    if (!this.queues.has(nexus)) this.queues.set(nexus, [])
  }

  leave(nexus: Nexus): void {
    this.total -= this.queues.get(nexus)?.length ?? 0
    this.queues.delete(nexus)
  }

  attend(nexus: Nexus, status: Status): void {
    const queue = this.queues.get(nexus)
    if (!queue || queue.includes(status) || queue.length >= MOST) return
    queue.push(status)
    this.total++
  }

  attendAll(status: Status, except?: Nexus): void {
    for (const nexus of this.queues.keys()) if (nexus !== except) this.attend(nexus, status)
  }

  take(nexus: Nexus): Status | undefined {
    const status = this.queues.get(nexus)?.shift()
    if (status !== undefined) this.total--
    return status
  }

  /** What a command is answered with instead of being run, when something waits for its nexus. */
  report(task: Task, otherwise: (task: Task) => Status | undefined): Status | undefined {
    if (!this.pending) return undefined
    const quiet = task.row?.allowed?.attention ?? silent.has(task.cdb[0]!)
    return (quiet ? undefined : this.take(task.nexus)) ?? (this.condition ? otherwise(task) : undefined)
  }
}
