import type { Nexus } from '@tcmu/host/scsi'

/** The last thing that happened, until each initiator has heard of it. One that comes later hears of what happens from then on. */
export class News {
  private serial = 0
  private code = 0
  private readonly heard = new WeakMap<Nexus, number>()

  /** Somebody is there to hear. */
  note(nexus: Nexus): void {
    if (!this.heard.has(nexus)) this.heard.set(nexus, this.serial)
  }

  post(code: number): void {
    this.serial++
    this.code = code
  }

  waits(nexus: Nexus): boolean {
    return this.heard.get(nexus) !== this.serial && this.heard.has(nexus)
  }

  /** What a nexus has not heard of yet, once; 0 when there is nothing. */
  take(nexus: Nexus): number {
    const code = this.waits(nexus) ? this.code : 0
    this.heard.set(nexus, this.serial)
    return code
  }
}

/** MMC-6 table 321: media events. */
export const mediaEvent = { NONE: 0, EJECT_REQUEST: 1, NEW_MEDIA: 2, MEDIA_REMOVAL: 3 } as const
/** MMC-6 table 313: operational change events. */
export const operationalEvent = { NONE: 0, FEATURE_CHANGE: 2 } as const
