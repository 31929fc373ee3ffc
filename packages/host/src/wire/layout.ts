import type { BitRange, Bits, Field, Skip } from './fields'

export type Member = Field<any> | Bits<string> | Skip // eslint-disable-line @typescript-eslint/no-explicit-any
export type Members = Readonly<Record<string, Member>>

type Plain<M extends Members> = { [K in keyof M as M[K] extends Field<unknown> ? K : never]: M[K] extends Field<infer T> ? T : never }
type BitNames<M extends Members> = { [K in keyof M]: M[K] extends Bits<infer N> ? N : never }[keyof M]
type Flat<T> = { [K in keyof T]: T[K] }

/** The value of a structure: one property a field, one number a bit field; reserved parts have none. */
export type ValueOf<M extends Members> = Flat<Plain<M> & { [K in BitNames<M>]: number }>
type Encodable<M extends Members> = Flat<{ [K in keyof Plain<M>]?: Plain<M>[K] } & { [K in BitNames<M>]?: number | boolean }>
/** A movable window over bytes: assign `bytes` and `base`, then read or write fields as properties. */
export type ViewOf<M extends Members> = ValueOf<M> & { bytes: Uint8Array; base: number }

export interface Layout<M extends Members = Members> {
  readonly name: string
  /** Length in bytes. */
  readonly size: number
  /** Byte offset of each field from the start of the structure; a bit field has its carrier's offset. */
  readonly at: { readonly [K in keyof Plain<M> | BitNames<M>]: number }
  /** One bit for every bit that has a meaning, e.g. the CDB usage map of REPORT SUPPORTED OPERATION CODES. */
  readonly mask: Uint8Array
  view(bytes: Uint8Array, base?: number): ViewOf<M>
  /** Throws a RangeError naming the structure when fewer than `size` bytes are there. */
  decode(bytes: Uint8Array, base?: number): ValueOf<M>
  /** Members left out are zero. Throws a RangeError naming structure and field when a value does not fit. */
  encode(value: Encodable<M>, into?: Uint8Array, base?: number): Uint8Array
}
export type LayoutOf<L> = L extends Layout<infer M> ? ValueOf<M> : never

interface Slot {
  name: string
  offset: number
  size: number
  source?: string
  get(b: Uint8Array, base: number): unknown
  set(b: Uint8Array, base: number, v: unknown): void
}

const span = (r: BitRange): readonly [number, number] => (typeof r === 'number' ? [r, r] : r)

function bitSlot(name: string, range: BitRange, carrier: Field<number>, offset: number): Slot {
  const [high, low] = span(range)
  if (high < low || high >= carrier.size * 8) throw new RangeError(`${name}: bits ${high}..${low} are not inside the carrier`)
  const width = 2 ** (high - low + 1)
  const scale = 2 ** low
  const read = (b: Uint8Array, base: number): number => Math.floor(carrier.get(b, base + offset) / scale) % width
  return {
    name,
    offset,
    size: carrier.size,
    source: `((${carrier.source?.('b', `p+${offset}`)}>>>${low})&${width - 1})>>>0`,
    get: read,
    set(b, base, v) {
      const value = Number(v)
      if (!Number.isInteger(value) || value < 0 || value >= width) throw new RangeError(`${String(v)} does not fit into ${high - low + 1} bits`)
      const whole = carrier.get(b, base + offset)
      carrier.set(b, base + offset, whole + (value - read(b, base)) * scale)
    },
  }
}

function slotsOf(members: Members, mask: number[]): { slots: Slot[]; size: number } {
  const slots: Slot[] = []
  let offset = 0
  for (const [name, m] of Object.entries(members)) {
    if (m.kind === 'field') {
      const at = offset
      slots.push({
        name, offset, size: m.size, source: m.source?.('b', `p+${at}`),
        get: (b, base) => m.get(b, base + at) as unknown,
        set: (b, base, v) => m.set(b, base + at, v),
      })
      for (let i = 0; i < m.size; i++) mask[offset + i] = 0xff
    } else if (m.kind === 'bits') {
      const image = new Uint8Array(m.size)
      for (const [bit, range] of Object.entries(m.ranges)) {
        const [high, low] = span(range)
        slots.push(bitSlot(bit, range, m.carrier, offset))
        m.carrier.set(image, 0, m.carrier.get(image, 0) + 2 ** (high + 1) - 2 ** low)
      }
      image.forEach((byte, i) => (mask[offset + i] = byte))
    } else {
      for (let i = 0; i < m.size; i++) mask[offset + i] = 0
    }
    offset += m.size
  }
  return { slots, size: offset }
}

type View = new (bytes: Uint8Array, base: number) => object

/** Accessors are generated source: measured equal to constant offsets written by hand, where shared closures are not. */
function viewClass(slots: Slot[]): View {
  const accessors = slots.map((s, i) => {
    const read = s.source ?? `slots[${i}].get(b, p)`
    return `get ${s.name}(){const b=this.bytes,p=this.base;return ${read}} set ${s.name}(v){slots[${i}].set(this.bytes,this.base,v)}`
  })
  const body = `return class{constructor(bytes,base){this.bytes=bytes;this.base=base}${accessors.join('\n')}}`
  return (new Function('slots', body) as (s: Slot[]) => View)(slots)
}

/**
 * Declare a wire structure once and get its offsets, a movable view, a decoder, an encoder, its size and its type.
 * Members lie one after another without padding; `size` asserts the total.
 */
export function layout<const M extends Members>(name: string, members: M, expect: { size?: number } = {}): Layout<M> {
  const mask: number[] = []
  const { slots, size } = slotsOf(members, mask)
  if (expect.size !== undefined && expect.size !== size) throw new RangeError(`layout ${name} is ${size} bytes, declared as ${expect.size}`)
  const known = new Map(slots.map((s) => [s.name, s]))
  if (known.size !== slots.length) throw new RangeError(`layout ${name} declares a field twice`)
  // Made for the first view: of most structures a process never makes one, and this is a tenth of loading all of them.
  let View: View | undefined
  return {
    name,
    size,
    at: Object.fromEntries(slots.map((s) => [s.name, s.offset])) as Layout<M>['at'],
    mask: Uint8Array.from(mask),
    view: (bytes, base = 0) => new (View ??= viewClass(slots))(bytes, base) as ViewOf<M>,
    decode(bytes, base = 0) {
      if (base < 0 || base + size > bytes.length) throw new RangeError(`${name}: ${size} bytes expected, ${Math.max(0, bytes.length - base)} there`)
      return Object.fromEntries(slots.map((s) => [s.name, s.get(bytes, base)])) as ValueOf<M>
    },
    encode(value, into = new Uint8Array(size), base = 0) {
      if (base < 0 || base + size > into.length) throw new RangeError(`${name}: ${size} bytes do not fit into ${Math.max(0, into.length - base)}`)
      into.fill(0, base, base + size)
      for (const [key, v] of Object.entries(value as Record<string, unknown>)) {
        const slot = known.get(key)
        if (!slot) throw new RangeError(`${name}.${key}: no such field`)
        if (v === undefined) continue
        try {
          slot.set(into, base, v)
        } catch (e) {
          throw new RangeError(`${name}.${key}: ${(e as Error).message}`)
        }
      }
      return into
    },
  }
}
