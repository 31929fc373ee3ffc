import type { IoFile } from '@tcmu/host/handler'
import { entryFor, type EntryForm, formOf, hostOf, type Plausible } from './entry-form'
import { Entry, SUBCLUSTERS, SubclusterBits } from './format'
import type { ImageHeader } from './header'
import { L1Table } from './l1-table'
import { MAX_SLICE, type Slice, SliceCache } from './slices'

/** What a stretch of the disk is, in one layer. */
export const Kind = { UNALLOCATED: 0, ZERO: 1, DATA: 2, COMPRESSED: 3, BAD: 4 } as const
export type Kind = (typeof Kind)[keyof typeof Kind]

/** Of an extended entry: which 32nds of the cluster read as zeroes, and which are there. */
export interface Units {
  readonly zero: number
  readonly allocated: number
}

const ENTRY_LOW = Entry.at.low

/**
 * From positions of the disk to positions of the file: the L1 table in memory, L2 tables in a cache. `find` leaves its
 * answer in the fields and allocates nothing.
 */
export class Mapping {
  kind: Kind = Kind.UNALLOCATED
  /** DATA: position in the file. ZERO, COMPRESSED: undefined. */
  host = 0
  /** Bytes for which the answer holds, at most those asked for. */
  run = 0
  /** The stretch may be written in place. */
  copied = false
  /** The entry of the first cluster, and where it is; `slice` is undefined when there is no table. */
  high = 0
  low = 0
  slice: Slice | undefined = undefined
  index = 0

  readonly form: EntryForm
  readonly cache: SliceCache
  readonly clusterSize: number
  readonly tableSpan: number
  readonly sliceSpan: number
  readonly perSlice: number
  readonly slicesPerTable: number
  /** Data in one cluster is mapped in units of this: the cluster, or a 32nd of it. */
  readonly unitSize: number
  readonly extended: boolean
  private readonly stride: number
  private readonly inverse: number
  private readonly inverseSpan: number
  /** Data lies in a file of its own, at the position it has on the disk. */
  private readonly external: boolean
  readonly l1: L1Table

  constructor(file: IoFile, header: ImageHeader, cacheBytes: number, private readonly plausible: Plausible) {
    this.form = formOf(header)
    this.clusterSize = header.clusterSize
    this.stride = header.entryBytes
    this.extended = header.entryBytes === 16
    this.unitSize = this.extended ? header.clusterSize / SUBCLUSTERS : header.clusterSize
    this.external = header.dataFile !== undefined
    const tableBytes = header.tableEntries * header.entryBytes
    const sliceBytes = Math.min(MAX_SLICE, tableBytes)
    this.perSlice = sliceBytes / header.entryBytes
    this.slicesPerTable = tableBytes / sliceBytes
    this.sliceSpan = this.perSlice * header.clusterSize
    this.tableSpan = header.tableEntries * header.clusterSize
    this.inverse = 1 / header.clusterSize
    this.inverseSpan = 1 / this.sliceSpan
    this.l1 = new L1Table(header, this.form)
    this.cache = new SliceCache(file, sliceBytes, cacheBytes, (key) => this.sliceAt(key), (slice) => this.checkSlice(slice))
  }

  hostOf(high: number, low: number): number {
    return hostOf(this.form, high, low)
  }

  private checkSlice(slice: Slice): ReadonlySet<number> | undefined {
    let bad: Set<number> | undefined
    const { form, stride } = this
    for (let i = 0; i < this.perSlice; i++) {
      const high = slice.view.getUint32(i * stride)
      const low = slice.view.getUint32(i * stride + ENTRY_LOW)
      if (high === 0 && low === 0 && !this.extended) continue
      const fine = (high & form.compressed) !== 0 ? !this.external : this.plausibleEntry(slice, i, high, low)
      if (!fine) (bad ??= new Set()).add(i)
    }
    return bad
  }

  private plausibleEntry(slice: Slice, i: number, high: number, low: number): boolean {
    const { form } = this
    if (((high & form.reservedHigh) | (low & form.reservedLow)) !== 0) return false
    const host = this.hostOf(high, low)
    if (this.extended) {
      const at = i * this.stride + Entry.size
      const zero = slice.view.getUint32(at + SubclusterBits.at.zero)
      const allocated = slice.view.getUint32(at + SubclusterBits.at.allocated)
      if ((zero & allocated) !== 0 || (host === 0 && allocated !== 0 && !this.external)) return false
    }
    if (this.external) return host === 0 || host === slice.key * this.sliceSpan + i * this.clusterSize
    return host === 0 || this.plausible(host, false)
  }

  /** Look at the disk from `offset` on. False: the table has to be read first, with `load`. */
  find(offset: number, length: number): boolean {
    const key = Math.floor(offset * this.inverseSpan)
    const slice = this.cache.get(key)
    if (slice === undefined) return this.findWithout(offset, length)
    this.slice = slice
    const inSlice = offset - key * this.sliceSpan
    const index = Math.floor(inSlice * this.inverse)
    this.index = index
    const inside = inSlice - index * this.clusterSize
    if (this.extended) this.findUnits(slice, index, inside, length)
    else this.findClusters(slice, index, inside, length)
    return true
  }

  private findWithout(offset: number, length: number): boolean {
    const l1 = Math.floor(offset / this.tableSpan)
    const table = this.l1.host[l1]!
    if (table > 0) return false
    this.slice = undefined
    this.kind = table === 0 ? Kind.UNALLOCATED : Kind.BAD
    this.copied = false
    this.high = this.low = 0
    this.run = Math.min(length, (l1 + 1) * this.tableSpan - offset)
    return true
  }

  private decode(slice: Slice, index: number): void {
    const at = index * this.stride
    const high = (this.high = slice.view.getUint32(at))
    const low = (this.low = slice.view.getUint32(at + ENTRY_LOW))
    const { form } = this
    this.copied = (high & form.copied) >>> 0 === form.copied
    if (slice.bad?.has(index)) this.kind = Kind.BAD
    else if ((high & form.compressed) !== 0) this.kind = Kind.COMPRESSED
    else if ((low & form.zero) !== 0) this.kind = Kind.ZERO
    else {
      this.host = this.hostOf(high, low)
      this.kind = this.host !== 0 || (this.external && high !== 0) ? Kind.DATA : Kind.UNALLOCATED
    }
  }

  private findClusters(slice: Slice, index: number, inside: number, length: number): void {
    this.decode(slice, index)
    let run = this.clusterSize - inside
    if (run < length) {
      const { kind, host, copied, high, low } = this
      let next = index + 1
      while (run < length && next < this.perSlice && kind !== Kind.COMPRESSED) {
        this.decode(slice, next)
        if (this.kind !== kind || this.copied !== copied) break
        if (kind === Kind.DATA && this.host !== host + (next - index) * this.clusterSize) break
        run += this.clusterSize
        next++
      }
      this.kind = kind
      this.host = host
      this.copied = copied
      this.high = high
      this.low = low
    }
    this.run = Math.min(run, length)
    this.host += inside
  }

  private unitKind(slice: Slice, index: number, unit: number): Kind {
    const at = index * this.stride + Entry.size
    if (((slice.view.getUint32(at + SubclusterBits.at.allocated) >>> unit) & 1) !== 0) return Kind.DATA
    return ((slice.view.getUint32(at + SubclusterBits.at.zero) >>> unit) & 1) !== 0 ? Kind.ZERO : Kind.UNALLOCATED
  }

  /** Extended entries: within one cluster only, which is 32 units. */
  private findUnits(slice: Slice, index: number, inside: number, length: number): void {
    this.decode(slice, index)
    const left = this.clusterSize - inside
    if (this.kind === Kind.COMPRESSED || this.kind === Kind.BAD) {
      this.run = Math.min(left, length)
      return
    }
    const first = Math.floor(inside / this.unitSize)
    const kind = this.unitKind(slice, index, first)
    let unit = first + 1
    while (unit < SUBCLUSTERS && this.unitKind(slice, index, unit) === kind) unit++
    this.kind = kind
    this.run = Math.min(unit * this.unitSize - inside, length)
    this.host = this.hostOf(this.high, this.low) + inside
  }

  /** Whether the entry just found has a cluster of its own in the file, whatever of it is in use. */
  get owns(): boolean {
    return this.copied && (this.high & this.form.compressed) === 0 && this.kind !== Kind.BAD && (this.external ? this.high !== 0 : this.hostOf(this.high, this.low) !== 0)
  }

  tableOf(offset: number): number {
    return Math.floor(offset / this.tableSpan)
  }

  keyOf(offset: number): number {
    return Math.floor(offset * this.inverseSpan)
  }

  /** Read the slice for `offset`; its table exists. */
  load(offset: number): Promise<Slice> {
    return this.cache.load(this.keyOf(offset))
  }

  private sliceAt(key: number): number {
    const table = Math.floor(key / this.slicesPerTable)
    return this.l1.host[table]! + (key - table * this.slicesPerTable) * this.cache.sliceBytes
  }

  /** Units that an extended entry maps; for others all or none. */
  unitsOf(slice: Slice, index: number): Units {
    const at = index * this.stride + Entry.size
    return this.extended
      ? { zero: slice.view.getUint32(at + SubclusterBits.at.zero), allocated: slice.view.getUint32(at + SubclusterBits.at.allocated) }
      : { zero: 0, allocated: 0 }
  }

  /** Change an entry. `units` counts with extended entries only. */
  put(slice: Slice, index: number, high: number, low: number, units: Units): void {
    const at = index * this.stride
    if (this.same(slice, index, high, low, units)) return
    slice.view.setUint32(at, high >>> 0)
    slice.view.setUint32(at + ENTRY_LOW, low >>> 0)
    if (this.extended) {
      slice.view.setUint32(at + Entry.size + SubclusterBits.at.zero, units.zero >>> 0)
      slice.view.setUint32(at + Entry.size + SubclusterBits.at.allocated, units.allocated >>> 0)
    }
    this.cache.touch(slice)
  }

  private same(slice: Slice, index: number, high: number, low: number, units: Units): boolean {
    const at = index * this.stride
    if (slice.view.getUint32(at) !== high >>> 0 || slice.view.getUint32(at + ENTRY_LOW) !== low >>> 0) return false
    if (!this.extended) return true
    const before = this.unitsOf(slice, index)
    return before.zero === units.zero >>> 0 && before.allocated === units.allocated >>> 0
  }

  /** The halves of an entry for a cluster that belongs to it alone. */
  entryFor(host: number): { high: number; low: number } {
    return entryFor(this.form, host)
  }
}
