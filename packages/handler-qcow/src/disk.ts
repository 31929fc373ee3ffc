import type { IoFile } from '@tcmu/host/handler'
import { Segments } from '@tcmu/host/scsi'

/** Bytes at a position of a file. */
export interface Piece {
  readonly offset: number
  readonly bytes: Uint8Array
}

/** What lies beyond the end of the file is zero. */
export async function readBytes(file: IoFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  if (length > 0) await file.readv(Segments.of(bytes), offset)
  return bytes
}

export async function writeBytes(file: IoFile, offset: number, bytes: Uint8Array): Promise<void> {
  await file.writev(Segments.of(bytes), offset)
}

export async function writePieces(file: IoFile, pieces: readonly Piece[]): Promise<void> {
  await together(pieces.map((p) => writeBytes(file, p.offset, p.bytes)))
}

/** Wait for all of it, also when some fails: memory is in use until then. Throws the first failure. */
export async function together(work: readonly unknown[]): Promise<void> {
  for (const r of await Promise.allSettled(work)) if (r.status === 'rejected') throw r.reason
}

const ZEROES = 1 << 20

/** Write zeroes over a range. */
export async function writeZeroes(file: IoFile, offset: number, length: number): Promise<void> {
  const zeroes = Segments.allocate(Math.min(ZEROES, length))
  for (let at = 0; at < length; at += ZEROES) {
    const n = Math.min(ZEROES, length - at)
    await file.writev(n === zeroes.length ? zeroes : zeroes.slice(0, n), offset + at)
  }
}
