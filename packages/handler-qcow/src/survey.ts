import type { CountedClusters } from './counted-clusters'
import { Walk, type Visitor, type WalkParts } from './walk'

/**
 * Looks, while the image is in use, whether everything in use is counted. Until it is done new clusters come from behind
 * the end of the file; clusters in use that count as free are never taken. Resolves to how many there are.
 */
export class Survey implements Visitor {
  stopped = false
  private uncounted = 0
  private readonly problems: string[] = []

  constructor(private readonly parts: WalkParts, private readonly clusters: CountedClusters) {}

  use(offset: number, length: number): void | Promise<void> {
    const { clusterSize } = this.parts.header
    const last = Math.ceil((offset + length) / clusterSize)
    for (let c = Math.floor(offset / clusterSize); c < last; c++) {
      const waiting = this.look(c)
      if (waiting) return this.rest(waiting, c + 1, last)
    }
    return undefined
  }

  private async rest(waiting: Promise<void>, from: number, to: number): Promise<void> {
    await waiting
    for (let c = from; c < to; c++) await this.look(c)
  }

  private look(cluster: number): void | Promise<void> {
    const { refcounts } = this.parts
    const slice = refcounts.slice(cluster)
    if (slice instanceof Promise) return slice.then(() => this.look(cluster))
    if (slice !== undefined && refcounts.form.get(slice.view, cluster % refcounts.perSlice) > 0) return undefined
    this.uncounted++
    this.clusters.suspect(cluster)
    return undefined
  }

  problem(reason: string): void {
    if (this.problems.length < 3) this.problems.push(reason)
  }

  /** A sentence when something is wrong. */
  async run(): Promise<string | undefined> {
    await new Walk(this.parts, this).run()
    if (this.stopped) return undefined
    this.clusters.trust()
    const found = [...(this.uncounted > 0 ? [`${this.uncounted} clusters are in use and not counted`] : []), ...this.problems]
    return found.length > 0 ? found.join('; ') : undefined
  }
}
