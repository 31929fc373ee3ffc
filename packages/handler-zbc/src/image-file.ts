import { randomBytes } from 'node:crypto'
import { type DeviceInfo, type IoFile, TcmuError } from '@tcmu/host/handler'
import { Segments, zoneCondition as c, Status } from '@tcmu/host/scsi'
import type { Parsed } from './cfgstring'
import type { Journal } from './journal'
import { decodeHeader, encodeHeader, headerAt, type ImageHeaderValue, PAGE, placesOf, restoreZone, ZoneRecord } from './metadata'
import { decodeRunnerHeader, restoreRunnerZone, type RunnerHeaderValue, RunnerRecord, RUNNER_TABLE } from './runner-image'
import type { Zone } from './zone'

/** What the beginning of a file is. */
export type Found =
  | { readonly kind: 'own'; readonly header: ImageHeaderValue }
  | { readonly kind: 'runner'; readonly header: RunnerHeaderValue & { dataOffset: number } }
  | { readonly kind: 'empty' }
  | { readonly kind: 'foreign'; readonly why: string }
  | { readonly kind: 'damaged'; readonly why: string }

export async function read(file: IoFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  await file.readv(Segments.of(bytes), offset)
  return bytes
}

/** A device that is opened again takes its image as it is. */
export const asItIs = <T extends { format: boolean }>(dev: DeviceInfo, { options, path }: Parsed<T>): { dev: DeviceInfo; parsed: Parsed<T> } =>
  (dev.reopen ? { dev: { ...dev, sizeBytes: 0 }, parsed: { path, options: { ...options, format: false } } } : { dev, parsed: { options, path } })

/** Open the regular file; an absent one is made, empty, when the device has a size. */
export async function openFile(dev: DeviceInfo, path: string): Promise<IoFile> {
  const file = await dev.io.open(path, { create: dev.sizeBytes > 0, size: 0 }).catch((e: NodeJS.ErrnoException) => {
    if (e.code !== 'ENOENT') throw e
    throw new TcmuError('E_ZONED_SIZE', `${path} is not there, and no size is given for ${dev.name}; give the LUN a size to have it made`, { path })
  })
  if (!file.blockDevice) return file
  await file.close()
  throw new TcmuError('E_ZONED_KIND', `${path} is not a regular file`, { path })
}

/** Find out what the file is; changes nothing. */
export async function recognise(file: IoFile): Promise<Found> {
  if (file.size === 0) return { kind: 'empty' }
  const head = await read(file, 0, 2 * PAGE)
  const own = decodeHeader([head.subarray(0, PAGE), head.subarray(PAGE)])
  if (own === 'damaged') return { kind: 'damaged', why: 'both copies of its header are damaged' }
  if (own && !('zones' in own)) return { kind: 'damaged', why: `it has version ${own.version} of the format, which this version does not know` }
  if (own) return own.forming ? { kind: 'empty' } : wholeOwn(own, file.size)
  const runner = decodeRunnerHeader(head, file.size)
  if (typeof runner === 'string') return { kind: 'damaged', why: `it was made by the C runner, but ${runner}` }
  return runner ? { kind: 'runner', header: runner } : { kind: 'foreign', why: 'it is no image of a zoned disk' }
}

function wholeOwn(header: ImageHeaderValue, fileBytes: number): Found {
  const { data } = placesOf(header.zones)
  const wanted = header.dataOffset + header.sizeBytes
  if (header.dataOffset < data || fileBytes < wanted) return { kind: 'damaged', why: `it has ${fileBytes} bytes and should have ${wanted}: it was cut off` }
  return { kind: 'own', header }
}

/**
 * Set the zones to what the tables say; the highest sequence number of their records. A zone whose records are both
 * damaged becomes READ ONLY: its data may be there, its write pointer is not known.
 */
export async function restoreOwn(file: IoFile, zones: readonly Zone[], log: DeviceInfo['log']): Promise<number> {
  const { table, tableBytes } = placesOf(zones.length)
  const tables = [await read(file, table(0), tableBytes), await read(file, table(1), tableBytes)]
  let highest = 0
  for (const zone of zones) {
    const at = zone.index * ZoneRecord.size
    const records = tables.map((bytes) => bytes.subarray(at, at + ZoneRecord.size))
    if (!restoreZone(zone, records)) damaged(zone, file, log)
    for (const record of records) highest = Math.max(highest, ZoneRecord.decode(record).sequence)
  }
  return highest
}

export async function restoreRunner(file: IoFile, zones: readonly Zone[], log: DeviceInfo['log']): Promise<void> {
  const bytes = await read(file, RUNNER_TABLE, zones.length * RunnerRecord.size)
  for (const zone of zones) if (!restoreRunnerZone(zone, bytes, zone.index * RunnerRecord.size)) damaged(zone, file, log)
}

function damaged(zone: Zone, file: IoFile, log: DeviceInfo['log']): void {
  log.error(`${file.path}: what is recorded of zone ${zone.index} is damaged; it is READ ONLY now`, { zone: zone.index, lba: zone.start })
  zone.condition = c.READ_ONLY
}

export const newUuid = (): Uint8Array => new Uint8Array(randomBytes(16))

/** Write the header into the copy that its sequence number is for. */
export async function writeHeader(file: IoFile, header: ImageHeaderValue): Promise<void> {
  const page = new Uint8Array(PAGE)
  page.set(encodeHeader(header))
  await file.writev(Segments.of(page), headerAt(header.sequence % 2))
}

/** Make [offset, offset + length) read as zeroes, giving storage back where that can be done. */
export async function discard(file: IoFile, offset: number, length: number): Promise<void> {
  if (length <= 0 || (await file.zero(offset, length)) !== Status.NOT_HANDLED) return
  const zeroes = Segments.allocate(Math.min(length, 2 ** 20))
  for (let at = 0; at < length; at += zeroes.length) {
    const n = Math.min(zeroes.length, length - at)
    await file.writev(n === zeroes.length ? zeroes : zeroes.slice(0, n), offset + at)
  }
}

/**
 * Make the file an image of this header: all data zeroes, zones as the journal has them. Cut off in between, it is an
 * image that is being formatted, and is formatted again.
 */
export async function makeImage(file: IoFile, header: ImageHeaderValue, journal: Journal): Promise<void> {
  await file.truncate(0)
  await writeHeader(file, { ...header, forming: 1, sequence: 0 })
  await file.truncate(header.dataOffset + header.sizeBytes)
  await journal.recordAll()
  await file.sync()
  await writeHeader(file, { ...header, forming: 0, sequence: 1 })
  await writeHeader(file, { ...header, forming: 0, sequence: 2 })
  await file.sync()
}
