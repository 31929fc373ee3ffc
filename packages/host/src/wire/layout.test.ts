import fc from 'fast-check'
import { ascii, bits, bytes, layout, skip, u16be, u16le, u24be, u32be, u32le, u48be, u64be, u64le, u8 } from '.'

const Sample = layout('sample', {
  op: u8,
  flags: bits(u8, { protect: [7, 5], dpo: 4, fua: 3 }),
  wide: bits(u16be, { high: [15, 12], low: [11, 0] }),
  reserved: skip(1),
  lba: u64be,
  count: u24be,
  far: u48be,
  little: u16le,
  word: u32le,
  big: u32be,
  long: u64le,
  name: ascii(4),
  raw: bytes(2),
}, { size: 46 })

const vector: [Parameters<typeof Sample.encode>[0], string][] = [
  [{}, '00'.repeat(40) + '20'.repeat(0) + '00'.repeat(6)],
  [
    {
      op: 0x28, protect: 5, dpo: 1, fua: 0, high: 0xa, low: 0xbcd, lba: 0x0001_0203_0405_0607, count: 0x010203, far: 0x0102_0304_0506,
      little: 0x1234, word: 0x01020304, big: 0xfffefdfc, long: 0x0001_0203_0405_0607, name: 'AB', raw: Uint8Array.of(1, 2),
    },
    '28' + 'b0' + 'abcd' + '00' + '0001020304050607' + '010203' + '010203040506' + '3412' + '04030201' + 'fffefdfc' + '0706050403020100' + '41422020' + '0102',
  ],
]

test.each(vector)('encodes %#', (value, hex) => {
  expect(Buffer.from(Sample.encode(value)).toString('hex')).toBe(hex)
})

test('decodes what it encoded, by value and by view', () => {
  const [value, hex] = vector[1]!
  const raw = Buffer.concat([Buffer.alloc(3), Buffer.from(hex, 'hex')])
  expect(Sample.decode(raw, 3)).toEqual(value)
  const view = Sample.view(raw, 3)
  for (const [k, v] of Object.entries(value)) expect(view[k as keyof typeof view]).toEqual(v)
  view.low = 1
  view.dpo = 0
  expect(raw.subarray(4, 7).toString('hex')).toBe('a0a001')
})

test('knows offsets, size and usage mask', () => {
  expect(Sample.at).toMatchObject({ op: 0, dpo: 1, fua: 1, low: 2, lba: 5, raw: 44 })
  expect(Buffer.from(Sample.mask.subarray(0, 6)).toString('hex')).toBe('fff8ffff00ff')
})

test.each([
  [{ op: 256 }, /sample\.op: 256 is not an unsigned 8-bit integer/],
  [{ low: 4096 }, /sample\.low: 4096 does not fit into 12 bits/],
  [{ name: 'ABCDE' }, /sample\.name: "ABCDE" is longer than 4 characters/],
  [{ name: '\n' }, /sample\.name: .* is not printable ASCII/],
  [{ raw: new Uint8Array(3) }, /sample\.raw: 3 bytes do not fit into 2/],
  [{ other: 1 } as object, /sample\.other: no such field/],
])('must not encode %j', (value, message) => {
  expect(() => Sample.encode(value as never)).toThrow(message)
})

test('must not decode what is too short', () => {
  expect(() => Sample.decode(new Uint8Array(45))).toThrow('sample: 46 bytes expected, 45 there')
  expect(() => layout('wrong', { a: u8 }, { size: 2 })).toThrow('layout wrong is 1 bytes, declared as 2')
})

test('numbers survive a round trip at any position', () => {
  const fields = { u8, u16be, u24be, u32be, u48be, u64be, u16le, u32le, u64le }
  for (const [name, f] of Object.entries(fields)) {
    fc.assert(
      fc.property(fc.nat(9), fc.maxSafeNat(), (at, n) => {
        const v = n % Math.min(2 ** (8 * f.size), Number.MAX_SAFE_INTEGER)
        const b = new Uint8Array(20)
        f.set(b, at, v)
        return f.get(b, at) === v && b.every((x, i) => x === 0 || (i >= at && i < at + f.size))
      }),
      { examples: [[0, 2 ** 32 - 1]], verbose: name === '' },
    )
  }
})

test('64-bit values above 2^53 stay above it', () => {
  expect(u64be.get(new Uint8Array(8).fill(0xff), 0)).toBeGreaterThan(Number.MAX_SAFE_INTEGER)
})
