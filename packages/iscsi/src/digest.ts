/** RFC 7143 13.1 CRC32C: reflected polynomial of 11edc6f41h. */
const POLYNOMIAL = 0x82f63b78
const SLICES = 8

function tables(): Uint32Array[] {
  const t = Array.from({ length: SLICES }, () => new Uint32Array(256))
  for (let n = 0; n < 256; n++) {
    let c = n
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ POLYNOMIAL : c >>> 1
    t[0]![n] = c
  }
  for (let n = 0; n < 256; n++) for (let k = 1; k < SLICES; k++) t[k]![n] = (t[k - 1]![n]! >>> 8) ^ t[0]![t[k - 1]![n]! & 0xff]!
  return t
}
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables() as [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array]

/** Continue `crc` (0 to begin) over bytes [from, to). */
export type Crc32c = (crc: number, bytes: Uint8Array, from: number, to: number) => number

/** Eight table look-ups for eight bytes: about 1 GB/s on one core. */
export const crc32c: Crc32c = (crc, b, from, to) => {
  let c = ~crc
  let i = from
  for (const last = to - SLICES; i <= last; i += SLICES) {
    c ^= b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24)
    c = t7[c & 0xff]! ^ t6[(c >>> 8) & 0xff]! ^ t5[(c >>> 16) & 0xff]! ^ t4[c >>> 24]! ^ t3[b[i + 4]!]! ^ t2[b[i + 5]!]! ^ t1[b[i + 6]!]! ^ t0[b[i + 7]!]!
  }
  for (; i < to; i++) c = t0[(c ^ b[i]!) & 0xff]! ^ (c >>> 8)
  return ~c >>> 0
}

/** The call of an addon costs about as much as this many bytes here (130 ns). */
const LEAST_NATIVE = 160

/** By a native function where there is one and it pays. */
export const quickest = (native: Crc32c | undefined): Crc32c =>
  (native ? (crc, bytes, from, to) => (to - from < LEAST_NATIVE ? crc32c(crc, bytes, from, to) : native(crc, bytes, from, to)) : crc32c)

/** The digest goes over the wire with its lowest byte first (RFC 7143 13.1, example in RFC 3720 B.4). */
export function putDigest(b: Uint8Array, at: number, crc: number): void {
  b[at] = crc
  b[at + 1] = crc >>> 8
  b[at + 2] = crc >>> 16
  b[at + 3] = crc >>> 24
}
export const digestAt = (b: Uint8Array, at: number): number => (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0
