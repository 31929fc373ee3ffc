import fc from 'fast-check'
import { loadCore } from '../../native'
import { crc32c } from '../../packages/iscsi/src/digest'
import { describeIf } from '../lib/requires'

const native = loadCore().crc32c

describeIf(native ? undefined : 'needs a processor with an instruction for CRC-32C', 'CRC-32C by the addon', () => {
  test('of the reference vector (RFC 3720 B.4)', () => {
    expect(native!(0, Buffer.from('123456789'), 0, 9)).toBe(0xe3069283)
  })

  test('is what JavaScript makes of the same bytes, at any place, going on from any value', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.nat(300), fc.nat(0xffffffff), (bytes, a, b, crc) => {
      const [from, to] = [a, b].map((n) => n % (bytes.length + 1)).sort((x, y) => x - y) as [number, number]
      expect(native!(crc, bytes, from, to)).toBe(crc32c(crc, bytes, from, to))
    }))
  })

  test.each([
    ['a range beyond the end', [0, new Uint8Array(8), 0, 9]], ['a range that ends before it begins', [0, new Uint8Array(8), 5, 4]], ['a negative place', [0, new Uint8Array(8), -1, 4]],
    ['more than 32 bits', [2 ** 32, new Uint8Array(8), 0, 8]], ['other arrays', [0, new Uint16Array(8), 0, 8]], ['no bytes', [0, undefined, 0, 0]],
  ])('refuses %s', (_, args) => {
    expect(() => (native as (...args: unknown[]) => unknown)(...args)).toThrow(/crc32c takes|must be/)
  })
})
