import { readBytes, writeBytes } from './disk'
import { Entry, Header } from './format'
import type { Image } from './image'
import { refuse } from './refuse'
import { Segments } from '@tcmu/host/scsi'

const MAX_L1_BYTES = 32 * 2 ** 20

/** Make the disk larger; what is new reads as zeroes. Rejects with E_QCOW_RESIZE and changes nothing that shows. */
export async function grow(image: Image, sizeBytes: number): Promise<void> {
  const { base, snapshots } = image.parts
  const { file, header } = base.opened
  const wrong = (reason: string): Error => refuse('E_QCOW_RESIZE', { path: file.path, reason })
  const size = image.reader.size
  if (sizeBytes === size) return
  if (sizeBytes < size) throw wrong(`it has ${size} bytes; a disk is never cut off`)
  if (header.version === 2 && snapshots.length > 0) throw wrong('a version 2 image with snapshots keeps its size. Raise its version: qemu-img amend -o compat=1.1')
  const backed = (image.reader.backing?.size ?? 0) > size
  if (backed && header.version === 2) throw wrong('its backing file is longer and would show. Raise its version: qemu-img amend -o compat=1.1')
  const entries = Math.ceil(sizeBytes / base.mapping.tableSpan)
  if (entries * Entry.size > MAX_L1_BYTES) throw wrong(`with clusters of ${header.clusterSize} bytes it cannot have ${sizeBytes} bytes`)
  await image.admit()
  if (entries > base.mapping.l1.host.length) await growL1(image, entries)
  image.reader.size = sizeBytes
  try {
    await clearNew(image, size, backed)
    await image.writeBack.flush()
    await writeBytes(file, Header.at.size, Header.encode({ size: sizeBytes }).slice(Header.at.size, Header.at.encryption))
    await file.sync()
  } catch (error) {
    image.reader.size = size
    throw error
  }
}

/** What a larger disk shows beyond its old size are zeroes, whatever the last cluster or the backing file have there. */
async function clearNew({ parts, reader, writer, eraser }: Image, size: number, backed: boolean): Promise<void> {
  const { dataFile, opened: { header: { clusterSize } } } = parts.base
  if (dataFile && dataFile.size < reader.size) await dataFile.truncate(reader.size)
  const boundary = Math.min(reader.size, Math.ceil(size / clusterSize) * clusterSize)
  for (const e of await reader.extents(size, boundary - size)) {
    if (e.state === 'mapped') await writer.write(Segments.allocate(e.length), e.offset)
  }
  if (backed && boundary < reader.size) await eraser.zero(boundary, reader.size - boundary)
}

/** A longer L1 table, on the medium before the header names it. */
async function growL1(image: Image, entries: number): Promise<void> {
  const { base, counted } = image.parts
  const { file, header } = base.opened
  const { mapping } = base
  const clusters = Math.ceil((entries * Entry.size) / header.clusterSize)
  const first = await counted!.takeBehind(clusters)
  const old = { offset: mapping.l1.offset, length: mapping.l1.host.length * Entry.size }
  await image.writeBack.alone(async () => {
    // What the file has, not what memory has: tables made since then are not on the medium yet.
    const whole = new Uint8Array(clusters * header.clusterSize)
    whole.set(await readBytes(file, old.offset, old.length))
    await writeBytes(file, first * header.clusterSize, whole)
    await file.sync()
    const both = Header.encode({ l1Entries: entries, l1Offset: first * header.clusterSize })
    await writeBytes(file, Header.at.l1Entries, both.slice(Header.at.l1Entries, Header.at.refcountTableOffset))
    await file.sync()
    mapping.l1.move(first * header.clusterSize, entries)
  })
  if (old.length > 0) counted!.drop(old.offset, old.length)
}
