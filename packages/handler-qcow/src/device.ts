import { type BlockIo, type DeviceInfo, type DeviceProperties, Status } from '@tcmu/host/handler'
import { openBacking } from './chain'
import type { ChainContext } from './context'
import { type Image, openImage } from './image'
import { type Opened, openTop } from './open-file'
import { openReader } from './read-only'
import type { ImageReader } from './reader'
import { refuse } from './refuse'
import { grow } from './resize'

/** Structured options of a device; package.json has their schema. */
export interface QcowOptions {
  readonly readOnly?: boolean
  readonly mappingCache?: number
  readonly refcountCache?: number
  readonly writeBackSeconds?: number
  readonly discard?: boolean
}

const MiB = 2 ** 20
const defaults = { mappingCache: 32 * MiB, refcountCache: 8 * MiB, writeBackSeconds: 5, discard: true }

/** A device's state: the image, to write to or only to read. */
export class Disk {
  constructor(readonly reader: ImageReader, readonly image: Image | undefined) {}

  /** Where in the file of data a stretch is that can be read, or written over, as it is; -1: ask `read` or `write`. */
  place(offset: number, length: number, write: boolean): number {
    if (!write) return this.reader.place(offset, length)
    return this.image ? this.image.writer.place(offset, length) : -1
  }

  async flush(): Promise<Status> {
    await this.image?.writeBack.flush()
    return Status.OK
  }

  writeSame(io: BlockIo): Status | Promise<Status> {
    if (!this.image) return Status.WRITE_PROTECTED
    return io.data.compare(new Uint8Array(io.data.length)) === -1 ? this.image.eraser.zero(io.offset, io.length) : Status.NOT_HANDLED
  }

  async grow(sizeBytes: number): Promise<Status> {
    if (!this.image) return Status.WRITE_PROTECTED
    // Version 1 images keep their size.
    if (!this.image.parts.counted) return Status.NOT_HANDLED
    await grow(this.image, sizeBytes)
    return Status.OK
  }

  close(): Promise<void> {
    return this.image?.close() ?? this.reader.close()
  }
}

/** What does not fit is refused; a device of no size takes the image's, in whole blocks. */
function checkSize(dev: DeviceInfo, path: string, imageBytes: number): void {
  const whole = imageBytes - (imageBytes % dev.blockSize)
  const wrong = (reason: string): Error => refuse('E_QCOW_SIZE', { path, imageBytes, device: dev.name, sizeBytes: dev.sizeBytes, reason })
  if (whole === 0) throw wrong(`that is less than a block of ${dev.blockSize}`)
  if (dev.sizeBytes !== 0 && dev.sizeBytes !== whole) {
    throw wrong(`give the LUN size=${whole}, or grow the image: qemu-img resize '${path}' ${dev.sizeBytes}`)
  }
  if (dev.sizeBytes === 0) dev.resized(whole)
}

function describe(dev: DeviceInfo, { file, header }: Opened, backed: boolean, writable: boolean): void {
  // Version 1 has neither zero clusters nor anything that could be freed.
  const unmaps = header.version > 1
  const unit = header.entryBytes === 16 ? header.clusterSize / 32 : header.clusterSize
  dev.declare({
    ...(!writable && { readOnly: true }),
    ...(file.rotational !== undefined && { solidState: !file.rotational }),
    // Version 2 has no zero clusters: over a backing file what is unmapped keeps what it has.
    unmappedReadsZero: header.version === 3 || (unmaps && !backed),
    ...(!unmaps && { lacking: ['unmap'] as DeviceProperties['lacking'] }),
    unmapGranularityBlocks: Math.max(1, Math.floor(unit / dev.blockSize)),
  })
}

export async function openDisk(dev: DeviceInfo<QcowOptions>): Promise<Disk> {
  const options = { ...defaults, ...dev.options }
  const context: ChainContext = { io: dev.io, log: dev.log, cacheBytes: options.mappingCache }
  const opened = await openTop(dev.io, dev.config, options.readOnly === true, dev.log)
  const { file, header } = opened
  const disk = file.readOnly
    ? new Disk(await openReader(context, opened, (h) => openBacking(context, dev.config, h)), undefined)
    : await writable(context, opened, options)
  try {
    checkSize(dev, dev.config, header.size)
    describe(dev, opened, disk.reader.backing !== undefined, !file.readOnly)
  } catch (error) {
    await disk.close()
    throw error
  }
  const snapshots = disk.image?.parts.snapshots ?? []
  if (snapshots.length > 0) dev.log.info(`${dev.config} has ${snapshots.length} internal snapshots, which stay as they are`, { snapshots: snapshots.slice(0, 100).map((s) => s.name || s.id) })
  return disk
}

async function writable(context: ChainContext, opened: Opened, options: typeof defaults): Promise<Disk> {
  const backing = await openBacking(context, opened.file.path, opened.header).catch(async (error: unknown) => {
    await opened.file.close()
    throw error
  })
  const image = await openImage(context, opened, backing, options)
  return new Disk(image.reader, image)
}
