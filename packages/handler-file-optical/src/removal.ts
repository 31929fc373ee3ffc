import type { Nexus } from '@tcmu/host/scsi'

interface Hold {
  prevent: boolean
  persistent: boolean
}

/** Who prevents the removal of the medium (SPC-4 6.19: each initiator for itself; MMC-6 6.15: persistently, or not). */
export class Removal {
  private readonly holds = new Map<Nexus, Hold>()

  get prevented(): boolean {
    return this.holds.size > 0
  }

  /** Who they are, for people. */
  get holders(): readonly string[] {
    return [...this.holds.keys()].map((nexus) => nexus.name)
  }

  set(nexus: Nexus, persistent: boolean, prevent: boolean): void {
    const hold = this.holds.get(nexus) ?? { prevent: false, persistent: false }
    hold[persistent ? 'persistent' : 'prevent'] = prevent
    if (hold.prevent || hold.persistent) this.holds.set(nexus, hold)
    else this.holds.delete(nexus)
  }

  release(nexus: Nexus): void {
    this.holds.delete(nexus)
  }

  clear(): void {
    this.holds.clear()
  }
}
