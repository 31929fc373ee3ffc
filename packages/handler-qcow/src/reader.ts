import { type Extent, type IoFile, type Result, type Segments, Status } from '@tcmu/host/handler'
import { CompressedClusters } from './compressed'
import { together } from './disk'
import type { ImageHeader } from './header'
import { type Layer, readBelow } from './layer'
import { Kind, type Mapping } from './mapping'
import { ioFault } from './refuse'

export interface ReaderParts {
  readonly file: IoFile
  readonly dataFile: IoFile | undefined
  readonly header: ImageHeader
  readonly mapping: Mapping
  readonly backing: Layer | undefined
  /** Where the file ends by now. */
  readonly fileEnd: () => number
  /** An entry points where it must not. */
  readonly damaged: (reason: string) => void
}

/** More pieces than this are not told apart: what follows counts as mapped. */
const MAX_EXTENTS = 4096

/** Reads an image: what its tables map, and the layer below for the rest. No lock anywhere. */
export class ImageReader implements Layer {
  readonly compressed: CompressedClusters
  readonly data: IoFile
  readonly backing: Layer | undefined
  private readonly mapping: Mapping
  size: number

  constructor(private readonly parts: ReaderParts) {
    this.mapping = parts.mapping
    this.backing = parts.backing
    this.data = parts.dataFile ?? parts.file
    this.size = parts.header.size
    this.compressed = new CompressedClusters(parts.file, parts.header, parts.fileEnd)
  }

  get path(): string {
    return this.parts.file.path
  }

  /** Where in `data` a stretch is, all of it in one piece; -1: it is not. */
  place(offset: number, length: number): number {
    const { mapping } = this
    return mapping.find(offset, length) && mapping.run === length && mapping.kind === Kind.DATA ? mapping.host : -1
  }

  read(data: Segments, offset: number): Result {
    const { mapping } = this
    if (mapping.find(offset, data.length) && mapping.run === data.length) return this.readRun(data, offset)
    return this.readRuns(data, offset)
  }

  /** What `find` just found, all of `data`. */
  private readRun(data: Segments, offset: number): Result {
    const { mapping } = this
    switch (mapping.kind) {
      case Kind.DATA:
        return this.data.readv(data, mapping.host)
      case Kind.ZERO:
        data.zero()
        return Status.OK
      case Kind.UNALLOCATED:
        return readBelow(this.backing, data, offset)
      case Kind.COMPRESSED:
        return this.readCompressed(data, offset, mapping.high, mapping.low)
      case Kind.BAD:
        return Promise.reject(this.damage(offset))
    }
  }

  damage(offset: number): Error {
    const reason = `the tables for position ${offset} of the disk point to where no data can be`
    this.parts.damaged(reason)
    return ioFault('EIO', this.path, reason)
  }

  private async readCompressed(data: Segments, offset: number, high: number, low: number): Promise<Status> {
    const cluster = await this.compressed.cluster(high, low)
    const from = offset % this.mapping.clusterSize
    data.set(cluster.subarray(from, from + data.length))
    return Status.OK
  }

  private async readRuns(data: Segments, offset: number): Promise<Status> {
    const { mapping } = this
    const work: Result[] = []
    try {
      for (let at = 0; at < data.length;) {
        if (!mapping.find(offset + at, data.length - at)) {
          await mapping.load(offset + at)
          continue
        }
        const { run } = mapping
        work.push(this.readRun(run === data.length ? data : data.slice(at, run), offset + at))
        at += run
      }
    } catch (error) {
      work.push(Promise.reject(error as Error))
    }
    await together(work)
    return Status.OK
  }

  async extents(offset: number, length: number): Promise<readonly Extent[]> {
    const { mapping } = this
    const out: Extent[] = []
    const end = Math.min(offset + length, this.size)
    for (let at = offset; at < end;) {
      if (out.length >= MAX_EXTENTS) {
        add(out, at, end - at, 'mapped')
        break
      }
      if (!mapping.find(at, end - at)) {
        await mapping.load(at)
        continue
      }
      const { run } = mapping
      if (mapping.kind === Kind.UNALLOCATED) for (const e of await this.below(at, run)) add(out, e.offset, e.length, e.state)
      else add(out, at, run, mapping.kind !== Kind.ZERO ? 'mapped' : mapping.owns ? 'anchored' : 'deallocated')
      at += run
    }
    return out
  }

  private async below(offset: number, length: number): Promise<readonly Extent[]> {
    const there = Math.min(length, Math.max(0, (this.backing?.size ?? 0) - offset))
    const found = there > 0 ? [...(await this.backing!.extents(offset, there))] : []
    if (there < length) found.push({ offset: offset + there, length: length - there, state: 'deallocated' })
    return found
  }

  async close(): Promise<void> {
    await Promise.all([this.parts.file.close(), this.parts.dataFile?.close()])
    await this.backing?.close()
  }
}

function add(out: Extent[], offset: number, length: number, state: Extent['state']): void {
  const last = out[out.length - 1]
  if (last?.state === state) out[out.length - 1] = { ...last, length: last.length + length }
  else if (length > 0) out.push({ offset, length, state })
}
