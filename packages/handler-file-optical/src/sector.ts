import { bytes, layout, skip, u32le, u8 } from '@tcmu/host/scsi'
import { msfOf } from './commands/msf'
import { BLOCK } from './medium'

/** ECMA-130 14.4: a sector of mode 01, and where error correction has its parity. */
export const Sector = layout('sector_mode_1', {
  sync: bytes(12), header: bytes(4), userData: bytes(BLOCK), edc: u32le, zero: skip(8), pParity: bytes(172), qParity: bytes(104),
}, { size: 2352 })

const Header = layout('sector_header', { m: u8, s: u8, f: u8, mode: u8 }, { size: 4 })
const SYNC = Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0)
const MODE_1 = 1
const decimal = (n: number): number => Math.floor(n / 10) * 16 + (n % 10)

/** ECMA-130 14.3: x^32 + x^31 + x^16 + x^15 + x^4 + x^3 + x + 1, least significant bit first. */
const EDC_POLYNOMIAL = 0xd8018001
const edcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let i = 0; i < 8; i++) rest = rest & 1 ? (rest >>> 1) ^ EDC_POLYNOMIAL : rest >>> 1
  return rest
})
export function edcOf(data: Uint8Array): number {
  let edc = 0
  for (const byte of data) edc = (edc >>> 8) ^ edcTable[(edc ^ byte) & 0xff]
  return edc >>> 0
}

/** ECMA-130 annex A: GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, primitive element 2. */
const FIELD = 0x11d
const ORDER = 255
const power = new Uint8Array(2 * ORDER)
const logarithm = new Uint8Array(256)
for (let i = 0, x = 1; i < ORDER; i++, x = x & 0x80 ? (x << 1) ^ FIELD : x << 1) {
  power[i] = power[i + ORDER] = x
  logarithm[x] = i
}
const byAlphaPlusOne = ORDER - logarithm[3]
const times = (x: number, exponent: number): number => (x === 0 ? 0 : power[(logarithm[x] + exponent) % ORDER])

/** A code: so many vectors, each of so many words of data and two of parity; where word `i` of vector `v` is. */
interface Code {
  readonly vectors: number
  readonly data: number
  readonly word: (v: number, i: number) => number
}
const P: Code = { vectors: 43, data: 24, word: (v, i) => 43 * i + v }
const Q: Code = { vectors: 26, data: 43, word: (v, i) => (i < 43 ? (44 * i + 43 * v) % 1118 : 1118 + 26 * (i - 43) + v) }

/**
 * Parity of the bytes of one of the two planes: the sum of all bytes of a vector is zero, and so is the sum of each times the
 * power of its distance from the last (ECMA-130 annex A, H matrices).
 */
function addParity(area: Uint8Array, { vectors, data, word }: Code, plane: number): void {
  for (let v = 0; v < vectors; v++) {
    let sum = 0
    let weighted = 0
    for (let i = 0; i < data; i++) {
      const byte = area[2 * word(v, i) + plane]
      sum ^= byte
      weighted ^= times(byte, data + 1 - i)
    }
    const first = times(sum ^ weighted, byAlphaPlusOne)
    area[2 * word(v, data) + plane] = first
    area[2 * word(v, data + 1) + plane] = sum ^ first
  }
}

/** Make the sector of a block around its user data, which is in `sector` already. */
export function completeSector(sector: Uint8Array, lba: number): void {
  const { m, s, f } = msfOf(lba)
  sector.set(SYNC, Sector.at.sync)
  Header.encode({ m: decimal(m), s: decimal(s), f: decimal(f), mode: MODE_1 }, sector, Sector.at.header)
  u32le.set(sector, Sector.at.edc, edcOf(sector.subarray(0, Sector.at.edc)))
  sector.fill(0, Sector.at.edc + u32le.size, Sector.at.pParity)
  const area = sector.subarray(Sector.at.header)
  for (const code of [P, Q]) for (const plane of [0, 1]) addParity(area, code, plane)
}
