import type { DeviceInfo, DeviceProperties } from '@tcmu/host/handler'
import { Status, TcmuError } from '@tcmu/host/handler'
import type { NativeGlfs, NativeSession } from '@tcmu/native/glfs'
import { within } from './deadline'
import { library } from './library'
import { type Location, locationText, parseLocation } from './location'
import { connectFailures, openFailures, refusalOf, refuse } from './refuse'
import { type FileFacts, VolumeFile } from './volume-file'

/** Structured options of a device; package.json has their schema. */
export interface GlfsOptions {
  readonly create?: boolean
  readonly readOnly?: boolean
  readonly logFile?: string
  readonly logLevel?: keyof typeof logLevels
}

/** As libgfapi counts them. */
const logLevels = { error: 4, warning: 5, info: 7, debug: 8, trace: 9 } as const

/** A server that takes connections and answers nothing would be waited for without end. */
const OPEN_MS = 20_000

/** What file systems of bricks free and what they move at a time. */
const BRICK_BLOCK = 4096

/** Whether a device that was closed here had writes that may be lost; one that ended with its process is not among them. */
const leftDirty = new Map<string, boolean>()

const facts = (dev: DeviceInfo, location: Location): Record<string, string | number> => ({
  location: locationText(location), volume: location.volume, device: dev.name,
})

/** A call of a session; rejects with ETIMEDOUT when it takes too long, and goes on by itself then. */
type Call = (name: string, ...texts: readonly string[]) => Promise<readonly string[]>
const callOf = (session: NativeSession): Call => async (name, ...texts) => {
  const answer = await within(OPEN_MS, session.call(name, ...texts))
  if (!answer) throw Object.assign(new Error(`ETIMEDOUT: no answer in ${OPEN_MS / 1000} s, ${name}`), { code: 'ETIMEDOUT' })
  return answer
}

async function connect(dev: DeviceInfo<GlfsOptions>, call: Call, location: Location): Promise<void> {
  const { logFile = '', logLevel = 'info' } = dev.options ?? {}
  const servers = location.servers.flatMap(({ transport, host, port }) => [transport, host, String(port)])
  await call('connect', location.volume, logFile, String(logLevels[logLevel]), ...servers).catch((e: unknown) => {
    throw refusalOf(connectFailures, e, facts(dev, location))
  })
}

/** Opens the file, or makes it; true when it can only be read. */
async function openFile(dev: DeviceInfo<GlfsOptions>, call: Call, location: Location): Promise<boolean> {
  const { create = false, readOnly = false } = dev.options ?? {}
  const path = `/${location.path}`
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
  const wrong = (reason: string): Error => refuse('E_GLFS_SIZE', { ...facts(dev, location), fileBytes, sizeBytes: dev.sizeBytes, reason })
  if (whole === 0) throw wrong(`that is less than a block of ${dev.blockSize}`)
  if (dev.sizeBytes === whole) return
  if (dev.sizeBytes !== 0 && !dev.reopen) throw wrong(`give the LUN size=${whole}, or no size and change it afterwards`)
  dev.resized(whole)
}

/** Beyond the end there is nothing to lose, and a discard there makes the file no larger. */
async function canDiscard(file: VolumeFile, fileBytes: number): Promise<boolean> {
  const beyond = Math.ceil(fileBytes / BRICK_BLOCK) * BRICK_BLOCK
  const status = file.readOnly ? Status.NOT_HANDLED : await file.image.discard(beyond, BRICK_BLOCK)
  if (status === Status.BUSY) throw Object.assign(new Error('ENOTCONN: discard'), { code: 'ENOTCONN' })
  return status !== Status.NOT_HANDLED
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
async function attach(dev: DeviceInfo<GlfsOptions>, location: Location, opened: Pick<FileFacts, 'native' | 'session' | 'readOnly'>, call: Call): Promise<VolumeFile> {
  const bytes = Number((await call('stat'))[0])
  fitSize(dev, location, bytes)
  const file = new VolumeFile(dev, { ...opened, location, bytes, lost: dev.reopen && (leftDirty.get(dev.name) ?? true) })
  try {
    describe(dev, file, await canDiscard(file, bytes))
  } catch (error) {
    await file.image.close()
    throw error
  }
  leftDirty.delete(dev.name)
  return file
}

async function openSession(dev: DeviceInfo<GlfsOptions>, native: NativeGlfs, session: NativeSession, location: Location): Promise<VolumeFile> {
  const call = callOf(session)
  await connect(dev, call, location)
  try {
    const readOnly = await openFile(dev, call, location)
    return await attach(dev, location, { native, session, readOnly }, call)
  } catch (error) {
    throw error instanceof TcmuError ? error : refusalOf(openFailures, error, facts(dev, location))
  }
}

export async function openVolumeFile(dev: DeviceInfo<GlfsOptions>): Promise<VolumeFile> {
  const location = parseLocation(dev.config)
  if (typeof location === 'string') throw new TypeError(location)
  if (!dev.io.image) throw refuse('E_GLFS_HOST', {})
  const native = library()
  const session = new native.Session(() => undefined)
  try {
    return await openSession(dev, native, session, location)
  } catch (error) {
    // It may be waiting for the server still.
    void session.close()
    throw error
  }
}

export async function closeVolumeFile(file: VolumeFile): Promise<void> {
  await file.close()
  leftDirty.set(file.device, file.dirty)
}
