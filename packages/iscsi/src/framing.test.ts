import fc from 'fast-check'
import { crc32c } from './digest'
import { ProtocolError } from './errors'
import { Framing } from './framing'
import { BHS, NopOut, Opcode } from './pdu'
import { wirePdu } from './testing/wire'

interface Seen {
  header: string
  data: string
}

/** Push chunks and note what comes out; `room`: bytes of each PDU's data that are kept. */
function run(chunks: Uint8Array[], options: { header?: boolean; data?: boolean; max?: number; room?: number } = {}): Seen[] {
  const seen: Seen[] = []
  let data = Buffer.alloc(0)
  const framing: Framing = new Framing({
    header: () => {
      data = Buffer.alloc(Math.min(framing.dataLength, options.room ?? Infinity))
      framing.into(data, 0, data.length)
    },
    pdu: () => void seen.push({ header: framing.header.subarray(0, BHS + framing.ahsLength).toString('hex'), data: data.toString('hex') }),
  }, options.max ?? 65536, crc32c)
  framing.headerDigest = options.header ?? false
  framing.dataDigest = options.data ?? false
  for (const chunk of chunks) framing.push(Buffer.from(chunk))
  return seen
}

const header = (itt: number, ahs = 0): Buffer =>
  Buffer.concat([NopOut.encode({ opcode: Opcode.NOP_OUT, final: 1, itt, ahsLength: ahs }), Buffer.alloc(ahs * 4, itt)])
const digests = fc.record({ header: fc.boolean(), data: fc.boolean() })
const pdus = fc.array(fc.record({ itt: fc.nat(0xff), ahs: fc.nat(3), data: fc.uint8Array({ maxLength: 40 }) }), { minLength: 1, maxLength: 6 })

test('however a stream is cut, the same PDUs come out', () => {
  fc.assert(fc.property(pdus, digests, fc.array(fc.nat(400), { maxLength: 12 }), (list, d, cuts) => {
    const stream = Buffer.concat(list.map((p) => wirePdu(header(p.itt, p.ahs), p.data, d)))
    const at = [0, ...cuts.map((c) => Math.min(c, stream.length)).sort((a, b) => a - b), stream.length]
    const chunks = at.slice(1).map((end, i) => stream.subarray(at[i], end))
    const seen = run(chunks, d)
    expect(seen.map((s) => s.data)).toEqual(list.map((p) => Buffer.from(p.data).toString('hex')))
    expect(seen.map((s) => s.header.length / 2)).toEqual(list.map((p) => BHS + p.ahs * 4))
  }))
})

test('one bit changed under digests: that PDU ends it, the ones before came through', () => {
  fc.assert(fc.property(pdus, fc.nat(), fc.nat(7), (list, where, bit) => {
    const d = { header: true, data: true }
    const parts = list.map((p) => wirePdu(header(p.itt, p.ahs), p.data, d))
    const stream = Buffer.concat(parts)
    const at = where % stream.length
    stream[at] = stream[at]! ^ (1 << bit)
    let end = 0
    const whole = parts.filter((p) => (end += p.length) <= at).length
    let seen: Seen[] = []
    try {
      seen = run([stream], d)
    } catch (e) {
      expect(e).toBeInstanceOf(ProtocolError)
      return
    }
    // A changed length can leave the parser waiting for bytes that never come; nothing false may have come out.
    expect(seen.length).toBeLessThanOrEqual(whole)
  }))
})

test('data beyond the room there is, is dropped', () => {
  expect(run([wirePdu(header(1), Buffer.from('abcdefgh')), wirePdu(header(2), Buffer.from('xy'))], { room: 3 }).map((s) => Buffer.from(s.data, 'hex').toString())).toEqual(['abc', 'xy'])
})

test('a length beyond the limit ends it at the header', () => {
  const big = Buffer.from(header(1))
  big.fill(0xff, 5, 8)
  expect(() => run([big])).toThrow(/16777215 bytes came where at most 65536/)
  expect(() => run([wirePdu(header(1), Buffer.alloc(101))], { max: 100 })).toThrow(ProtocolError)
})

test('any bytes at all: PDUs, patience or a ProtocolError', () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), digests, (chunks, d) => {
    try {
      run(chunks, d)
    } catch (e) {
      expect(e).toBeInstanceOf(ProtocolError)
    }
  }), { numRuns: 300 })
})
