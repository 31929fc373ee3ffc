import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { decompress } from 'fzstd'

type Decompress = (frame: Uint8Array, options?: { maxOutputLength?: number }) => Promise<Uint8Array>
/** Node.js 22.15 and later have it. */
const native = (zlib as unknown as { zstdDecompress?: (...a: unknown[]) => void }).zstdDecompress

const FRAME_MAGIC = 0xfd2fb528
const DICTIONARY_BYTES = [0, 1, 2, 4]
const CONTENT_BYTES = [0, 2, 4, 8]
const BLOCK_HEADER = 3
const Block = { RAW: 0, RLE: 1, COMPRESSED: 2, RESERVED: 3 } as const
const bad = (reason: string): Error => new Error(`its zstd frame is damaged: ${reason}`)

/** Where a frame's blocks begin, and how much memory decoding takes (RFC 8878 3.1.1.1). */
function frameHeader(view: DataView, wanted: number): { at: number; checksum: boolean } {
  if (view.byteLength < 6 || view.getUint32(0, true) !== FRAME_MAGIC) throw bad('it does not begin as one')
  const descriptor = view.getUint8(4)
  const single = (descriptor & 0x20) !== 0
  let at = 5
  if (!single) {
    const window = view.getUint8(at++)
    const base = 2 ** (10 + (window >>> 3))
    // A frame that holds a cluster has no use for a larger window than the least there is for its level.
    if (base + (base / 8) * (window & 7) > Math.max(wanted, 1 << 20) * 8) throw bad('its window is too large')
  }
  at += DICTIONARY_BYTES[descriptor & 3]!
  const size = CONTENT_BYTES[descriptor >>> 6]! || (single ? 1 : 0)
  if (at + size > view.byteLength) throw bad('it ends in its header')
  const content = size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at, true) + 256 : size === 4 ? view.getUint32(at, true)
    : size === 8 ? view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32 : 0
  // Not told: what does not come out is zeroes, and what is too much is cut off.
  if (size > 0 && content !== wanted) throw bad(`it holds ${content} bytes, not ${wanted}`)
  return { at: at + size, checksum: (descriptor & 4) !== 0 }
}

/** The frame at the start of `bytes`, without what fills up the sector behind it. */
export function zstdFrame(bytes: Uint8Array, size: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const { at: first, checksum } = frameHeader(view, size)
  let at = first
  for (let last = false; !last;) {
    if (at + BLOCK_HEADER > bytes.length) throw bad('it ends within a block')
    const header = view.getUint8(at) + view.getUint16(at + 1, true) * 256
    const type = (header >>> 1) & 3
    last = (header & 1) === 1
    if (type === Block.RESERVED) throw bad('a block is of an unknown type')
    at += BLOCK_HEADER + (type === Block.RLE ? 1 : header >>> 3)
  }
  if (checksum) at += 4
  if (at > bytes.length) throw bad('it ends within a block')
  return bytes.subarray(0, at)
}

/** Exactly `size` bytes out of a frame and filler. Rejects when that cannot be. */
export async function unzstd(bytes: Uint8Array, size: number): Promise<Uint8Array> {
  const frame = zstdFrame(bytes, size)
  const out = native
    ? await (promisify(native) as unknown as Decompress)(frame, { maxOutputLength: size })
    : decompress(frame, new Uint8Array(size))
  if (out.length !== size) throw bad(`${out.length} bytes came out, not ${size}`)
  return out
}
