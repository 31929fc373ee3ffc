import type { IoFile } from '@tcmu/host/handler'
import { type Piece, readBytes } from './disk'
import { Entry, SUBCLUSTERS, SubclusterBits, TWO32 } from './format'
import { type ImageHeader } from './header'
import { MAX_SLICE, type Changes, type Slice, SliceCache } from './slices'

/** What a stretch of the disk is, in one layer. */
export const Kind = { UNALLOCATED: 0, ZERO: 1, DATA: 2, COMPRESSED: 3, BAD: 4 } as const
export type Kind = (typeof Kind)[keyof typeof Kind]

/** How entries are written in one version: masks over the two halves. */
export interface EntryForm {
  readonly compressed: number
  /** 0 in version 1: every cluster may be written in place. */
  readonly copied: number
  readonly hostHigh: number
  readonly hostLow: number
  /** "Reads as zeroes"; 0 where there is no such bit. */
  readonly zero: number
  readonly reservedHigh: number
  readonly reservedLow: number
}
const formV1: EntryForm = { compressed: 0x80000000, copied: 0, hostHigh: 0x7fffffff, hostLow: 0xffffffff, zero: 0, reservedHigh: 0, reservedLow: 0 }
const formV2: EntryForm = { compressed: 0x40000000, copied: 0x80000000, hostHigh: 0x00ffffff, hostLow: 0xfffffe00, zero: 0, reservedHigh: 0x3f000000, reservedLow: 0x1ff }
const formV3: EntryForm = { ...formV2, zero: 1, reservedLow: 0x1fe }

export const formOf = (h: ImageHeader): EntryForm => (h.version === 1 ? formV1 : h.version === 3 && h.entryBytes === 8 ? formV3 : formV2)

/** Whether a cluster that an entry names can be one. `table`: it is an L2 table. */
export type Plausible = (host: number, table: boolean) => boolean

/** Of an extended entry: which 32nds of the cluster read as zeroes, and which are there. */
export interface Units {
  readonly zero: number
  readonly allocated: number
}

const L1_SECTOR = 512
const ENTRY_LOW = Entry.at.low
const BAD_TABLE = -1

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
  l1Host: Float64Array
  l1Copied: Uint8Array
  private readonly l1Dirty = new Set<number>()
  /** Entries that cannot be, as they are in the file: they stay what they are. */
  private readonly l1Bad = new Map<number, { high: number; low: number }>()
  l1Offset: number

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
    this.l1Offset = header.l1Offset
    this.l1Host = new Float64Array(header.l1Entries)
    this.l1Copied = new Uint8Array(header.l1Entries)
    this.cache = new SliceCache(file, sliceBytes, cacheBytes, (key) => this.sliceAt(key), (slice) => this.checkSlice(slice))
  }

  /** Read the L1 table. Entries that cannot be are remembered as bad. */
  async readL1(file: IoFile, header: ImageHeader): Promise<void> {
    const bytes = await readBytes(file, header.l1Offset, header.l1Entries * Entry.size)
    const view = new DataView(bytes.buffer)
    const { form } = this
    const seen = new Set<number>()
    for (let i = 0; i < header.l1Entries; i++) {
      const high = view.getUint32(i * Entry.size)
      const low = view.getUint32(i * Entry.size + ENTRY_LOW)
      const host = this.hostOf(high, low)
      const reserved = header.version === 1 ? (high & 0x80000000) !== 0 : ((high & 0x7f000000) | (low & 0x1ff)) !== 0
      this.l1Host[i] = reserved || (host !== 0 && (seen.has(host) || !this.plausible(host, true))) ? BAD_TABLE : host
      seen.add(host)
      if (this.l1Host[i] === BAD_TABLE) this.l1Bad.set(i, { high, low })
      this.l1Copied[i] = form.copied === 0 || (high & form.copied) !== 0 ? 1 : 0
    }
  }

  hostOf(high: number, low: number): number {
    return (high & this.form.hostHigh) * TWO32 + ((low & this.form.hostLow) >>> 0)
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
    const table = this.l1Host[l1]!
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
    return this.l1Host[table]! + (key - table * this.slicesPerTable) * this.cache.sliceBytes
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
    return { high: (Math.floor(host / TWO32) | this.form.copied) >>> 0, low: host % TWO32 }
  }

  setTable(l1: number, host: number): void {
    this.l1Host[l1] = host
    this.l1Copied[l1] = 1
    this.l1Dirty.add(Math.floor((l1 * Entry.size) / L1_SECTOR))
  }

  encodeL1(first: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count * Entry.size)
    for (let i = 0; i < count; i++) {
      const host = this.l1Host[first + i] ?? 0
      const bad = this.l1Bad.get(first + i)
      if (bad) Entry.encode(bad, bytes, i * Entry.size)
      if (host <= 0) continue
      const copied = this.l1Copied[first + i] ? this.form.copied : 0
      Entry.encode({ high: (Math.floor(host / TWO32) | copied) >>> 0, low: host % TWO32 }, bytes, i * Entry.size)
    }
    return bytes
  }

  /** Changed parts of the L1 table, as they are now. */
  takeL1(): Changes {
    const sectors = [...this.l1Dirty]
    this.l1Dirty.clear()
    const per = L1_SECTOR / Entry.size
    const pieces = sectors.map((s): Piece => ({
      offset: this.l1Offset + s * L1_SECTOR, bytes: this.encodeL1(s * per, Math.min(per, this.l1Host.length - s * per)),
    }))
    return { pieces, done: (written) => { if (!written) for (const s of sectors) this.l1Dirty.add(s) } }
  }

  /** The L1 table is at another place now, and longer; what changed and was not written yet goes there. */
  moveL1(offset: number, entries: number): void {
    const host = new Float64Array(entries)
    const copied = new Uint8Array(entries).fill(1)
    host.set(this.l1Host)
    copied.set(this.l1Copied)
    this.l1Host = host
    this.l1Copied = copied
    this.l1Offset = offset
  }

  get l1Changed(): boolean {
    return this.l1Dirty.size > 0
  }
}
