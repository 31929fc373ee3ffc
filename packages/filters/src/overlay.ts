import type { FilterDevice } from '@tcmu/host/filter'
import { Segments } from '@tcmu/host/filter'
import { ascii, layout, skip, u32le, u64le } from '@tcmu/host/scsi'

/** Unit of what is in the overlay. */
export const GRANULE = 64 * 1024
const PAGE = 4096
const BITS = 8
const MAGIC = 'TCMUCOW1'

const Header = layout('cow_overlay', { magic: ascii(8), granule: u32le, reserved: skip(4), sizeBytes: u64le, more: skip(PAGE - 24) }, { size: PAGE })

type File = Awaited<ReturnType<FilterDevice<unknown>['io']['open']>>

/**
 * A file of header, bitmap and granules in their places. A bit is on the medium only when the granule it speaks of is, so
 * that after a crash the overlay is as of a flush, or newer.
 */
export class Overlay {
  private readonly dirty = new Set<number>()
  private flushing: Promise<void> = Promise.resolve()

  private constructor(private readonly file: File, private readonly bitmap: Buffer, private readonly dataStart: number) {}

  /** Make it, or open one that was made for a disk of this size. Throws for any other file; it is left as it is. */
  static async open(io: FilterDevice<unknown>['io'], path: string, sizeBytes: number): Promise<Overlay> {
    const granules = Math.ceil(sizeBytes / GRANULE)
    const bitmapBytes = Math.ceil(granules / BITS / PAGE) * PAGE
    const dataStart = PAGE + bitmapBytes
    const total = dataStart + granules * GRANULE
    const file = await io.open(path, { create: true, size: total })
    try {
      const header = Buffer.alloc(PAGE)
      await file.readv(Segments.of(header), 0)
      if (header.every((b) => b === 0) && file.size === total) {
        Header.encode({ magic: MAGIC, granule: GRANULE, sizeBytes }, header)
        await file.writev(Segments.of(header), 0, true)
      } else Overlay.check(header, path, sizeBytes, file.size, total)
      const bitmap = Buffer.alloc(bitmapBytes)
      await file.readv(Segments.of(bitmap), PAGE)
      return new Overlay(file, bitmap, dataStart)
    } catch (e) {
      await file.close()
      throw e
    }
  }

  private static check(header: Buffer, path: string, sizeBytes: number, fileBytes: number, total: number): void {
    const found = Header.decode(header)
    if (found.magic !== MAGIC) throw new Error(`${path} is no overlay of this filter; give it a new file`)
    if (found.granule !== GRANULE || found.sizeBytes !== sizeBytes) throw new Error(`${path} is the overlay of a disk of ${found.sizeBytes} bytes, not ${sizeBytes}`)
    if (fileBytes < total) throw new Error(`${path} has ${fileBytes} bytes and should have ${total}: it was cut`)
  }

  has(granule: number): boolean {
    return ((this.bitmap[granule >> 3]! >> (granule & 7)) & 1) === 1
  }

  /** The granule is in the overlay from now on; durable with the next flush. */
  mark(granule: number): void {
    this.bitmap[granule >> 3]! |= 1 << (granule & 7)
    this.dirty.add(Math.floor((granule >> 3) / PAGE))
  }

  read(data: Segments, offset: number): ReturnType<File['readv']> {
    return this.file.readv(data, this.dataStart + offset)
  }

  write(data: Segments, offset: number): ReturnType<File['writev']> {
    return this.file.writev(data, this.dataStart + offset)
  }

  /** One after the other, so that an older page never lands on a newer one. */
  flush(): Promise<void> {
    const next = this.flushing.then(() => this.flushNow())
    this.flushing = next.catch(() => undefined)
    return next
  }

  private async flushNow(): Promise<void> {
    // As of before the granules are synchronized: bits that are set meanwhile wait for the next flush.
    const pages = [...this.dirty].map((page) => [page, Buffer.from(this.bitmap.subarray(page * PAGE, (page + 1) * PAGE))] as const)
    this.dirty.clear()
    try {
      await this.file.sync()
      if (pages.length === 0) return
      for (const [page, bytes] of pages) await this.file.writev(Segments.of(bytes), PAGE + page * PAGE)
      await this.file.sync()
    } catch (e) {
      for (const [page] of pages) this.dirty.add(page)
      throw e
    }
  }

  async close(): Promise<void> {
    try {
      await this.flush()
    } finally {
      await this.file.close()
    }
  }
}
