import { type DeviceInfo, defineHandler, Status } from '@tcmu/host/handler'
import { checkFile } from './check'
import { openVolumeFile } from './open'
import type { GlfsOptions } from './session'
import type { VolumeFile } from './volume-file'

export type { GlfsOptions } from './session'

export default defineHandler({
  subtype: 'glfs',
  summary: 'files on Gluster volumes, through libgfapi',

  checkConfig: (config: string, options?: GlfsOptions) => checkFile(config, options),
  open: (dev: DeviceInfo<GlfsOptions>): Promise<VolumeFile> => openVolumeFile(dev),
  close: (file) => file.close(),

  read: (file, io) => file.read(io),
  write: (file, io) => file.write(io),
  flush: (file) => file.flush(),
  unmap: (file, range) => file.unmap(range),
  writeSame: (file, io) => file.writeSame(io),
  extents: (file, range) => file.extents(range),
  space: (file) => file.space(),
  reconfigure: (file, change) => (change.kind === 'size' ? file.resize(change.sizeBytes) : Status.NOT_HANDLED),
  lock: (file) => file.lock(),
  unlock: (file) => file.unlock(),
  getLockState: (file) => file.lockState(),
  fua: 'native',
})
