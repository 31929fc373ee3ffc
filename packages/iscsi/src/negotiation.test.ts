import fc from 'fast-check'
import { LoginError } from './errors'
import { keyTable, Negotiation, numberOf } from './negotiation'

const normal = (): Negotiation => new Negotiation(() => false)

test.each([
  ['HeaderDigest', 'CRC32C,None', 'CRC32C'],
  ['HeaderDigest', 'None,CRC32C', 'None'],
  ['DataDigest', 'MD5,CRC32C', 'CRC32C'],
  ['DataDigest', 'MD5', 'Reject'],
  ['InitialR2T', 'No', 'No'],
  ['InitialR2T', 'Yes', 'Yes'],
  ['InitialR2T', 'Maybe', 'Reject'],
  ['ImmediateData', 'Yes', 'Yes'],
  ['ImmediateData', 'No', 'No'],
  ['MaxConnections', '8', '1'],
  ['MaxBurstLength', '16776192', '1048576'],
  ['MaxBurstLength', '0x1000', '4096'],
  ['MaxBurstLength', '511', 'Reject'],
  ['MaxBurstLength', '99999999', 'Reject'],
  ['MaxBurstLength', '4096 ', 'Reject'],
  ['FirstBurstLength', '65536', '65536'],
  ['MaxOutstandingR2T', '16', '8'],
  ['MaxOutstandingR2T', '0', 'Reject'],
  ['DataPDUInOrder', 'No', 'Yes'],
  ['DataSequenceInOrder', 'No', 'Yes'],
  ['DefaultTime2Wait', '5', '5'],
  ['DefaultTime2Retain', '20', '0'],
  ['ErrorRecoveryLevel', '2', '0'],
  ['IFMarker', 'Yes', 'No'],
  ['X-com.example', '1', 'NotUnderstood'],
  ['Nonsense', '1', 'NotUnderstood'],
])('%s=%s is answered %s', (key, offer, answer) => {
  expect(normal().answer(key, offer)).toEqual([key, answer])
})

test('declared keys are not answered, and a bad declaration ends the login', () => {
  const n = normal()
  expect(n.answer('MaxRecvDataSegmentLength', '65536')).toBeUndefined()
  expect(n.answer('InitiatorAlias', 'x')).toBeUndefined()
  expect(n.parameters.MaxRecvDataSegmentLength).toBe(65536)
  expect(() => normal().answer('MaxRecvDataSegmentLength', '100')).toThrow(LoginError)
})

test('what is not sent has the default of RFC 7143 13', () => {
  expect(normal().parameters).toMatchObject({
    HeaderDigest: 'None', DataDigest: 'None', MaxConnections: 1, InitialR2T: true, ImmediateData: true, MaxRecvDataSegmentLength: 8192,
    MaxBurstLength: 262144, FirstBurstLength: 65536, MaxOutstandingR2T: 1, ErrorRecoveryLevel: 0, DataPDUInOrder: true, DataSequenceInOrder: true,
  })
})

test('FirstBurstLength never exceeds MaxBurstLength, a key counts once, discovery sessions move no data', () => {
  const n = normal()
  n.answer('MaxBurstLength', '8192')
  expect(n.parameters.FirstBurstLength).toBe(8192)
  expect(() => n.answer('MaxBurstLength', '8192')).toThrow(/sent twice/)
  expect(new Negotiation(() => true).answer('MaxBurstLength', '8192')).toEqual(['MaxBurstLength', 'Irrelevant'])
})

test('our side is declared once', () => {
  const n = normal()
  expect([n.declarations(), n.declarations()]).toEqual([[['MaxRecvDataSegmentLength', '262144']], []])
})

test.each([['0', 0], ['10', 10], ['0x1F', 31], ['0X0', 0], ['', NaN], ['-1', NaN], ['1e3', NaN], ['010', NaN], [' 1', NaN], ['0x', NaN]])('number %j is %d', (text, n) => {
  expect(numberOf(text)).toBe(n)
})

test('whatever is offered, the result lies between both sides or the offer is turned down', () => {
  fc.assert(fc.property(fc.constantFrom(...keyTable), fc.oneof(fc.string(), fc.nat(2 ** 25).map(String), fc.constantFrom('Yes', 'No', 'None')), (row, offer) => {
    const n = normal()
    let answer
    try {
      answer = n.answer(row.name, offer)
    } catch (e) {
      expect(e).toBeInstanceOf(LoginError)
      return
    }
    const value = (n.parameters as unknown as Record<string, unknown>)[row.name]
    if (answer?.[1] === 'Reject') expect(value).toBe(row.initial)
    else if (row.kind === 'minimum') expect(value).toBe(Math.min(Number(offer), row.ours as number))
    else if (row.kind === 'maximum') expect(value).toBe(Math.max(Number(offer), row.ours as number))
    else if (row.kind === 'list') expect(offer.split(',')).toContain(value)
  }), { numRuns: 500 })
})
