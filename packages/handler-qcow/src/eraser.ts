import { Status } from '@tcmu/host/handler'
import { Segments } from '@tcmu/host/scsi'
import { SUBCLUSTERS } from './format'
import { Kind } from './mapping'
import type { Slice } from './slices'
import type { ImageWriter, WriterParts } from './writer'

/** How many slices are gone through before others get a turn. */
const TURN = 64
const ALL = 0xffffffff

/** Makes ranges read as zeroes by their entries alone. */
export class Eraser {
  constructor(private readonly parts: WriterParts, private readonly writer: ImageWriter) {}

  /** Nothing below shows at a position, or from there on. */
  private bare(offset: number): boolean {
    return offset >= (this.parts.reader.backing?.size ?? 0)
  }

  private get hasZeroes(): boolean {
    return this.parts.header.version === 3
  }

  /** Whole units inside a range; the last one of the disk counts as whole. */
  private inner(offset: number, length: number): { from: number; to: number } {
    const { unitSize } = this.parts.mapping
    const end = offset + length
    const from = Math.ceil(offset / unitSize) * unitSize
    const to = end === this.parts.reader.size ? Math.ceil(end / unitSize) * unitSize : Math.floor(end / unitSize) * unitSize
    return { from, to }
  }

  /** Free what lies in the whole units of a range. What version 2 cannot say stays as it is: the layer below would show. */
  async unmap(offset: number, length: number): Promise<Status> {
    const { from, to } = this.inner(offset, length)
    const visible = Math.ceil((this.parts.reader.backing?.size ?? 0) / this.parts.mapping.unitSize) * this.parts.mapping.unitSize
    const start = this.hasZeroes ? from : Math.max(from, visible)
    if (start < to) await this.erase(start, to, false)
    return Status.OK
  }

  /** Make all of a range zeroes; its storage stays. NOT_HANDLED when the entries cannot say so. */
  async zero(offset: number, length: number): Promise<Status> {
    if (!this.hasZeroes && (this.parts.header.version === 1 || !this.bare(offset))) return Status.NOT_HANDLED
    const { from, to } = this.inner(offset, length)
    if (from >= to) return this.writeZeroes(offset, length)
    await this.writeZeroes(offset, from - offset)
    await this.erase(from, to, true)
    return this.writeZeroes(to, offset + length - to)
  }

  private async writeZeroes(offset: number, length: number): Promise<Status> {
    return length > 0 ? this.writer.write(Segments.allocate(length), offset) : Status.OK
  }

  private async erase(from: number, to: number, keep: boolean): Promise<void> {
    for (let at = from, turn = 1; at < to; turn++) {
      await this.parts.admit()
      const step = this.begin(at, to, keep)
      at += typeof step === 'number' ? step : await step
      if (turn % TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** How far it went; a promise of that, 0 to look again. */
  private begin(at: number, to: number, keep: boolean): number | Promise<number> {
    const { mapping, tables, writeBack, reader } = this.parts
    const l1 = mapping.tableOf(at)
    const table = mapping.l1.host[l1]!
    if (table < 0) throw reader.damage(at)
    if (table === 0 && this.bare(at)) return (l1 + 1) * mapping.tableSpan - at
    const again = (work: Promise<unknown>): Promise<number> => work.then(() => 0)
    if (writeBack.full) return again(writeBack.flush())
    const slice = tables.ready(at)
    if (!slice) return again(tables.prepare(at))
    const cluster = Math.floor(at / mapping.clusterSize)
    const busy = this.writer.locks.conflict(cluster, 1)
    if (busy) return again(busy)
    const end = Math.min(to, (mapping.keyOf(at) + 1) * mapping.sliceSpan)
    const count = this.writer.locks.free(cluster, Math.ceil(end / mapping.clusterSize) - cluster)
    const until = Math.min(end, (cluster + count) * mapping.clusterSize)
    if (this.parts.external) return this.eraseExternal(slice, at, until, keep)
    this.eraseIn(slice, at, until, keep)
    return this.compressedLeft(at, until) ?? until - at
  }

  /** The other file keeps what it has when an entry says zeroes, and must not: it may be read raw. */
  private async eraseExternal(slice: Slice, at: number, until: number, keep: boolean): Promise<number> {
    const { clusterSize } = this.parts.mapping
    const cluster = Math.floor(at / clusterSize)
    const { reader } = this.parts
    slice.pins++
    try {
      await this.writer.locks.hold(cluster, Math.ceil(until / clusterSize) - cluster, async () => {
        const length = Math.min(until, reader.size) - at
        const status = length > 0 ? await reader.data.zero(at, length, keep) : Status.OK
        if (status === Status.NOT_HANDLED) await reader.data.writev(Segments.allocate(length), at)
        this.eraseIn(slice, at, until, keep)
      })
    } finally {
      slice.pins--
    }
    return until - at
  }

  private eraseIn(slice: Slice, at: number, until: number, keep: boolean): void {
    const { mapping } = this.parts
    for (let start = Math.floor(at / mapping.clusterSize) * mapping.clusterSize; start < until; start += mapping.clusterSize) {
      const first = Math.max(at, start) - start
      const end = Math.min(until, start + mapping.clusterSize) - start
      mapping.find(start, mapping.clusterSize)
      if (mapping.kind === Kind.BAD) throw this.parts.reader.damage(start)
      if (end - first === mapping.clusterSize) this.eraseCluster(slice, start, keep)
      else if (mapping.kind !== Kind.COMPRESSED) this.eraseUnits(slice, first / mapping.unitSize, end / mapping.unitSize)
    }
    this.parts.changed()
  }

  /** What `find` just found. */
  private eraseCluster(slice: Slice, start: number, keep: boolean): void {
    const { mapping, external } = this.parts
    const { high, low, index } = mapping
    const none = { zero: mapping.extended ? ALL : 0, allocated: 0 }
    if (keep && mapping.owns && this.hasZeroes) {
      mapping.put(slice, index, high, (low | mapping.form.zero) >>> 0, none)
      return
    }
    const shown = !this.bare(start) || external
    if (shown && this.hasZeroes) mapping.put(slice, index, 0, mapping.form.zero, none)
    else mapping.put(slice, index, 0, 0, { zero: 0, allocated: 0 })
    if (!external) this.writer.dropOld(high, low)
  }

  private eraseUnits(slice: Slice, first: number, end: number): void {
    const { mapping } = this.parts
    const mask = end - first >= SUBCLUSTERS ? ALL : ((2 ** (end - first) - 1) * 2 ** first) >>> 0
    const before = mapping.unitsOf(slice, mapping.index)
    mapping.put(slice, mapping.index, mapping.high, mapping.low, { zero: (before.zero | mask) >>> 0, allocated: (before.allocated & ~mask) >>> 0 })
  }

  /** Parts of compressed clusters have no bits of their own: zeroes are written there. At most the first and the last cluster. */
  private compressedLeft(at: number, until: number): Promise<number> | undefined {
    const { mapping } = this.parts
    const { clusterSize } = mapping
    const edges = [at, until].filter((edge) => {
      if (edge % clusterSize === 0) return false
      mapping.find(edge === at ? at : edge - 1, 1)
      return mapping.kind === Kind.COMPRESSED
    })
    if (edges.length === 0) return undefined
    const writes = edges.map((edge) => {
      const start = Math.floor(edge / clusterSize) * clusterSize
      const from = Math.max(at, start)
      return this.writeZeroes(from, Math.min(until, start + clusterSize) - from)
    })
    return Promise.all(writes).then(() => until - at)
  }
}
