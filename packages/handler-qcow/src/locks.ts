/** Clusters of the disk whose entries are being worked out. Whoever comes second waits, and looks again. */
export class ClusterLocks {
  private readonly held = new Map<number, Promise<void>>()

  /** Somebody works on one of the clusters: wait for that. */
  conflict(first: number, count: number): Promise<void> | undefined {
    if (this.held.size === 0) return undefined
    for (let c = first; c < first + count; c++) {
      const other = this.held.get(c)
      if (other) return other
    }
    return undefined
  }

  /** How many of the clusters from `first` on are nobody's. */
  free(first: number, count: number): number {
    if (this.held.size === 0) return count
    let n = 0
    while (n < count && !this.held.has(first + n)) n++
    return n
  }

  /** Work on clusters that are nobody's; `work` begins at once. */
  async hold<T>(first: number, count: number, work: () => Promise<T>): Promise<T> {
    let release!: () => void
    const held = new Promise<void>((resolve) => (release = resolve))
    for (let c = first; c < first + count; c++) this.held.set(c, held)
    try {
      return await work()
    } finally {
      for (let c = first; c < first + count; c++) this.held.delete(c)
      release()
    }
  }
}
