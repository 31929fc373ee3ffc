import type { IoFile } from '@tcmu/host/handler'
import type { Clusters, Dropped, Taken } from './clusters'
import { ioFault } from './refuse'

/** Version 1: nothing is counted, new clusters come at the end, unused ones are lost. */
export class AppendedClusters implements Clusters {
  readonly waiting = false
  private end: number

  constructor(private readonly file: IoFile, private readonly clusterSize: number) {
    this.end = Math.ceil(file.size / clusterSize)
  }

  get endBytes(): number {
    return this.end * this.clusterSize
  }

  take(count: number): Taken | undefined {
    if (this.file.blockDevice) return undefined
    const first = this.end
    this.end += count
    return { first, count, pristine: true }
  }

  refill(): Promise<void> {
    return this.file.blockDevice ? Promise.reject(ioFault('ENOSPC', this.file.path, 'version 1 images do not grow on a block device')) : Promise.resolve()
  }

  drop(): void {
    // Version 1 has no way to use it again.
  }
  takeDropped(): Dropped {
    return new Map()
  }
  async settle(): Promise<void> {
    // Nothing was dropped.
  }
}
