import fc from 'fast-check'
import { decodeTransportId, encodeTransportId } from './transport-id'

const hex = (text: string): Uint8Array => Buffer.from(text.replace(/\s/g, ''), 'hex')
const vectors: [string, { initiator: string; isid: string }, string][] = [
  ['short name of a device', { initiator: 'iqn.2026-11.t:a', isid: '' }, `05000014 ${Buffer.from('iqn.2026-11.t:a').toString('hex')} 0000000000`],
  ['initiator port', { initiator: 'iqn.2026-11.t:a', isid: '00023d000001' }, `45000024 ${Buffer.from('iqn.2026-11.t:a,i,0x00023d000001').toString('hex')} 00000000`],
]

test.each(vectors)('%s', (_name, who, bytes) => {
  expect(Buffer.from(encodeTransportId(who)).toString('hex')).toBe(Buffer.from(hex(bytes)).toString('hex'))
  expect(decodeTransportId(hex(bytes), 0)).toEqual({ ...who, end: hex(bytes).length })
})

const name = Buffer.from('iqn.2026-11.t:abcdef').toString('hex')
test.each([
  ['nothing', ''],
  ['half a header', '0500'],
  ['another protocol', `06000018 ${name} 00000000`],
  ['another format', `85000018 ${name} 00000000`],
  ['a length that is too small', `05000010 ${name} 00000000`],
  ['a length that is not a multiple of four', `05000017 ${name} 000000`],
  ['cut off', `0500001c ${name} 00000000`],
  ['without an end of the name', `05000014 ${name}`],
  ['an empty name', `05000014 ${'00'.repeat(20)}`],
  ['a space in the name', `05000018 20${name.slice(2)} 00000000`],
  ['an ISID where none may be', `05000024 ${Buffer.from('iqn.2026-11.t:a,i,0x00023d000001').toString('hex')} 00000000`],
  ['no ISID where one must be', `45000018 ${name} 00000000`],
  ['an ISID that is no number', `45000024 ${Buffer.from('iqn.2026-11.t:a,i,0x00023d00000g').toString('hex')} 00000000`],
  ['a name of 224 bytes', `050000e4 ${'61'.repeat(224)} 00000000`],
])('does not decode: %s', (_name, bytes) => expect(decodeTransportId(hex(bytes), 0)).toBeUndefined())

test('names compare without case, a short ISID is filled up', () => {
  const bytes = hex(`45000020 ${Buffer.from('IQN.2026-11.t:A,i,0xABC').toString('hex')} ${'00'.repeat(9)}`)
  expect(decodeTransportId(bytes, 0)).toMatchObject({ initiator: 'iqn.2026-11.t:a', isid: '000000000abc' })
})

const initiator = fc.string({ unit: fc.constantFrom(...'abcxyz019.:-'), minLength: 1, maxLength: 223 })
const isid = fc.constantFrom('', '000000000000', '00023d000001', 'ffffffffffff')
test('every initiator port comes back', () => {
  fc.assert(fc.property(initiator, isid, fc.nat(9), (initiator, isid, at) => {
    const bytes = Buffer.concat([Buffer.alloc(at), encodeTransportId({ initiator, isid })])
    expect(bytes.length % 4).toBe(at % 4)
    expect(decodeTransportId(bytes, at)).toEqual({ initiator, isid, end: bytes.length })
  }))
})

test('any bytes decode to nothing or to something inside them', () => {
  const nearly = fc.tuple(initiator, isid, fc.array(fc.tuple(fc.nat(40), fc.nat(255)), { maxLength: 3 })).map(([initiator, isid, changes]) => {
    const bytes = encodeTransportId({ initiator, isid })
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
    return bytes
  })
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), nearly), fc.nat(5), (bytes, at) => {
    const found = decodeTransportId(bytes, at)
    if (!found) return
    expect(found.end).toBeLessThanOrEqual(bytes.length)
    expect(found.end).toBeGreaterThan(at)
    expect(decodeTransportId(encodeTransportId(found), 0)).toMatchObject({ initiator: found.initiator, isid: found.isid })
  }), { numRuns: 500 })
})
