import fc from 'fast-check'
import { ProtocolError } from './errors'
import { formatText, parseText, TextCollector } from './text'

test.each([
  ['', []],
  ['A=\0', [['A', '']]],
  ['InitiatorName=iqn.x\0X-odd#1=a=b\0', [['InitiatorName', 'iqn.x'], ['X-odd#1', 'a=b']]],
  ['\0\0A=1', [['A', '1']]],
])('%j is %j', (text, pairs) => {
  expect(parseText(Buffer.from(text))).toEqual(pairs)
})

test.each(['=', 'no equals sign', 'a=lower case', `${'K'.repeat(64)}=v`, `K=${'v'.repeat(8193)}`, 'A=1\0'.repeat(129), 'K K=1', '\xff=1'])(
  'refuses %j', (text) => {
    expect(() => parseText(Buffer.from(text, 'latin1'))).toThrow(ProtocolError)
  })

test('what is formatted parses back; any bytes parse or are refused by a ProtocolError', () => {
  const key = fc.stringMatching(/^[A-Z][A-Za-z0-9.-]{0,62}$/)
  const value = fc.string({ maxLength: 100 }).filter((v) => !v.includes('\0') && Buffer.from(v).toString() === v)
  fc.assert(fc.property(fc.array(fc.tuple(key, value), { maxLength: 20 }), (pairs) => {
    expect(parseText(formatText(pairs))).toEqual(pairs)
  }))
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
    try {
      parseText(bytes)
    } catch (e) {
      expect(e).toBeInstanceOf(ProtocolError)
    }
  }))
})

test('text in pieces is joined, and bounded', () => {
  const c = new TextCollector(10)
  c.add(Buffer.from('A=1\0B'))
  c.add(Buffer.from('=2\0'))
  expect(c.take()).toEqual([['A', '1'], ['B', '2']])
  c.add(Buffer.alloc(10, 'x'))
  expect(() => c.add(Buffer.from('y'))).toThrow(/more than 10 bytes/)
})
