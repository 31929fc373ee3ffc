import type { IoFile } from '@tcmu/host/handler'
import { type BlockIo, type BlockOps, type Result, Status, type Segments } from '@tcmu/host/scsi'
import type { Zone } from './zone'
import type { ZoneTable } from './zones'

/** The bytes of the zones in the file. Whether a range may be read or written is not asked here. */
export class Medium implements BlockOps {
  constructor(private readonly file: IoFile, private readonly table: () => ZoneTable, private readonly lbaBytes: number) {}

  /** Where in the file a range is that needs nothing else; -1: it lies in several zones, or reads as zeroes. */
  place(offset: number, length: number, write: boolean): number {
    const { lbaBytes } = this
    const lba = offset / lbaBytes
    const zone = this.table().at(lba)
    return lba + length / lbaBytes <= (write ? zone.end : zone.readable) ? zone.offset + (lba - zone.start) * lbaBytes : -1
  }

  /** What lies above a write pointer, and zones without storage, read as zeroes. */
  read(io: BlockIo): Result {
    const { lbaBytes } = this
    const lba = io.offset / lbaBytes
    const end = lba + io.length / lbaBytes
    const zone = this.table().at(lba)
    if (end <= zone.readable) return this.file.readv(io.data, zone.offset + (lba - zone.start) * lbaBytes)
    if (end <= zone.end && lba >= zone.readable) {
      io.data.zero()
      return Status.OK
    }
    return this.readPieces(io.data, lba, end)
  }

  private readPieces(data: Segments, from: number, to: number): Result {
    const reads: Promise<Status>[] = []
    this.pieces(from, to, (zone, lba, end) => {
      const at = (lba - from) * this.lbaBytes
      const there = Math.max(lba, Math.min(end, zone.readable))
      if (there > lba) reads.push(this.readAt(data.slice(at, (there - lba) * this.lbaBytes), zone.offset + (lba - zone.start) * this.lbaBytes))
      if (end > there) data.zero((there - from) * this.lbaBytes, (end - there) * this.lbaBytes)
    })
    return reads.length === 0 ? Status.OK : Promise.all(reads).then(() => Status.OK)
  }

  private async readAt(data: Segments, offset: number): Promise<Status> {
    return this.file.readv(data, offset)
  }
  private async writeAt(data: Segments, offset: number): Promise<Status> {
    return this.file.writev(data, offset)
  }

  write(io: BlockIo): Result {
    const { lbaBytes } = this
    const lba = io.offset / lbaBytes
    const end = lba + io.length / lbaBytes
    const zone = this.table().at(lba)
    if (end <= zone.end) return this.file.writev(io.data, zone.offset + (lba - zone.start) * lbaBytes)
    const writes: Promise<Status>[] = []
    this.pieces(lba, end, (z, start, stop) => {
      const part = io.data.slice((start - lba) * lbaBytes, (stop - start) * lbaBytes)
      writes.push(this.writeAt(part, z.offset + (start - z.start) * lbaBytes))
    })
    return Promise.all(writes).then(() => Status.OK)
  }

  private pieces(from: number, to: number, fn: (zone: Zone, lba: number, end: number) => void): void {
    const { zones } = this.table()
    let lba = from
    for (let zone: Zone | undefined = this.table().at(from); zone && lba < to; zone = zones[zone.index + 1]) {
      const end = Math.min(to, zone.end)
      fn(zone, lba, end)
      lba = end
    }
  }

  flush(): Result {
    return this.file.sync()
  }
}
