import fc from 'fast-check'
import { crc32c, digestAt, putDigest } from './digest'

const wire = (bytes: Uint8Array): string => {
  const b = Buffer.alloc(4)
  putDigest(b, 0, crc32c(0, bytes, 0, bytes.length))
  return b.toString('hex')
}
const readPdu = Uint8Array.from([
  0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
])

test.each([
  ['32 zeroes', new Uint8Array(32), 'aa36918a'],
  ['32 ones', new Uint8Array(32).fill(0xff), '43aba862'],
  ['32 bytes upward', Uint8Array.from({ length: 32 }, (_, i) => i), '4e79dd46'],
  ['32 bytes downward', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), '5cdb3f11'],
  ['a READ command PDU', readPdu, '563a96d9'],
  ['"123456789"', Buffer.from('123456789'), '839206e3'],
])('CRC32C of %s (RFC 3720 B.4)', (_what, bytes, hex) => {
  expect(wire(bytes)).toBe(hex)
})

test('in pieces, at any offset, it is what it is bit by bit', () => {
  const slow = (b: Uint8Array): number => {
    let c = 0xffffffff
    for (const byte of b) {
      c ^= byte
      for (let i = 0; i < 8; i++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1
    }
    return ~c >>> 0
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), fc.nat(20), (bytes, cut, lead) => {
    const b = Buffer.concat([Buffer.alloc(lead, 7), bytes])
    const at = lead + Math.min(cut, bytes.length)
    expect(crc32c(crc32c(0, b, lead, at), b, at, b.length)).toBe(slow(bytes))
    const out = Buffer.alloc(6)
    putDigest(out, 1, slow(bytes))
    expect(digestAt(out, 1)).toBe(slow(bytes))
  }))
})
