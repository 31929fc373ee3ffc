import { type DeviceInfo, defineHandler, type IoFile, Status } from '@tcmu/host/handler'
import { checkPath, mayMake } from './check'
import { missingError, sizeError } from './size'

/** Opening for writing failed with one of these: the file can still be served for reading. */
const writeRefused: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS'])
/** What a file system calls its block can be a network's transfer size; pages are this large. */
const MAX_PHYSICAL_BLOCK = 4096

async function openFile(dev: DeviceInfo): Promise<IoFile> {
  try {
    return await dev.io.open(dev.config, { create: dev.sizeBytes > 0 && mayMake(dev.config), size: dev.sizeBytes })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw missingError(dev.config, dev.name)
    if (!writeRefused.has(code)) throw error
    const file = await dev.io.open(dev.config, { readOnly: true }).catch(() => { throw error })
    dev.log.warn(`${dev.config} cannot be written (${(error as Error).message}): ${dev.name} is read-only`)
    return file
  }
}

function describe(dev: DeviceInfo, file: IoFile): void {
  const blocks = Math.floor(file.granularity / dev.blockSize)
  dev.declare({
    ...(file.readOnly && { readOnly: true }),
    ...(file.rotational !== undefined && { solidState: !file.rotational }),
    unmappedReadsZero: file.canPunch,
    // Written in place; what a copy-on-write file system or a drive keeps of it below is out of reach here.
    sanitize: true,
    ...(!file.canPunch && { lacking: ['unmap'] as const }),
    unmapGranularityBlocks: Math.max(1, blocks),
    // The page cache takes single blocks of a regular file at no loss; only a device has a physical block to report.
    ...(file.blockDevice && { physicalExponent: Math.max(0, Math.floor(Math.log2(Math.min(file.granularity, MAX_PHYSICAL_BLOCK) / dev.blockSize))) }),
  })
  if (dev.sizeBytes === 0) dev.resized(file.blockDevice ? file.size - (file.size % dev.blockSize) : file.size)
}

export default defineHandler({
  subtype: 'file',
  summary: 'one regular file or block device',

  checkConfig: checkPath,

  async open(dev): Promise<IoFile> {
    const file = await openFile(dev)
    const wrong = sizeError(file, dev.sizeBytes, dev.name)
    if (wrong) {
      await file.close()
      throw wrong
    }
    describe(dev, file)
    return file
  },
  close: (file) => file.close(),

  read: (file, io) => file.readv(io.data, io.offset),
  write: (file, io) => file.writev(io.data, io.offset, io.fua),
  flush: (file) => file.sync(),
  fua: 'native',

  unmap: (file, { offset, length }) => file.punch(offset, length),
  writeSame: (file, io) => (io.data.compare(Buffer.alloc(io.data.length)) === -1 ? file.zero(io.offset, io.length, true) : Status.NOT_HANDLED),
  extents: (file, { offset, length }) => file.extents(offset, length),
  space: (file) => file.space(),

  async reconfigure(file, change) {
    if (change.kind !== 'size') return Status.NOT_HANDLED
    await file.refresh()
    if (!file.blockDevice && change.sizeBytes > file.size) await file.truncate(change.sizeBytes)
    const wrong = sizeError(file, change.sizeBytes, 'the device')
    if (wrong) throw wrong
    return Status.OK
  },
})
