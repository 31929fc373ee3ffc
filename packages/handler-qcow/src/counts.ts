import { TWO32 } from './format'

/** Reads and writes the counts of one width in a refcount block. */
export interface CountForm {
  readonly bits: number
  readonly max: number
  get(view: DataView, index: number): number
  set(view: DataView, index: number, value: number): void
}

/** 1, 2 and 4 bits: packed from the least significant bit of each byte. */
function packed(bits: number): CountForm {
  const per = 8 / bits
  const mask = 2 ** bits - 1
  return {
    bits,
    max: mask,
    get: (view, i) => (view.getUint8(Math.floor(i / per)) >>> ((i % per) * bits)) & mask,
    set(view, i, value) {
      const at = Math.floor(i / per)
      const shift = (i % per) * bits
      view.setUint8(at, (view.getUint8(at) & ~(mask << shift)) | (value << shift))
    },
  }
}

const forms: readonly CountForm[] = [
  packed(1), packed(2), packed(4),
  { bits: 8, max: 255, get: (v, i) => v.getUint8(i), set: (v, i, n) => v.setUint8(i, n) },
  { bits: 16, max: 65_535, get: (v, i) => v.getUint16(i * 2), set: (v, i, n) => v.setUint16(i * 2, n) },
  { bits: 32, max: TWO32 - 1, get: (v, i) => v.getUint32(i * 4), set: (v, i, n) => v.setUint32(i * 4, n) },
  {
    bits: 64,
    max: Number.MAX_SAFE_INTEGER,
    get: (v, i) => v.getUint32(i * 8) * TWO32 + v.getUint32(i * 8 + 4),
    set(v, i, n) {
      v.setUint32(i * 8, Math.floor(n / TWO32))
      v.setUint32(i * 8 + 4, n % TWO32)
    },
  },
]

/** `order` from 0 to 6: the width is 2^order bits. */
export const countForm = (order: number): CountForm => forms[order]!
