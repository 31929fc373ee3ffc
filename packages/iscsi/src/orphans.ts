const MOST = 256

/** Initiator task tags of aborted commands whose Data-Out may still come: the latest of them. */
export class Orphans {
  private readonly tags = new Set<number>()

  has(itt: number): boolean {
    return this.tags.has(itt)
  }

  add(itt: number): void {
    if (this.tags.size >= MOST) for (const oldest of this.tags) {
      this.tags.delete(oldest)
      break
    }
    this.tags.add(itt)
  }
}
