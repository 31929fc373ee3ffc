import { type BlockRange, type DeviceInfo, defineHandler } from '@tcmu/host/handler'
import { checkPlace } from './check'
import { type Disk, openDisk } from './disk'
import { lockHolder, lockState, unlock } from './lock'
import type { RbdOptions } from './place'

export type { RbdOptions } from './place'

export default defineHandler({
  subtype: 'rbd',
  summary: 'images of Ceph RBD',

  checkConfig: (config: string) => checkPlace(config),
  open: (dev: DeviceInfo<RbdOptions>): Promise<Disk> => openDisk(dev),
  close: (disk) => disk.close(),

  file: (disk) => disk.image,
  read: (disk, io) => disk.read(io),
  // Nothing is cached here: what the cluster has acknowledged is stored.
  write: (disk, io) => disk.write(io),
  fua: 'native',
  flush: (disk) => disk.flush(),
  unmap: (disk, { offset, length }: BlockRange) => disk.zero(offset, length),
  writeSame: (disk, io) => disk.writeSame(io),
  compareAndWrite: (disk, io) => disk.compareAndWrite(io),
  extents: (disk, { offset, length }: BlockRange) => disk.extents(offset, length),
  space: (disk) => disk.space(),
  reconfigure: (disk, change) => disk.reconfigure(change),

  lock: (disk, tag) => disk.lock(tag),
  unlock: (disk) => unlock(disk.session.native),
  getLockState: (disk) => lockState(disk.session.native),
  getLockTag: (disk) => lockHolder(disk.session.native),
})
