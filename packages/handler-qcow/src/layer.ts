import type { Extent, IoFile, Result, Segments } from '@tcmu/host/handler'
import { Status } from '@tcmu/host/handler'

/** One file of a chain, as the disk it shows. */
export interface Layer {
  readonly path: string
  /** Bytes of the disk. */
  readonly size: number
  /** Fill `data` from `offset`; all of it lies inside `size`. */
  read(data: Segments, offset: number): Result
  /** Stretches of [offset, offset+length) with something in them, and without. */
  extents(offset: number, length: number): Promise<readonly Extent[]>
  close(): Promise<void>
}

/** A backing file without a format. */
export class RawLayer implements Layer {
  constructor(private readonly file: IoFile) {}

  get path(): string {
    return this.file.path
  }
  get size(): number {
    return this.file.size
  }
  read(data: Segments, offset: number): Result {
    return this.file.readv(data, offset)
  }
  extents(offset: number, length: number): Promise<readonly Extent[]> {
    return this.file.extents(offset, length)
  }
  close(): Promise<void> {
    return this.file.close()
  }
}

/** Read from a layer that may be shorter: zeroes beyond its end, and where there is none. */
export function readBelow(layer: Layer | undefined, data: Segments, offset: number): Result {
  const there = layer ? Math.min(data.length, Math.max(0, layer.size - offset)) : 0
  if (there < data.length) data.zero(there)
  if (there === 0) return Status.OK
  return layer!.read(there === data.length ? data : data.slice(0, there), offset)
}
