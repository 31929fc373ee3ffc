import type { IoFile } from '@tcmu/host/handler'
import type { Clusters } from './clusters'
import { readBytes, writeBytes, writeZeroes } from './disk'
import type { Mapping } from './mapping'
import type { Slice } from './slices'
import type { Territory } from './territory'

export interface TablesParts {
  readonly file: IoFile
  readonly mapping: Mapping
  readonly clusters: Clusters
  /** Bytes of an L2 table: a cluster, in version 1 any power of two. */
  readonly tableBytes: number
  readonly territory: Territory
}

/** Makes L2 tables for places that have none, and copies those that belong to a snapshot as well. */
export class Tables {
  private readonly making = new Map<number, Promise<void>>()

  constructor(private readonly parts: TablesParts) {}

  /** The slice for `offset` may be changed: it is in memory, of a table of its own. */
  ready(offset: number): Slice | undefined {
    const { mapping } = this.parts
    return mapping.l1.copied[mapping.tableOf(offset)] === 1 ? mapping.cache.get(mapping.keyOf(offset)) : undefined
  }

  /** Look at `ready` again when this settles. */
  async prepare(offset: number): Promise<void> {
    const { mapping } = this.parts
    const l1 = mapping.tableOf(offset)
    if (mapping.l1.host[l1]! > 0 && mapping.l1.copied[l1] === 1) {
      await mapping.load(offset)
      return
    }
    const there = this.making.get(l1)
    if (there) return there
    const making = (mapping.l1.host[l1]! > 0 ? this.copy(l1) : this.make(l1)).finally(() => this.making.delete(l1))
    this.making.set(l1, making)
    return making
  }

  /** Room for a table, counted: of whole clusters that are neighbours. */
  private async room(): Promise<number> {
    const { clusters, mapping, tableBytes } = this.parts
    const wanted = Math.max(1, Math.ceil(tableBytes / mapping.clusterSize))
    for (;;) {
      const taken = clusters.take(wanted)
      if (taken?.count === wanted) {
        this.parts.territory.own(taken.first * mapping.clusterSize, wanted * mapping.clusterSize)
        return taken.first * mapping.clusterSize
      }
      if (taken) clusters.drop(taken.first * mapping.clusterSize, taken.count * mapping.clusterSize)
      else await clusters.refill()
    }
  }

  /** The table is zeroes on the medium before anything can point to it: no round writes the L1 entry without a sync first. */
  private async make(l1: number): Promise<void> {
    const { file, mapping, tableBytes } = this.parts
    const at = await this.room()
    await writeZeroes(file, at, Math.max(tableBytes, mapping.clusterSize))
    mapping.l1.set(l1, at)
  }

  private async copy(l1: number): Promise<void> {
    const { file, mapping, clusters, tableBytes } = this.parts
    const from = mapping.l1.host[l1]!
    const at = await this.room()
    // A shared table is never changed in memory, so the file has all of it.
    await writeBytes(file, at, await readBytes(file, from, tableBytes))
    mapping.l1.set(l1, at)
    clusters.drop(from, tableBytes)
  }
}
