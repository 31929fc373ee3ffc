import { type BlockRange, type DeviceInfo, defineHandler, Status } from '@tcmu/host/handler'
import { openDisk, type Disk, type QcowOptions } from './device'

export { readSnapshots, type Snapshot } from './snapshots'
export type { QcowOptions } from './device'

export default defineHandler({
  subtype: 'qcow',
  summary: 'QEMU\'s qcow and qcow2 images',

  checkConfig(path: string) {
    if (path === '') return 'the path is missing; write qcow/ and then the path, as in qcow//srv/disk0.qcow2'
    if (!path.startsWith('/')) return `the path must be absolute; write qcow//${path} if that is meant`
    return path.includes('\0') ? 'the path contains a zero byte' : true
  },

  open: (dev: DeviceInfo<QcowOptions>): Promise<Disk> => openDisk(dev),
  close: (disk) => disk.close(),

  file: (disk) => disk.reader.data,
  locate: (disk, offset, length, write) => disk.place(offset, length, write),
  read: (disk, io) => disk.reader.read(io.data, io.offset),
  write: (disk, io) => disk.image?.writer.write(io.data, io.offset) ?? Status.WRITE_PROTECTED,
  flush: (disk) => disk.flush(),
  unmap: (disk, { offset, length }: BlockRange) => disk.image?.eraser.unmap(offset, length) ?? Status.WRITE_PROTECTED,
  writeSame: (disk, io) => disk.writeSame(io),
  extents: (disk, { offset, length }: BlockRange) => disk.reader.extents(offset, length),
  reconfigure: (disk, change) => (change.kind === 'size' ? disk.grow(change.sizeBytes) : Status.NOT_HANDLED),
})
