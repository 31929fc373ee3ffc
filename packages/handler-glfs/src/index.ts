import { type DeviceInfo, defineHandler, Status } from '@tcmu/host/handler'
import { parseLocation } from './location'
import { closeVolumeFile, type GlfsOptions, openVolumeFile } from './open'
import type { VolumeFile } from './volume-file'

export type { GlfsOptions } from './open'

export default defineHandler({
  subtype: 'glfs',
  summary: 'files on Gluster volumes, through libgfapi',

  checkConfig(config: string) {
    const parsed = parseLocation(config)
    return typeof parsed === 'string' ? parsed : true
  },

  open: (dev: DeviceInfo<GlfsOptions>): Promise<VolumeFile> => openVolumeFile(dev),
  close: (file) => closeVolumeFile(file),

  read: (file, io) => file.read(io),
  write: (file, io) => file.write(io),
  flush: (file) => file.flush(),
  unmap: (file, range) => file.unmap(range),
  writeSame: (file, io) => file.writeSame(io),
  space: (file) => file.space(),
  reconfigure: (file, change) => (change.kind === 'size' ? file.resize(change.sizeBytes) : Status.NOT_HANDLED),
  lock: (file) => file.lock(),
  unlock: (file) => file.unlock(),
  getLockState: (file) => file.lockState(),
  fua: 'native',
})
