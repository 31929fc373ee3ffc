import { Entry, TWO32 } from './format'
import { refuse } from './refuse'
import { readBytes, writeBytes } from './disk'
import { Walk, type Visitor, type WalkParts } from './walk'

/** Bytes of counts in memory while they are made anew, two for each cluster. */
const MAX_MEMORY = 2 ** 29

/** Counts of references, by refcount block. */
class Tally implements Visitor {
  readonly stopped = false
  readonly blocks = new Map<number, Uint16Array>()

  constructor(private readonly parts: WalkParts) {}

  private wrong(reason: string): Error {
    return refuse('E_QCOW_DIRTY', { path: this.parts.file.path, reason })
  }

  use(offset: number, length: number): void {
    const { header, refcounts } = this.parts
    const last = Math.ceil((offset + length) / header.clusterSize)
    for (let c = Math.floor(offset / header.clusterSize); c < last; c++) {
      const index = refcounts.blockOf(c)
      let block = this.blocks.get(index)
      if (!block) {
        if ((this.blocks.size + 1) * refcounts.perBlock * 2 > MAX_MEMORY) throw this.wrong('it has too many clusters to count in memory')
        this.blocks.set(index, (block = new Uint16Array(refcounts.perBlock)))
      }
      const at = c % refcounts.perBlock
      if (block[at]! >= Math.min(refcounts.form.max, 65_535)) throw this.wrong(`cluster ${c} is used more often than can be counted`)
      block[at]!++
    }
  }

  problem(reason: string): void {
    throw this.wrong(reason)
  }

  of(cluster: number): number {
    return this.blocks.get(this.parts.refcounts.blockOf(cluster))?.[cluster % this.parts.refcounts.perBlock] ?? 0
  }
}

/**
 * Make the counts of an image that was not closed what its references say, and the "copied" bits of its tables what the
 * counts say. Nothing else is under way. Rejects with E_QCOW_DIRTY and changes nothing when the references make no sense.
 */
export async function repair(parts: WalkParts): Promise<{ changed: number }> {
  const tally = new Tally(parts)
  await new Walk(parts, tally).run()
  const missing = [...tally.blocks.keys()].filter((b) => !parts.refcounts.has(b * parts.refcounts.perBlock))
  if (missing.length > 0) {
    // A new block is a new reference, so everything is counted again.
    for (const b of missing) await parts.refcounts.makeBlock(b * parts.refcounts.perBlock)
    return repair(parts)
  }
  let changed = await fixCounts(parts, tally)
  changed += await fixCopied(parts, tally)
  return { changed }
}

async function fixCounts(parts: WalkParts, tally: Tally): Promise<number> {
  const { refcounts } = parts
  let changed = 0
  for (let b = 0; b < refcounts.table.length; b++) {
    if (refcounts.table[b]! <= 0) continue
    for (let i = 0; i < refcounts.perBlock; i++) {
      const cluster = b * refcounts.perBlock + i
      const slice = refcounts.slice(cluster)!
      const there = slice instanceof Promise ? await slice : slice
      const wanted = tally.of(cluster)
      if (refcounts.form.get(there.view, cluster % refcounts.perSlice) === wanted) continue
      refcounts.put(there, cluster, wanted)
      changed++
    }
    if (refcounts.cache.full) await writeOut(parts)
  }
  await writeOut(parts)
  return changed
}

async function writeOut({ file, refcounts }: WalkParts): Promise<void> {
  const changes = refcounts.cache.take()
  for (const p of changes.pieces) await writeBytes(file, p.offset, p.bytes)
  changes.done(true)
  await file.sync()
  const table = refcounts.takeTable()
  for (const p of table.pieces) await writeBytes(file, p.offset, p.bytes)
  refcounts.fresh = false
  await file.sync()
}

/** In the active tables: "copied" is set exactly where the count is 1. */
async function fixCopied(parts: WalkParts, tally: Tally): Promise<number> {
  const { file, header, mapping } = parts
  const single = (host: number): boolean => tally.of(host / header.clusterSize) === 1
  let changed = 0
  for (let i = 0; i < mapping.l1.host.length; i++) {
    const table = mapping.l1.host[i]!
    if (table === 0) continue
    if ((mapping.l1.copied[i] === 1) !== single(table)) {
      mapping.l1.set(i, table)
      mapping.l1.copied[i] = single(table) ? 1 : 0
      changed++
    }
    if (header.dataFile === undefined) changed += await fixTable(parts, table, single)
  }
  for (const p of mapping.l1.take().pieces) await writeBytes(file, p.offset, p.bytes)
  return changed
}

async function fixTable(parts: WalkParts, table: number, single: (host: number) => boolean): Promise<number> {
  const { file, header, mapping } = parts
  const bytes = await readBytes(file, table, header.clusterSize)
  const view = new DataView(bytes.buffer)
  let changed = 0
  for (let at = 0; at < bytes.length; at += header.entryBytes) {
    const high = view.getUint32(at)
    const host = mapping.hostOf(high, view.getUint32(at + Entry.at.low))
    if (host === 0 || (high & mapping.form.compressed) !== 0) continue
    const wanted = single(host) ? (high | mapping.form.copied) >>> 0 : high % (TWO32 / 2)
    if (wanted === high) continue
    view.setUint32(at, wanted)
    changed++
  }
  if (changed > 0) await writeBytes(file, table, bytes)
  return changed
}
