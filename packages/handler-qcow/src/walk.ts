import type { IoFile } from '@tcmu/host/handler'
import { packedOf } from './compressed'
import { readBytes } from './disk'
import { BitmapEntry, BitmapsExtension, Entry, ExtensionType, TWO32 } from './format'
import type { ImageHeader } from './header'
import type { Mapping } from './mapping'
import type { Refcounts } from './refcounts'
import type { Snapshot } from './snapshots'

export interface WalkParts {
  readonly file: IoFile
  readonly header: ImageHeader
  readonly mapping: Mapping
  readonly refcounts: Refcounts
  readonly snapshots: readonly Snapshot[]
  readonly snapshotBytes: number
  readonly fileEnd: () => number
}

export interface Visitor {
  /** One more reference on each cluster that [offset, offset+length) touches. */
  use(offset: number, length: number): void | Promise<void>
  /** Something points to where nothing can be. */
  problem(reason: string): void
  readonly stopped: boolean
}

const MAX_DIRECTORY = 64 * 2 ** 20
const hostOf = (high: number, low: number): number => (high & 0x00ffffff) * TWO32 + ((low & 0xfffffe00) >>> 0)

/** Every reference there is in versions 2 and 3, one after the other, read from the file. */
export class Walk {
  constructor(private readonly parts: WalkParts, private readonly visitor: Visitor) {}

  async run(): Promise<void> {
    const { header, refcounts, mapping, snapshots, snapshotBytes } = this.parts
    const { clusterSize } = header
    await this.visitor.use(0, clusterSize)
    await this.visitor.use(refcounts.tableOffset, refcounts.tableClusters * clusterSize)
    for (const block of refcounts.table) if (block > 0) await this.visitor.use(block, clusterSize)
    if (mapping.l1.host.length > 0) await this.visitor.use(mapping.l1.offset, mapping.l1.host.length * Entry.size)
    if (snapshotBytes > 0) await this.visitor.use(header.snapshots.offset, snapshotBytes)
    await this.tables(mapping.l1.host)
    for (const s of snapshots) await this.snapshot(s)
    await this.bitmaps()
  }

  private async snapshot(s: Snapshot): Promise<void> {
    if (s.l1Entries === 0) return
    await this.visitor.use(s.l1Offset, s.l1Entries * Entry.size)
    const l1 = new Float64Array(s.l1Entries)
    await this.entries(s.l1Offset, s.l1Entries, (high, low, i) => void (l1[i] = hostOf(high, low)))
    await this.tables(l1)
  }

  private async entries(offset: number, count: number, each: (high: number, low: number, index: number) => void | Promise<void>, stride: number = Entry.size): Promise<void> {
    const bytes = await readBytes(this.parts.file, offset, count * stride)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < count; i++) {
      const waiting = each(view.getUint32(i * stride), view.getUint32(i * stride + Entry.at.low), i)
      if (waiting) await waiting
    }
  }

  private plausible(offset: number, length: number): boolean {
    const fine = offset > 0 && offset % this.parts.header.clusterSize === 0 && offset + length <= this.parts.fileEnd()
    if (!fine) this.visitor.problem(`an entry points to ${offset}, where nothing can be`)
    return fine
  }

  private async tables(l1: Float64Array): Promise<void> {
    const { header } = this.parts
    for (let i = 0; i < l1.length && !this.visitor.stopped; i++) {
      const table = l1[i]!
      if (table === 0) continue
      if (table < 0 || !this.plausible(table, header.clusterSize)) {
        this.visitor.problem(`L1 entry ${i} is damaged`)
        continue
      }
      await this.visitor.use(table, header.clusterSize)
      await this.entries(table, header.tableEntries, (high, low) => this.entry(high, low), header.entryBytes)
    }
  }

  private entry(high: number, low: number): void | Promise<void> {
    const { header } = this.parts
    if ((high & this.parts.mapping.form.compressed) !== 0) {
      const { offset, length } = packedOf(header, high, low)
      if (offset < this.parts.fileEnd()) return this.visitor.use(offset, Math.min(length, this.parts.fileEnd() - offset))
      this.visitor.problem(`a compressed cluster is at ${offset}, behind the end`)
      return undefined
    }
    const host = hostOf(high, low)
    if (host === 0 || header.dataFile !== undefined) return undefined
    return this.plausible(host, header.clusterSize) ? this.visitor.use(host, header.clusterSize) : undefined
  }

  /** Persistent bitmaps: their directory, their tables, their clusters. */
  private async bitmaps(): Promise<void> {
    const { header, file, fileEnd } = this.parts
    const data = header.extensions.find((e) => e.type === ExtensionType.BITMAPS)?.data
    if (!data || data.length < BitmapsExtension.size) return
    const { count, directorySize, directoryOffset } = BitmapsExtension.decode(data)
    if (count === 0) return
    if (directorySize > MAX_DIRECTORY || !this.plausible(directoryOffset, 0) || directoryOffset + directorySize > fileEnd()) {
      return this.visitor.problem('the directory of bitmaps is not inside the file')
    }
    await this.visitor.use(directoryOffset, directorySize)
    const directory = await readBytes(file, directoryOffset, directorySize)
    for (let at = 0, n = 0; n < count && at + BitmapEntry.size <= directory.length; n++) {
      const b = BitmapEntry.decode(directory, at)
      at += Math.ceil((BitmapEntry.size + b.extraLength + b.nameLength) / 8) * 8
      if (!this.plausible(b.tableOffset, b.tableEntries * Entry.size) || b.tableEntries * Entry.size > MAX_DIRECTORY) continue
      await this.visitor.use(b.tableOffset, b.tableEntries * Entry.size)
      await this.entries(b.tableOffset, b.tableEntries, (high, low) => {
        const host = hostOf(high, low)
        return host !== 0 && this.plausible(host, header.clusterSize) ? this.visitor.use(host, header.clusterSize) : undefined
      })
    }
  }
}
