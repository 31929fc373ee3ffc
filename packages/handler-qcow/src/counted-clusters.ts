import type { IoFile } from '@tcmu/host/handler'
import type { Clusters, Dropped, Taken } from './clusters'
import type { ImageHeader } from './header'
import { Refcounts, type Space } from './refcounts'
import { ioFault } from './refuse'
import type { Slice } from './slices'
import type { Territory } from './territory'

export interface CountedParts {
  readonly territory: Territory
  /** Give the storage of freed clusters back to the file system. */
  readonly discard: boolean
  readonly warn: (message: string) => void
}

interface Run {
  next: number
  readonly end: number
  readonly slice: Slice
}

/** How many slices of counts are searched before others get a turn. */
const SEARCH_STEP = 256
/** Free stretches remembered beyond what a search would find; more are found by searching. */
const MAX_FREE_RUNS = 65_536
const MAX_SUSPECTS = 1 << 20

/** Versions 2 and 3: clusters by reference count. */
export class CountedClusters implements Clusters, Space {
  readonly refcounts: Refcounts
  /** Clusters in use with a count of 0. */
  private readonly suspects = new Set<number>()
  private dropped: Dropped = new Map()
  private run: Run | undefined = undefined
  private readonly freeRuns: { first: number; count: number }[] = []
  private refilling: Promise<void> | undefined = undefined
  private making: Promise<void> = Promise.resolve()
  /** First cluster after all that was ever in use. */
  private end: number
  private hint: number
  /** Counts below `end` are known to be true of every cluster in use. */
  private trusted = false
  /** Settles when `trust` was called, or never will be. Set by whoever looks. */
  trusting: Promise<void> = Promise.resolve()
  private readonly limit: number

  constructor(private readonly file: IoFile, header: ImageHeader, cacheBytes: number, private readonly parts: CountedParts) {
    this.clusterSize = header.clusterSize
    this.end = this.hint = Math.ceil(file.size / header.clusterSize)
    this.limit = file.blockDevice ? Math.floor(file.size / header.clusterSize) : Math.floor(Number.MAX_SAFE_INTEGER / 2 / header.clusterSize)
    this.refcounts = new Refcounts(file, header, cacheBytes, this, header.clusterSize)
  }
  private readonly clusterSize: number

  get waiting(): boolean {
    return this.dropped.size > 0
  }

  get endBytes(): number {
    return this.end * this.clusterSize
  }

  /** In use, but its count says otherwise. */
  suspect(cluster: number): void {
    if (this.suspects.size < MAX_SUSPECTS) this.suspects.add(cluster)
  }

  /** Everything in use was looked at: clusters inside the file with a count of 0 may be taken from now on. */
  trust(): void {
    if (this.suspects.size >= MAX_SUSPECTS) return
    this.trusted = true
    this.hint = 0
  }

  firstFree(cluster: number, end: number): number | undefined {
    let c = Math.max(cluster, this.trusted ? 0 : this.end)
    while (this.parts.territory.has(c) || this.suspects.has(c)) c++
    return c < end && c < this.limit ? c : undefined
  }

  claim(cluster: number, count: number): void {
    this.parts.territory.own(cluster * this.clusterSize, count * this.clusterSize)
    this.end = Math.max(this.end, cluster + count)
  }

  giveUp(cluster: number, count: number): void {
    this.drop(cluster * this.clusterSize, count * this.clusterSize)
  }

  take(count: number): Taken | undefined {
    const { run } = this
    if (run === undefined) return undefined
    const first = run.next
    const n = Math.min(count, run.end - first)
    for (let c = first; c < first + n; c++) this.refcounts.put(run.slice, c, 1)
    run.next += n
    const pristine = first >= this.end && !this.file.blockDevice
    this.end = Math.max(this.end, first + n)
    if (run.next === run.end) this.leaveRun()
    return { first, count: n, pristine }
  }

  private leaveRun(): void {
    if (this.run) this.run.slice.pins--
    this.run = undefined
  }

  /** What was freed goes before what lies behind the end of the file. */
  private reconsider(): void {
    if (this.run && this.run.next >= this.end) {
      this.hint = Math.min(this.hint, this.run.next)
      this.leaveRun()
    }
  }

  private enterRun(next: number, end: number, slice: Slice): void {
    slice.pins++
    this.run = { next, end, slice }
  }

  refill(): Promise<void> {
    if (this.run) return Promise.resolve()
    return (this.refilling ??= this.exclusive(() => this.search()).finally(() => (this.refilling = undefined)))
  }

  /** Blocks and tables of counts are made one after another. */
  private exclusive<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.making.then(work)
    this.making = mine.then(() => undefined, () => undefined)
    return mine
  }

  private async search(): Promise<void> {
    while (this.freeRuns.length > 0) if (await this.reuse(this.freeRuns.pop()!)) return
    for (let step = 1; ; step++) {
      const cluster = this.trusted ? this.hint : Math.max(this.hint, this.end)
      if (cluster >= this.limit && !this.trusted && step === 1) {
        // A block device does not grow: what is free has to be known.
        await this.trusting
        continue
      }
      if (cluster >= this.limit) throw ioFault('ENOSPC', this.file.path, 'the device is full')
      if (!this.refcounts.has(cluster)) {
        // A table's worth of clusters may have been in between: look again from the same place.
        await this.refcounts.makeBlock(cluster)
        continue
      }
      const slice = await this.refcounts.slice(cluster)!
      const sliceEnd = Math.min(this.limit, (Math.floor(cluster / this.refcounts.perSlice) + 1) * this.refcounts.perSlice)
      this.hint = sliceEnd
      if (this.enterFree(cluster, sliceEnd, slice)) return
      if (step % SEARCH_STEP === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** The first stretch in [from, end) that is nobody's becomes the run; the search goes on behind it. */
  private enterFree(from: number, end: number, slice: Slice): boolean {
    let first = from
    while (first < end && !this.free(slice, first)) first++
    let next = first
    while (next < end && this.free(slice, next)) next++
    if (next === first) return false
    this.hint = next
    this.enterRun(first, next, slice)
    return true
  }

  private free(slice: Slice, cluster: number): boolean {
    const { form, perSlice } = this.refcounts
    return form.get(slice.view, cluster % perSlice) === 0 && !this.parts.territory.has(cluster) && !this.suspects.has(cluster)
  }

  private async reuse(free: { first: number; count: number }): Promise<boolean> {
    if (!this.trusted) return false
    const { perSlice } = this.refcounts
    const sliceEnd = (Math.floor(free.first / perSlice) + 1) * perSlice
    const end = Math.min(free.first + free.count, sliceEnd)
    if (free.first + free.count > end) this.freeRuns.push({ first: end, count: free.first + free.count - end })
    const slice = await this.refcounts.slice(free.first)
    if (!slice) return false
    const hint = this.hint
    const found = this.enterFree(free.first, end, slice)
    this.hint = hint
    return found
  }

  /** `count` neighbours behind everything else, counted; for tables that are in one piece. */
  takeBehind(count: number): Promise<number> {
    return this.exclusive(async () => {
      this.leaveRun()
      this.hint = Math.max(this.hint, 0)
      for (;;) {
        const first = this.end
        if (first + count > this.limit) throw ioFault('ENOSPC', this.file.path, 'the device is full')
        const missing = this.missingBlock(first, count)
        if (missing === undefined) {
          this.claim(first, count)
          for (let c = first; c < first + count; c++) await this.refcounts.set(c, 1)
          return first
        }
        await this.refcounts.makeBlock(missing)
      }
    })
  }

  private missingBlock(first: number, count: number): number | undefined {
    for (let c = first; c < first + count; c = (this.refcounts.blockOf(c) + 1) * this.refcounts.perBlock) if (!this.refcounts.has(c)) return c
    return undefined
  }

  drop(host: number, length: number): void {
    const last = Math.ceil((host + length) / this.clusterSize)
    for (let c = Math.floor(host / this.clusterSize); c < last; c++) this.dropped.set(c, (this.dropped.get(c) ?? 0) + 1)
  }

  takeDropped(): Dropped {
    const taken = this.dropped
    this.dropped = new Map()
    return taken
  }

  async settle(dropped: Dropped): Promise<void> {
    const ended: number[] = []
    for (const [cluster, times] of dropped) {
      const count = await this.refcounts.get(cluster)
      if (count < times) this.parts.warn(`cluster ${cluster} of ${this.file.path} was used ${times} times and counted ${count} times; run \`qemu-img check -r leaks\` when it is not in use`)
      else if (count > times) await this.refcounts.set(cluster, count - times)
      else ended.push(cluster)
    }
    for (const { first, count } of neighbours(ended)) await this.finish(first, count)
    if (ended.length > 0 && this.trusted) this.reconsider()
  }

  private async finish(first: number, count: number): Promise<void> {
    if (this.parts.discard && this.file.canPunch) await this.file.punch(first * this.clusterSize, count * this.clusterSize)
    for (let c = first; c < first + count; c++) {
      this.parts.territory.disown(c)
      await this.refcounts.set(c, 0)
    }
    if (this.freeRuns.length < MAX_FREE_RUNS) this.freeRuns.push({ first, count })
    else this.hint = Math.min(this.hint, first)
  }
}

function neighbours(clusters: number[]): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = []
  for (const c of clusters.sort((a, b) => a - b)) {
    const last = runs[runs.length - 1]
    if (last && last.first + last.count === c) last.count++
    else runs.push({ first: c, count: 1 })
  }
  return runs
}
