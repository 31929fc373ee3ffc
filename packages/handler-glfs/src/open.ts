import { type DeviceInfo, type DeviceProperties, TcmuError } from '@tcmu/host/handler'
import { library } from './library'
import { type Location, locationText, parseLocation } from './location'
import { openFailures, refusalOf, refuse } from './refuse'
import { type Call, type Connected, factsOf, type GlfsOptions, pathOf, withVolume } from './session'
import { BRICK_BLOCK, CLEAN, VolumeFile } from './volume-file'

/** Opens the file, or makes it; true when it can only be read. */
async function openFile(dev: DeviceInfo<GlfsOptions>, call: Call, location: Location): Promise<boolean> {
  const { create = false, readOnly = false } = dev.options ?? {}
  const path = pathOf(location)
  try {
    await call('open', path, readOnly ? 'readOnly' : '')
    return readOnly
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'EROFS' && !readOnly) {
      dev.log.warn(`${locationText(location)} cannot be written (${code}): ${dev.name} is read-only`)
      await call('open', path, 'readOnly')
      return true
    }
    if (code !== 'ENOENT' || !create || readOnly || dev.reopen || dev.sizeBytes === 0) throw error
  }
  await call('create', path)
  await call('truncate', String(dev.sizeBytes))
  dev.log.info(`${locationText(location)} was made`, { bytes: dev.sizeBytes })
  return false
}

/** What does not fit is refused; a device without a size, and one that is opened again, take the file's in whole blocks. */
function fitSize(dev: DeviceInfo, location: Location, fileBytes: number): void {
  const whole = fileBytes - (fileBytes % dev.blockSize)
  const wrong = (reason: string): Error => refuse('E_GLFS_SIZE', { ...factsOf(location, dev.name), fileBytes, sizeBytes: dev.sizeBytes, reason })
  if (whole === 0) throw wrong(`that is less than a block of ${dev.blockSize}`)
  if (dev.sizeBytes === whole) return
  if (dev.sizeBytes !== 0 && !dev.reopen) throw wrong(`give the LUN size=${whole}, or no size and change it afterwards`)
  dev.resized(whole)
}

function describe(dev: DeviceInfo, file: VolumeFile, discards: boolean): void {
  dev.declare({
    readOnly: file.readOnly,
    unmappedReadsZero: discards,
    ...(!discards && { lacking: ['unmap'] satisfies DeviceProperties['lacking'] }),
    unmapGranularityBlocks: Math.max(1, BRICK_BLOCK / dev.blockSize),
  })
}

/** Everything after the file was opened. */
async function attach(dev: DeviceInfo<GlfsOptions>, location: Location, { native, session, call }: Connected, readOnly: boolean): Promise<VolumeFile> {
  const bytes = Number((await call('stat'))[0])
  fitSize(dev, location, bytes)
  const file = new VolumeFile(dev, { location, native, session, readOnly, bytes, lost: dev.reopen && dev.kept !== CLEAN })
  try {
    describe(dev, file, await file.begin())
  } catch (error) {
    await file.image.close()
    throw error
  }
  // Of a process that ends without closing it nothing is known.
  dev.keep(undefined)
  return file
}

async function openConnected(dev: DeviceInfo<GlfsOptions>, location: Location, connected: Connected): Promise<VolumeFile> {
  try {
    const readOnly = await openFile(dev, connected.call, location)
    return await attach(dev, location, connected, readOnly)
  } catch (error) {
    throw error instanceof TcmuError ? error : refusalOf(openFailures, error, factsOf(location, dev.name))
  }
}

export async function openVolumeFile(dev: DeviceInfo<GlfsOptions>): Promise<VolumeFile> {
  const location = parseLocation(dev.config)
  if (typeof location === 'string') throw refuse('E_GLFS_CONFIG', { device: dev.name, reason: location })
  if (!dev.io.image) throw refuse('E_GLFS_HOST', {})
  return withVolume(library(), location, dev.options, (connected) => openConnected(dev, location, connected))
}
