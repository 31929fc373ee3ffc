import { Segments } from '../wire'
import type { Lun, Result } from './lun'
import { type Activity, anchors, eachChunk, PartIo, withChunks } from './medium'
import { Status } from './status'

/** Longest stretch given to a handler at once by an operation over the whole unit: bounds how late it hears of an abort. */
const STRETCH_BYTES = 2 ** 26

export const isZero = (block: Uint8Array): boolean => block.every((b) => b === 0)

/** `pattern` over and over in one block, cut at its end. */
export function blockOf(lun: Lun, pattern: Uint8Array): Uint8Array {
  const block = new Uint8Array(lun.blockSize)
  for (let at = 0; at < block.length; at += pattern.length) block.set(pattern.subarray(0, block.length - at), at)
  return block
}

/** Write the block over and over, out of one buffer of at most CHUNK_BYTES; `after` hears of each piece. */
export function overwrite(
  lun: Lun, by: Activity, block: Uint8Array, offset: number, length: number, after?: (bytes: number) => void,
): Promise<Status> {
  return withChunks(lun, by, length, (repeated) => {
    for (let at = 0; at < repeated.bytes.length; at += block.length) repeated.bytes.set(block, at)
    return eachChunk(lun, by, length, async (at, size) => {
      const status = await lun.ops.write(new PartIo(by, repeated.segments(size), offset + at))
      after?.(size)
      return status
    })
  })
}

/** `block` in every block of [offset, offset+length), by the handler if it can. */
export async function fill(
  lun: Lun, by: Activity, block: Uint8Array, offset: number, length: number, after?: (bytes: number) => void,
): Promise<Status> {
  if (length === 0) return Status.OK
  const status = (await lun.ops.writeSame?.(new PartIo(by, Segments.of(block), offset, length))) ?? Status.NOT_HANDLED
  if (status === Status.NOT_HANDLED) return overwrite(lun, by, block, offset, length, after)
  after?.(length)
  return status
}

/** The handler's unit of unmapping and where it begins, in bytes. */
export function granule(lun: Lun): { size: number; shift: number } {
  const { blockSize, limits } = lun
  const size = Math.max(1, limits.unmapGranularity) * blockSize
  return { size, shift: (limits.unmapAlignment * blockSize) % size }
}

/**
 * Unmap a range in pieces of at most MAXIMUM UNMAP LBA COUNT that begin and end on the handler's granularity, but for the
 * ends of the range; where storage is kept, fill them with zeroes. Ends at the first that fails.
 */
export async function unmapRange(
  lun: Lun, by: Activity, offset: number, length: number, after?: (bytes: number) => void,
): Promise<Status> {
  const { size, shift } = granule(lun)
  const most = Math.max(size, Math.floor((lun.limits.maxUnmap * lun.blockSize) / size) * size)
  const end = offset + length
  const zeroes = anchors(lun) ? new Uint8Array(lun.blockSize) : undefined
  for (let at = offset; at < end; ) {
    if (by.aborted) return Status.ABORTED
    const next = Math.min(end, Math.floor((at - shift) / size) * size + shift + most)
    const unmapped = zeroes ? fill(lun, by, zeroes, at, next - at) : lun.ops.unmap?.({ offset: at, length: next - at, signal: by.signal })
    const status = (await unmapped) ?? Status.NOT_HANDLED
    if (status !== Status.OK) return status
    after?.(next - at)
    at = next
  }
  return Status.OK
}

/** `fill` in stretches, so that a long one can be watched and stopped. */
export async function fillLong(lun: Lun, by: Activity, block: Uint8Array, after: (bytes: number) => void): Promise<Status> {
  const total = lun.blocks * lun.blockSize
  for (let at = 0; at < total; at += STRETCH_BYTES) {
    if (by.aborted) return Status.ABORTED
    const length = Math.min(STRETCH_BYTES, total - at)
    const status = await fill(lun, by, block, at, length, after)
    if (status !== Status.OK) return status
  }
  return Status.OK
}

/** `next` unless the handler declined. */
export const unlessDeclined = async (first: Result, next: () => Result): Promise<Status> => {
  const status = await first
  return status === Status.NOT_HANDLED ? next() : status
}
