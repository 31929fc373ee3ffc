import type { IoFile } from '@tcmu/host/handler'
import { type CountForm, countForm } from './counts'
import { readBytes, writeBytes, writeZeroes } from './disk'
import { Entry, Header, TWO32 } from './format'
import type { ImageHeader } from './header'
import { ioFault } from './refuse'
import { type Changes, MAX_SLICE, type Slice, SliceCache } from './slices'

const TABLE_SECTOR = 512
/** QEMU opens no image with a larger refcount table. */
const MAX_TABLE_BYTES = 8 * 2 ** 20
const BAD_BLOCK = -1

/** Where new metadata may lie: asked by `Refcounts` when it makes blocks and tables of its own. */
export interface Space {
  /** First cluster at or after `cluster`, below `end`, that is surely nobody's; undefined when there is none. */
  firstFree(cluster: number, end: number): number | undefined
  /** Metadata lies there now; the file reaches at least to its end. */
  claim(cluster: number, count: number): void
  /** Metadata is not there any more once what is in memory is on the medium. */
  giveUp(cluster: number, count: number): void
}

/** Reference counts of versions 2 and 3: the table in memory, blocks in a cache. */
export class Refcounts {
  readonly form: CountForm
  readonly cache: SliceCache
  readonly perBlock: number
  readonly perSlice: number
  private readonly slicesPerBlock: number
  table: Float64Array
  tableOffset: number
  tableClusters: number
  private readonly tableDirty = new Set<number>()
  /** A block was made that is not yet known to be on the medium; the table must not name it before. */
  fresh = false

  constructor(private readonly file: IoFile, header: ImageHeader, cacheBytes: number, private readonly space: Space, private readonly clusterSize: number) {
    const { tableOffset, tableClusters, order } = header.refcounts!
    this.form = countForm(order)
    this.perBlock = (clusterSize * 8) / this.form.bits
    const sliceBytes = Math.min(MAX_SLICE, clusterSize)
    this.slicesPerBlock = clusterSize / sliceBytes
    this.perSlice = this.perBlock / this.slicesPerBlock
    this.tableOffset = tableOffset
    this.tableClusters = tableClusters
    this.table = new Float64Array((tableClusters * clusterSize) / Entry.size)
    this.cache = new SliceCache(file, sliceBytes, cacheBytes, (key) => this.sliceAt(key))
  }

  /** Read the table; `plausible` tells whether a block can be at a position. True when every entry can be. */
  async readTable(plausible: (host: number) => boolean): Promise<boolean> {
    const bytes = await readBytes(this.file, this.tableOffset, this.tableClusters * this.clusterSize)
    const view = new DataView(bytes.buffer)
    const seen = new Set<number>()
    let fine = true
    for (let i = 0; i < this.table.length; i++) {
      const high = view.getUint32(i * Entry.size)
      const low = view.getUint32(i * Entry.size + Entry.at.low)
      const host = high * TWO32 + (low & 0xfffffe00) + ((low & 0xfffffe00) < 0 ? TWO32 : 0)
      if (high === 0 && low === 0) continue
      const ok = (low & 0x1ff) === 0 && host !== 0 && plausible(host) && !seen.has(host)
      seen.add(host)
      fine &&= ok
      this.table[i] = ok ? host : BAD_BLOCK
    }
    return fine
  }

  blockOf(cluster: number): number {
    return Math.floor(cluster / this.perBlock)
  }

  /** Position of the block for a cluster; 0 when there is none, so that its count is 0. Throws EIO for a bad one. */
  private blockAt(cluster: number): number {
    const at = this.table[this.blockOf(cluster)] ?? 0
    if (at === BAD_BLOCK) throw ioFault('EIO', this.file.path, `the refcount table's entry for cluster ${cluster} is damaged`)
    return at
  }

  has(cluster: number): boolean {
    return (this.table[this.blockOf(cluster)] ?? 0) > 0
  }

  /** The slice that counts `cluster`: now, later, or undefined when there is no block for it. */
  slice(cluster: number): Slice | Promise<Slice> | undefined {
    const key = Math.floor(cluster / this.perSlice)
    const there = this.cache.get(key)
    if (there) return there
    const block = this.blockAt(cluster)
    return block === 0 ? undefined : this.cache.load(key)
  }

  private sliceAt(key: number): number {
    return this.table[Math.floor(key / this.slicesPerBlock)]! + (key % this.slicesPerBlock) * this.cache.sliceBytes
  }

  async get(cluster: number): Promise<number> {
    const slice = await this.slice(cluster)
    return slice ? this.form.get(slice.view, cluster % this.perSlice) : 0
  }

  /** The block exists. */
  async set(cluster: number, value: number): Promise<void> {
    const slice = (await this.slice(cluster))!
    this.put(slice, cluster, value)
  }

  put(slice: Slice, cluster: number, value: number): void {
    this.form.set(slice.view, cluster % this.perSlice, value)
    this.cache.touch(slice)
  }

  private setBlock(index: number, host: number): void {
    this.table[index] = host
    this.tableDirty.add(Math.floor((index * Entry.size) / TABLE_SECTOR))
    this.fresh = true
  }

  /** Make the block for `cluster`, in a cluster that it counts itself. One at a time. Rejects with ENOSPC or EFBIG. */
  async makeBlock(cluster: number): Promise<void> {
    const index = this.blockOf(cluster)
    if (index >= this.table.length) return this.growTable(index)
    const first = index * this.perBlock
    const at = this.space.firstFree(first, first + this.perBlock)
    if (at === undefined) throw ioFault('ENOSPC', this.file.path, `no room for the reference counts of cluster ${cluster}`)
    const block = new Uint8Array(this.clusterSize)
    this.form.set(new DataView(block.buffer), at - first, 1)
    this.space.claim(at, 1)
    await writeBytes(this.file, at * this.clusterSize, block)
    this.setBlock(index, at * this.clusterSize)
  }

  /**
   * A longer table, at the first cluster that the old one could not count, with the blocks that count it in front: so
   * nothing that is in use has to move. The header is changed in one write, once all of it is on the medium.
   */
  private async growTable(index: number): Promise<void> {
    const first = this.table.length * this.perBlock
    const perCluster = this.clusterSize / Entry.size
    const start = this.space.firstFree(first, Number.MAX_SAFE_INTEGER)
    if (start === undefined) throw ioFault('ENOSPC', this.file.path, 'no room for a longer refcount table')
    const base = this.blockOf(start) * this.perBlock
    let clusters = Math.max(this.tableClusters + 1, Math.ceil(this.tableClusters * 1.5))
    let blocks = 1
    const lastBlock = (): number => this.blockOf(start + blocks + clusters - 1)
    while (blocks < lastBlock() - this.blockOf(base) + 1 || clusters * perCluster <= Math.max(index, lastBlock())) {
      blocks = lastBlock() - this.blockOf(base) + 1
      clusters = Math.max(clusters, Math.ceil((Math.max(index, lastBlock()) + 1) / perCluster))
    }
    if (clusters * this.clusterSize > MAX_TABLE_BYTES) throw ioFault('EFBIG', this.file.path, 'its refcount table would be longer than QEMU opens')
    const table = new Float64Array(clusters * perCluster)
    table.set(this.table)
    for (let i = 0; i < blocks; i++) table[this.blockOf(base) + i] = (start + i) * this.clusterSize
    this.space.claim(start, blocks + clusters)
    await this.writeCounted(start, blocks, base, blocks + clusters)
    await this.switchTable(table, start + blocks, clusters)
  }

  /** The blocks at `start`, counting [start, start+used) of what begins at `base`. */
  private async writeCounted(start: number, blocks: number, base: number, used: number): Promise<void> {
    for (let b = 0; b < blocks; b++) {
      const block = new Uint8Array(this.clusterSize)
      const view = new DataView(block.buffer)
      const first = base + b * this.perBlock
      for (let c = Math.max(first, start); c < Math.min(first + this.perBlock, start + used); c++) this.form.set(view, c - first, 1)
      await writeBytes(this.file, (start + b) * this.clusterSize, block)
    }
  }

  private async switchTable(table: Float64Array, at: number, clusters: number): Promise<void> {
    const old = { cluster: this.tableOffset / this.clusterSize, clusters: this.tableClusters }
    await writeZeroes(this.file, at * this.clusterSize, clusters * this.clusterSize)
    await writeBytes(this.file, at * this.clusterSize, encodeTable(table, 0, table.length))
    await this.file.sync()
    const both = Header.encode({ refcountTableOffset: at * this.clusterSize, refcountTableClusters: clusters })
    await writeBytes(this.file, Header.at.refcountTableOffset, both.slice(Header.at.refcountTableOffset, Header.at.snapshots))
    this.table = table
    this.tableOffset = at * this.clusterSize
    this.tableClusters = clusters
    this.tableDirty.clear()
    await this.file.sync()
    this.fresh = false
    this.space.giveUp(old.cluster, old.clusters)
  }

  /** Changed parts of the table, as they are now. */
  takeTable(): Changes {
    const sectors = [...this.tableDirty]
    this.tableDirty.clear()
    const per = TABLE_SECTOR / Entry.size
    const at = this.tableOffset
    return {
      pieces: sectors.map((s) => ({ offset: at + s * TABLE_SECTOR, bytes: encodeTable(this.table, s * per, per) })),
      done: (written) => { if (!written && at === this.tableOffset) for (const s of sectors) this.tableDirty.add(s) },
    }
  }
}

function encodeTable(table: Float64Array, first: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * Entry.size)
  for (let i = 0; i < count; i++) {
    const host = Math.max(0, table[first + i] ?? 0)
    if (host !== 0) Entry.encode({ high: Math.floor(host / TWO32), low: host % TWO32 }, bytes, i * Entry.size)
  }
  return bytes
}
