import { type IoFile, type Result, type Segments, Status } from '@tcmu/host/handler'
import { Segments as Memory } from '@tcmu/host/scsi'
import type { Clusters } from './clusters'
import { packedOf } from './compressed'
import { together, writeZeroes } from './disk'
import { SUBCLUSTERS } from './format'
import type { ImageHeader } from './header'
import { ClusterLocks } from './locks'
import { Kind, type Mapping } from './mapping'
import type { ImageReader } from './reader'
import type { Slice } from './slices'
import type { Tables } from './tables'
import type { WriteBack } from './write-back'

export interface WriterParts {
  readonly header: ImageHeader
  readonly mapping: Mapping
  readonly reader: ImageReader
  readonly clusters: Clusters
  readonly tables: Tables
  readonly writeBack: WriteBack
  readonly external: boolean
  /** Undefined: go on. Else wait: the image is being marked as in use, or rejects because it must not be written. */
  readonly admit: () => Promise<void> | undefined
  /** Nothing has to be said in the header before, and nothing is being said. */
  readonly inPlace: () => boolean
  /** Called after entries were changed. */
  readonly changed: () => void
}

/** Neighbouring clusters of the disk that get new places in the file, or their own place for the first time. */
interface Group {
  readonly slice: Slice
  /** Of the first cluster: its index in the slice, and its number on the disk. */
  readonly index: number
  readonly cluster: number
  readonly count: number
  /** Where they go in the file of data. */
  readonly host: number
  readonly pristine: boolean
  /** The place was theirs before: what it is used for already stays. */
  readonly own: boolean
}

const ALL = 0xffffffff
/** Bits of units [first, end). */
const maskOf = (first: number, end: number): number => (end - first >= SUBCLUSTERS ? ALL : (((2 ** (end - first) - 1) * 2 ** first) >>> 0))

/** Writes to an image: in place where the place is the cluster's own, else to new clusters that are linked when the data is there. */
export class ImageWriter {
  readonly locks = new ClusterLocks()
  private readonly mapping: Mapping
  private readonly file: IoFile

  constructor(private readonly parts: WriterParts) {
    this.mapping = parts.mapping
    this.file = parts.reader.data
  }

  /** Where in the file of data a stretch may be written over, all of it in one piece; -1: it may not, or it takes more than that. */
  place(offset: number, length: number): number {
    const at = this.parts.reader.place(offset, length)
    return at >= 0 && this.mapping.copied && this.parts.inPlace() ? at : -1
  }

  write(data: Segments, offset: number): Result {
    const at = this.place(offset, data.length)
    return at >= 0 ? this.file.writev(data, at) : this.writeParts(data, offset, this.parts.admit())
  }

  private async writeParts(data: Segments, offset: number, wait: Promise<void> | undefined): Promise<Status> {
    if (wait) await wait
    const work: unknown[] = []
    try {
      for (let at = 0; at < data.length;) {
        const step = this.begin(data, offset, at, work)
        if (typeof step === 'number') at += step
        else await step
      }
    } catch (error) {
      work.push(Promise.reject(error as Error))
    }
    await together(work)
    return Status.OK
  }

  /** Begin to write from `at` on: how many bytes, or what to wait for before asking again. */
  private begin(data: Segments, offset: number, at: number, work: unknown[]): number | Promise<void> {
    const { mapping, parts } = this
    const from = offset + at
    const slice = parts.tables.ready(from)
    if (!slice) return mapping.l1.host[mapping.tableOf(from)]! < 0 ? Promise.reject(parts.reader.damage(from)) : this.prepare(from)
    mapping.find(from, data.length - at)
    if (mapping.kind === Kind.BAD) return Promise.reject(parts.reader.damage(from))
    if (mapping.kind === Kind.DATA && mapping.copied) {
      const { run } = mapping
      work.push(this.file.writev(run === data.length ? data : data.slice(at, run), mapping.host))
      return run
    }
    const group = this.group(slice, from, data.length - at)
    if (group instanceof Promise) return group
    const end = Math.min(offset + data.length, (group.cluster + group.count) * mapping.clusterSize)
    const part = data.slice(at, end - from)
    group.slice.pins++
    work.push(this.locks.hold(group.cluster, group.count, () => this.fill(group, part, from)).finally(() => void group.slice.pins--))
    return end - from
  }

  private async prepare(offset: number): Promise<void> {
    if (this.parts.writeBack.full) await this.parts.writeBack.flush()
    await this.parts.tables.prepare(offset)
  }

  /** Clusters from `from` on that need work of the same kind, with a place for them; or what to wait for. */
  private group(slice: Slice, from: number, length: number): Group | Promise<void> {
    const { mapping, parts } = this
    const cluster = Math.floor(from / mapping.clusterSize)
    const busy = this.locks.conflict(cluster, 1)
    if (busy) return busy
    if (parts.writeBack.full) return parts.writeBack.flush()
    const { index } = mapping
    const base = { slice, index, cluster }
    if (parts.external) return { ...base, count: 1, host: cluster * mapping.clusterSize, pristine: false, own: mapping.owns }
    if (mapping.owns) return { ...base, count: 1, host: mapping.hostOf(mapping.high, mapping.low), pristine: false, own: true }
    const wanted = Math.min(Math.floor((from + length - 1) / mapping.clusterSize) - cluster + 1, mapping.perSlice - index)
    const count = this.locks.free(cluster, this.placeless(slice, cluster, wanted))
    const taken = parts.clusters.take(count)
    if (!taken) return parts.clusters.refill()
    return { ...base, count: taken.count, host: taken.first * mapping.clusterSize, pristine: taken.pristine, own: false }
  }

  /** How many clusters, the first included, have no place of their own. */
  private placeless(slice: Slice, cluster: number, most: number): number {
    const { mapping } = this
    let n = 1
    for (; n < most; n++) {
      mapping.find((cluster + n) * mapping.clusterSize, mapping.clusterSize)
      if (mapping.owns || mapping.kind === Kind.BAD || mapping.slice !== slice) break
    }
    return n
  }

  /** Data, and what belongs around it, then the entries. A place that was taken is given back when that fails. */
  private async fill(group: Group, data: Segments, from: number): Promise<void> {
    const { mapping, parts } = this
    const start = group.cluster * mapping.clusterSize
    const to = from + data.length
    try {
      const first = this.fillStart(group, from, 0)
      const last = this.fillEnd(group, to, group.count - 1)
      const place = (at: number): number => group.host + (at - start)
      await together([
        this.surround(group, first, from, place(first)),
        this.file.writev(data, place(from)),
        this.surround(group, to, last, place(to)),
      ])
      this.link(group, first - start, last - start)
      parts.changed()
    } catch (error) {
      if (!group.own && !parts.external) parts.clusters.drop(group.host, group.count * mapping.clusterSize)
      throw error
    }
  }

  /** Whether nothing of what the cluster was can stay where it is: all of it moves. */
  private moves(group: Group, i: number): boolean {
    if (group.own) return false
    const { mapping } = this
    mapping.find((group.cluster + i) * mapping.clusterSize, mapping.clusterSize)
    return mapping.kind === Kind.COMPRESSED || mapping.hostOf(mapping.high, mapping.low) !== 0
  }

  private unitMapped(group: Group, position: number): boolean {
    if (!group.own) return false
    this.mapping.find(position, 1)
    return this.mapping.kind === Kind.DATA
  }

  private fillStart(group: Group, from: number, i: number): number {
    const { mapping } = this
    if (mapping.extended && this.moves(group, i)) return (group.cluster + i) * mapping.clusterSize
    return this.unitMapped(group, from) ? from : Math.floor(from / mapping.unitSize) * mapping.unitSize
  }

  private fillEnd(group: Group, to: number, i: number): number {
    const { mapping } = this
    const end = mapping.extended && this.moves(group, i)
      ? (group.cluster + i + 1) * mapping.clusterSize
      : this.unitMapped(group, to - 1) ? to : Math.ceil(to / mapping.unitSize) * mapping.unitSize
    // Beyond the end of the disk an external file has nothing.
    return this.parts.external ? Math.max(to, Math.min(end, this.parts.reader.size)) : end
  }

  /** What the disk shows in [from, to), to its new place. */
  private async surround(group: Group, from: number, to: number, host: number): Promise<void> {
    if (to <= from) return
    const { mapping, parts } = this
    const nothing = mapping.find(from, to - from) && mapping.run === to - from
      && (mapping.kind === Kind.ZERO || (mapping.kind === Kind.UNALLOCATED && from >= (parts.reader.backing?.size ?? 0)))
    if (nothing) {
      if (!group.pristine) await writeZeroes(this.file, host, to - from)
      return
    }
    const memory = Memory.allocate(to - from)
    await parts.reader.read(memory, from)
    await this.file.writev(memory, host)
  }

  /** Point the entries to their places. `first` and `last`: the bytes of the group that are there now. */
  private link(group: Group, first: number, last: number): void {
    const { mapping, parts } = this
    for (let i = 0; i < group.count; i++) {
      const index = group.index + i
      mapping.find((group.cluster + i) * mapping.clusterSize, mapping.clusterSize)
      const { high, low } = mapping
      const before = mapping.unitsOf(group.slice, index)
      const entry = mapping.entryFor(group.host + i * mapping.clusterSize)
      const there = maskOf(
        Math.max(0, Math.floor((first - i * mapping.clusterSize) / mapping.unitSize)),
        Math.min(SUBCLUSTERS, Math.ceil((last - i * mapping.clusterSize) / mapping.unitSize)),
      )
      const kept = group.own ? before.allocated : 0
      mapping.put(group.slice, index, entry.high, entry.low, { allocated: (kept | there) >>> 0, zero: (before.zero & ~there) >>> 0 })
      if (!group.own && !parts.external) this.dropOld(high, low)
    }
  }

  /** One reference less on what an entry pointed to. */
  dropOld(high: number, low: number): void {
    const { mapping, parts } = this
    if ((high & mapping.form.compressed) !== 0) {
      const { offset, length } = packedOf(parts.header, high, low)
      parts.clusters.drop(offset, length)
      return
    }
    const host = mapping.hostOf(high, low)
    if (host !== 0) parts.clusters.drop(host, mapping.clusterSize)
  }
}
