/**
 * Scalar fields of wire structures. Each knows its size, how to read and write itself at an absolute position, and
 * (numbers only) the expression the layout compiler pastes into generated accessors.
 */
export interface Field<T> {
  readonly kind: 'field'
  readonly size: number
  /** JavaScript source that reads the field from bytes `b` at position `at`; absent for non-numeric fields. */
  readonly source?: (b: string, at: string) => string
  get(b: Uint8Array, at: number): T
  /** Throws a RangeError that says what was expected when `value` does not fit. */
  set(b: Uint8Array, at: number, value: T): void
}

function unsigned(size: number, order: 'be' | 'le'): Field<number> {
  const limit = 2 ** (8 * size)
  const source = (b: string, at: string): string => {
    const byte = (i: number): string => `${b}[${at}+${order === 'be' ? i : size - 1 - i}]`
    const word = (from: number, to: number): string => {
      const parts: string[] = []
      for (let i = from; i < to; i++) parts.push(i === to - 1 ? byte(i) : `${byte(i)}<<${8 * (to - 1 - i)}`)
      return to - from === 4 ? `((${parts.join('|')})>>>0)` : `(${parts.join('|')})`
    }
    return size <= 4 ? word(0, size) : `(${word(0, size - 4)}*4294967296+${word(size - 4, size)})`
  }
  const get = new Function('b', 'at', `return ${source('b', 'at')}`) as (b: Uint8Array, at: number) => number
  return {
    kind: 'field',
    size,
    source,
    get,
    set(b, at, value) {
      if (!Number.isInteger(value) || value < 0 || value >= limit) {
        throw new RangeError(`${value} is not an unsigned ${8 * size}-bit integer`)
      }
      for (let i = 0, rest = value; i < size; i++, rest = Math.floor(rest / 256)) {
        b[at + (order === 'be' ? size - 1 - i : i)] = rest % 256
      }
    },
  }
}

export const u8 = unsigned(1, 'be')
export const u16be = unsigned(2, 'be')
export const u24be = unsigned(3, 'be')
export const u32be = unsigned(4, 'be')
export const u48be = unsigned(6, 'be')
/** 64 bits as a number. Values of 2^53 and above lose low bits but stay above 2^53: test with Number.isSafeInteger. */
export const u64be = unsigned(8, 'be')
export const u16le = unsigned(2, 'le')
export const u32le = unsigned(4, 'le')
export const u64le = unsigned(8, 'le')

/** `size` raw bytes; reading copies. A shorter value is padded with zeroes. */
export function bytes(size: number): Field<Uint8Array> {
  return {
    kind: 'field',
    size,
    get: (b, at) => b.slice(at, at + size),
    set(b, at, value) {
      if (value.length > size) throw new RangeError(`${value.length} bytes do not fit into ${size}`)
      b.fill(0, at, at + size).set(value, at)
    },
  }
}

/** Left-aligned ASCII padded with spaces (SPC-4 4.4.1), read back without the padding. */
export function ascii(size: number): Field<string> {
  return {
    kind: 'field',
    size,
    get: (b, at) => Buffer.from(b.buffer, b.byteOffset + at, size).toString('latin1').replace(/[ \0]+$/, ''),
    set(b, at, value) {
      if (!/^[\x20-\x7e]*$/.test(value)) throw new RangeError(`${JSON.stringify(value)} is not printable ASCII`)
      if (value.length > size) throw new RangeError(`"${value}" is longer than ${size} characters`)
      b.fill(0x20, at, at + size)
      for (let i = 0; i < value.length; i++) b[at + i] = value.charCodeAt(i)
    },
  }
}

/** `size` reserved bytes: written as zero, never read, left out of values and usage masks. */
export interface Skip {
  readonly kind: 'skip'
  readonly size: number
}
export const skip = (size: number): Skip => ({ kind: 'skip', size })

/** A bit (7 is the most significant of a byte) or an inclusive range [high, low], numbered within the carrier. */
export type BitRange = number | readonly [high: number, low: number]

export interface Bits<N extends string> {
  readonly kind: 'bits'
  readonly size: number
  readonly carrier: Field<number>
  readonly ranges: Readonly<Record<N, BitRange>>
}

/** Named bit fields inside one carrier of at most 32 bits: `bits(u8, { evpd: 0, cmddt: 1 })`. Undeclared bits are reserved. */
export function bits<N extends string>(carrier: Field<number>, ranges: Readonly<Record<N, BitRange>>): Bits<N> {
  if (carrier.size > 4) throw new RangeError('bit fields are carried by at most 32 bits')
  return { kind: 'bits', size: carrier.size, carrier, ranges }
}
