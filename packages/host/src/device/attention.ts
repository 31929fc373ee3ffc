import type { Nexus, Status } from '../scsi'

/** A nexus that hears nothing keeps at most this many conditions; SAM-5 5.14 lets a device drop repeats and excess. */
const MOST = 16

/** Unit attention conditions that wait, for each I_T nexus (SAM-5 5.14). */
export class Attentions {
  private readonly queues = new Map<Nexus, Status[]>()
  private total = 0

  /** Whether anybody has to be told anything: the only cost of a command when not. */
  get pending(): boolean {
    return this.total > 0
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
}
