import type { IoFile } from '@tcmu/host/handler'
import type { Clusters, Dropped } from './clusters'
import { type Piece, writePieces } from './disk'
import type { Mapping } from './mapping'
import type { Refcounts } from './refcounts'
import type { Changes } from './slices'

export interface WriteBackParts {
  readonly file: IoFile
  readonly dataFile: IoFile | undefined
  readonly mapping: Mapping
  readonly refcounts: Refcounts | undefined
  readonly clusters: Clusters
  /** Counts may be behind: the image is marked dirty while they are. */
  readonly lazy: boolean
  readonly warn: (message: string) => void
}

const count = (pieces: readonly Piece[]): boolean => pieces.length > 0

/**
 * Brings changed tables to the medium, so that at any moment what is there counts at least as many references as there
 * are: counts and data first, then the entries that point to them, then the counts of what they no longer point to.
 * Several callers who come while one round runs share the next.
 */
export class WriteBack {
  private running: Promise<void> | undefined = undefined
  private next: Promise<void> | undefined = undefined

  constructor(private readonly parts: WriteBackParts) {}

  get dirty(): boolean {
    const { mapping, refcounts, clusters } = this.parts
    return mapping.cache.dirty > 0 || mapping.l1.changed || clusters.waiting || (refcounts !== undefined && (refcounts.cache.dirty > 0 || refcounts.fresh))
  }

  /** Writers should wait for a round before they change more. */
  get full(): boolean {
    return this.parts.mapping.cache.full || this.parts.refcounts?.cache.full === true
  }

  /** Everything that was changed before is on the medium when it settles. */
  flush(): Promise<void> {
    if (!this.running) return this.start()
    const again = (): Promise<void> => this.start()
    return (this.next ??= this.running.then(again, again))
  }

  private start(): Promise<void> {
    this.next = undefined
    return this.occupy(this.round(false))
  }

  private occupy(work: Promise<void>): Promise<void> {
    const round = work.finally(() => {
      if (this.running === round) this.running = undefined
    })
    return (this.running = round)
  }

  /** Write back all there is, then do `work` while no round runs: others wait. */
  async alone(work: () => Promise<void>): Promise<void> {
    while (this.running) await this.running.catch(() => undefined)
    await this.occupy(this.round(true).then(work))
  }

  /** Until nothing waits any more: what a round frees changes counts again. */
  async finish(): Promise<void> {
    while (this.running) await this.running.catch(() => undefined)
    do await this.round(true)
    while (this.dirty)
  }

  private async round(all: boolean): Promise<void> {
    const { file, mapping, refcounts, clusters, lazy } = this.parts
    const fresh = refcounts?.fresh === true
    if (refcounts) refcounts.fresh = false
    const counts = refcounts && (!lazy || all || refcounts.cache.full) ? refcounts.cache.take() : undefined
    const table = refcounts?.takeTable()
    const entries = mapping.cache.take()
    const l1 = mapping.l1.take()
    const dropped = clusters.takeDropped()
    try {
      if (fresh) await file.sync()
      await this.put(counts, table)
      const pointers = count(entries.pieces) || count(l1.pieces)
      if (pointers) await this.sync()
      await writePieces(file, [...entries.pieces, ...l1.pieces])
      await this.sync()
      for (const c of [entries, l1]) c.done(true)
    } catch (error) {
      for (const c of [counts, table, entries, l1]) c?.done(false)
      for (const [cluster, times] of dropped) for (let i = 0; i < times; i++) clusters.drop(cluster * mapping.clusterSize, 1)
      if (fresh && refcounts) refcounts.fresh = true
      throw error
    }
    await this.release(dropped)
  }

  /** Counts, and the table that names blocks of them. */
  private async put(counts: Changes | undefined, table: Changes | undefined): Promise<void> {
    const { file } = this.parts
    await writePieces(file, [...(counts?.pieces ?? []), ...(table?.pieces ?? [])])
    counts?.done(true)
    table?.done(true)
  }

  private async sync(): Promise<void> {
    const { file, dataFile } = this.parts
    await (dataFile ? Promise.all([file.sync(), dataFile.sync()]) : file.sync())
  }

  private async release(dropped: Dropped): Promise<void> {
    if (dropped.size === 0) return
    const { file, clusters } = this.parts
    // Commands that looked the clusters up before may still be reading or writing them.
    await file.drained()
    await clusters.settle(dropped).catch((e: unknown) => this.parts.warn(`freed clusters of ${file.path} stay in use: ${(e as Error).message}`))
  }
}
