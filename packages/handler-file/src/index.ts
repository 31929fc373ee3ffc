import { type DeviceInfo, defineHandler, type IoFile, Status } from '@tcmu/host/handler'
import { checkPath, mayMake } from './check'
import { type FileOptions, placeOf } from './place'
import { reserve } from './reserve'
import { alignmentError, missingError, sizeError } from './size'

/** Opening for writing failed with one of these: the file can still be served for reading. */
const writeRefused: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS'])
/** What a file system calls its block can be a network's transfer size; pages are this large. */
const MAX_PHYSICAL_BLOCK = 4096

async function openFile(dev: DeviceInfo<FileOptions>): Promise<IoFile> {
  const { path, direct } = placeOf(dev.config, dev.options)
  const how = direct && { direct }
  try {
    return await dev.io.open(path, { create: dev.sizeBytes > 0 && mayMake(path), size: dev.sizeBytes, ...how })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw missingError(path, dev.name)
    if (!writeRefused.has(code)) throw error
    const file = await dev.io.open(path, { readOnly: true, ...how }).catch(() => { throw error })
    dev.log.warn(`${path} cannot be written (${(error as Error).message}): ${dev.name} is read-only`)
    return file
  }
}

/** An open LUN. */
interface Disk {
  readonly file: IoFile
  /** All of its storage was reserved for it. */
  readonly reserved: boolean
}

function describe(dev: DeviceInfo<FileOptions>, { file, reserved }: Disk): void {
  const direct = file.alignment > 1
  const blocks = Math.floor(file.granularity / dev.blockSize)
  dev.declare({
    ...(file.readOnly && { readOnly: true }),
    ...(reserved && { reserved }),
    ...(file.rotational !== undefined && { solidState: !file.rotational }),
    unmappedReadsZero: file.canPunch,
    // Written in place; what a copy-on-write file system or a drive keeps of it below is out of reach here.
    sanitize: true,
    ...(!file.canPunch && { lacking: ['unmap'] as const }),
    unmapGranularityBlocks: Math.max(1, blocks),
    // The page cache takes single blocks of a regular file at no loss; without it, and on a device, parts of a larger one cost more.
    ...((file.blockDevice || direct) && { physicalExponent: Math.max(0, Math.floor(Math.log2(Math.min(file.granularity, MAX_PHYSICAL_BLOCK) / dev.blockSize))) }),
  })
  if (dev.sizeBytes === 0) dev.resized(file.blockDevice ? file.size - (file.size % dev.blockSize) : file.size)
}

export default defineHandler({
  subtype: 'file',
  summary: 'one regular file or block device',

  checkConfig: (config, options: FileOptions | undefined) => checkPath(placeOf(config, options).path),

  async open(dev: DeviceInfo<FileOptions>): Promise<Disk> {
    const file = await openFile(dev)
    try {
      const wrong = sizeError(file, dev.sizeBytes, dev.name) ?? alignmentError(file, dev.blockSize, dev.name)
      if (wrong) throw wrong
      const disk = { file, reserved: dev.thick && await reserve(file, dev) }
      describe(dev, disk)
      return disk
    } catch (error) {
      await file.close()
      throw error
    }
  },
  close: ({ file }) => file.close(),

  file: ({ file }) => file,
  read: ({ file }, io) => file.readv(io.data, io.offset),
  write: ({ file }, io) => file.writev(io.data, io.offset, io.fua),
  flush: ({ file }) => file.sync(),
  fua: 'native',

  unmap: ({ file }, { offset, length }) => file.punch(offset, length),
  writeSame: ({ file }, io) => (io.data.compare(Buffer.alloc(io.data.length)) === -1 ? file.zero(io.offset, io.length, true) : Status.NOT_HANDLED),
  extents: ({ file, reserved }, { offset, length }) => file.extents(offset, length, reserved),
  space: ({ file }) => file.space(),

  async reconfigure({ file, reserved }, change) {
    if (change.kind !== 'size') return Status.NOT_HANDLED
    await file.refresh()
    const before = file.size
    if (!file.blockDevice && change.sizeBytes > before) {
      await file.truncate(change.sizeBytes)
      if (reserved) await file.allocate(before, change.sizeBytes - before)
    }
    const wrong = sizeError(file, change.sizeBytes, 'the device')
    if (wrong) throw wrong
    return Status.OK
  },
})
