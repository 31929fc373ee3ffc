/** CRC-32C (Castagnoli, reflected), as in RFC 7143 12.1. */
const POLYNOMIAL = 0x82f63b78
const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  return crc
})

/** Of bytes [from, to), begun with `seed`: an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, from: number, to: number, seed = 0): number {
  let crc = ~seed
  for (let i = from; i < to; i++) crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}
