import fc from 'fast-check'
import { packedOf } from './compressed'
import { countForm } from './counts'
import { extensionsOf, featureNames } from './extensions'
import { Header, HeaderV1, HeaderV3, headerV3At, MAGIC } from './format'
import { HEADER_BYTES, parseHeader } from './header'
import { pathFrom } from './context'
import { refusals } from './refuse'

const file = 2 ** 30
const refused = /^E_QCOW_(HEADER|FORMAT|ENCRYPTED|FEATURE)$/

function header(fields: Parameters<typeof Header.encode>[0] = {}, v3: Parameters<typeof HeaderV3.encode>[0] = {}): Uint8Array {
  const bytes = new Uint8Array(65_536)
  Header.encode({
    magic: MAGIC, version: 3, clusterBits: 16, size: 2 ** 33, l1Entries: 16, l1Offset: 0x30000, refcountTableOffset: 0x10000, refcountTableClusters: 1, ...fields,
  }, bytes)
  HeaderV3.encode({ refcountOrder: 4, headerLength: 104, ...v3 }, bytes, headerV3At)
  return bytes
}
const codeOf = (bytes: Uint8Array): string | undefined => {
  try {
    parseHeader(bytes, '/i', file)
    return undefined
  } catch (e) {
    return (e as { code: string }).code
  }
}

test('a header of version 3', () => {
  expect(parseHeader(header(), '/i', file)).toMatchObject({ version: 3, clusterSize: 65_536, tableEntries: 8192, l1Entries: 16, backing: undefined, refcounts: { order: 4 } })
})

test.each([
  ['cluster_bits 8', { clusterBits: 8 }, {}], ['cluster_bits 22', { clusterBits: 22 }, {}], ['cluster_bits 2^32 − 1', { clusterBits: 2 ** 32 - 1 }, {}],
  ['too few L1 entries', { l1Entries: 15 }, {}], ['2^32 − 1 L1 entries', { l1Entries: 2 ** 32 - 1 }, {}], ['an L1 table in the header', { l1Offset: 0 }, {}],
  ['an L1 table beside a boundary', { l1Offset: 0x30200 }, {}], ['an L1 table behind the end', { l1Offset: file }, {}],
  ['a size of 2^63', { size: 2 ** 63 }, {}], ['a refcount table of no clusters', { refcountTableClusters: 0 }, {}],
  ['a refcount table of 2^32 − 1 clusters', { refcountTableClusters: 2 ** 32 - 1 }, {}], ['a backing name of 2^32 − 1 bytes', { backingOffset: 512, backingLength: 2 ** 32 - 1 }, {}],
  ['a backing name behind the first cluster', { backingOffset: 70_000, backingLength: 5 }, {}], ['2^32 − 1 snapshots', { snapshots: 2 ** 32 - 1, snapshotsOffset: 0x40000 }, {}],
  ['refcount_order 7', {}, { refcountOrder: 7 }], ['a header of 100 bytes', {}, { headerLength: 100 }], ['a header longer than a cluster', {}, { headerLength: 2 ** 20 }],
  ['the compression bit without a type', {}, { incompatible: 8 }], ['a data file without a name', {}, { incompatible: 4 }],
])('%s is refused', (_name, fields, v3) => {
  expect(codeOf(header(fields, v3))).toBe('E_QCOW_HEADER')
})

test('an unknown bit is refused with the name that the image gives it', () => {
  const bytes = header({}, { incompatible: 1 << 7 })
  Buffer.from(bytes.buffer).write('6803f857000000300007', 104, 'hex')
  Buffer.from(bytes.buffer).write('a thing to come', 114)
  expect(() => parseHeader(bytes, '/i', file)).toThrow(/incompatible bit 7 \(a thing to come\)/)
})

test('any bytes are a header or a typed refusal, also those that are nearly one', () => {
  const patch = fc.record({ at: fc.nat(200), bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) })
  const near = fc.tuple(fc.constantFrom(header(), v1()), fc.array(patch, { maxLength: 4 }), fc.nat(400)).map(([bytes, patches, cut]) => {
    const copy = Uint8Array.from(bytes)
    for (const p of patches) copy.set(p.bytes, p.at)
    return cut < 200 ? copy.subarray(0, cut) : copy
  })
  fc.assert(fc.property(fc.oneof(near, fc.uint8Array({ maxLength: 300 })), (bytes) => {
    const code = codeOf(bytes)
    return code === undefined || refused.test(code)
  }), { numRuns: 2000 })
})

function v1(): Uint8Array {
  return HeaderV1.encode({ magic: MAGIC, version: 1, size: 2 ** 23, clusterBits: 12, l2Bits: 9, l1Offset: 48 }, new Uint8Array(4096))
}

test('extensions end, whatever their lengths say', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
    const parts = extensionsOf(bytes, 0, () => undefined)
    featureNames(parts, 0)
    return parts.length <= bytes.length / 8
  }))
})

test.each([0, 1, 2, 3, 4, 5, 6])('counts of 2^%d bits keep to their place', (order) => {
  const form = countForm(order)
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(63), fc.nat(2 ** 31)), { maxLength: 40 }), (writes) => {
    const view = new DataView(new ArrayBuffer(64 * 8))
    const model = new Map<number, number>()
    for (const [index, n] of writes) {
      const value = n % (form.max + 1)
      form.set(view, index, value)
      model.set(index, value)
    }
    return [...Array(64).keys()].every((i) => form.get(view, i) === (model.get(i) ?? 0))
  }))
  expect(form.bits).toBe(2 ** order)
})

test('where compressed clusters lie: the fields of versions 1 and 2 differ', () => {
  // 64 KiB clusters: 54 bits of position, 8 of sectors.
  expect(packedOf({ version: 3, clusterSize: 65_536 }, 0x40c00000 | 0, 0x0005_0123)).toEqual({ offset: 0x50123, length: 4 * 512 - 0x123 })
  // 4 KiB clusters of version 1: 51 bits of position, 12 of bytes.
  expect(packedOf({ version: 1, clusterSize: 4096 }, 0x80000000 + 0x123 * 2 ** 19, 0x7001)).toEqual({ offset: 0x7001, length: 0x123 })
})

test('names in an image count from its folder, and must be files', () => {
  expect([pathFrom('/a/b/top', 'base'), pathFrom('/a/b/top', '../base'), pathFrom('/a/top', '/x'), pathFrom('/a/top', 'file:y')]).toEqual(['/a/b/base', '/a/base', '/x', '/a/y'])
  expect(['nbd://h/x', 'json:{}', 'ssh://h/x'].map((n) => pathFrom('/a/top', n))).toEqual([undefined, undefined, undefined])
})

test('headers are read up to the largest cluster', () => {
  expect(HEADER_BYTES).toBe(2 ** 21)
  expect(refusals.every((code) => code.startsWith('E_QCOW_'))).toBe(true)
})
