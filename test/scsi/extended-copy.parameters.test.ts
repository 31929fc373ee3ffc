import fc from 'fast-check'
import { copyLimits, HeaderLid1, HeaderLid4, sense, senseKey } from '@tcmu/host/scsi'
import {
  cdb, copyListLid1, copyListLid4, copySegment, cscd, expectCheck, expectGood, expectInvalidField, expectInvalidParameter, expectParameterListLength,
} from '@tcmu/host/testing'
import { copyBetween4, sendLid1, sendLid4, units } from './copy-harness'
import { BLOCK, blocksOf, fieldOf, pattern, zeroes } from './harness'

const segment = (fields: object = {}) => copySegment({ blocks: 1, destinationLba: 9, ...fields })
const times = <T>(n: number, what: T): T[] => Array.from({ length: n }, () => what)
const illegal = (code: (typeof sense)[keyof typeof sense]) => (answer: Parameters<typeof expectCheck>[0]) => expectCheck(answer, senseKey.ILLEGAL_REQUEST, code)
const tooManyTargets = illegal(sense.TOO_MANY_TARGET_DESCRIPTORS)
const tooManySegments = illegal(sense.TOO_MANY_SEGMENT_DESCRIPTORS)
const targetType = illegal(sense.UNSUPPORTED_TARGET_DESCRIPTOR_TYPE_CODE)
const segmentType = illegal(sense.UNSUPPORTED_SEGMENT_DESCRIPTOR_TYPE_CODE)
const unit = async () => {
  const [u] = await units([{}])
  u.memory.set(pattern(1))
  return u
}

test('no parameter list is no error, and neither is one without descriptors', async () => {
  const { initiator } = await unit()
  expectGood(await sendLid1(initiator, new Uint8Array(0)))
  expectGood(await sendLid1(initiator, copyListLid1([], [])))
  expectGood(await sendLid4(initiator, copyListLid4([], [])))
})

describe.each([
  ['LID1', HeaderLid1.size, copyListLid1 as (t: Uint8Array[], s: Uint8Array[], f?: object) => Uint8Array, sendLid1],
  ['LID4', HeaderLid4.size, copyListLid4 as (t: Uint8Array[], s: Uint8Array[], f?: object) => Uint8Array, sendLid4],
] as const)('%s', (_what, header, list, send) => {
  test('is carried out', async () => {
    const { initiator, memory, serial } = await unit()
    expectGood(await send(initiator, list([cscd(serial)], [segment()])))
    expect(blocksOf(memory, 9)).toEqual(pattern(1))
  })

  test.each([
    ['another kind of target', (t: Uint8Array) => [Uint8Array.of(0xe0, ...t.subarray(1))], (s: Uint8Array) => [s], targetType, 0],
    ['another kind of segment', (t: Uint8Array) => [t], (s: Uint8Array) => [Uint8Array.of(3, ...s.subarray(1))], segmentType, 32],
    ['a segment of another length', (t: Uint8Array) => [t], () => [segment({ length: 20 })], expectInvalidParameter, 34],
    ['a target that is no logical unit', (_t: Uint8Array, serial: string) => [cscd(serial, { association: 1 })], (s: Uint8Array) => [s], expectInvalidParameter, 5, 5],
    ['a name longer than its room', (_t: Uint8Array, serial: string) => [cscd(serial, { designatorLength: 21 })], (s: Uint8Array) => [s], expectInvalidParameter, 7],
    ['a target too many', (t: Uint8Array) => times(copyLimits.cscd + 1, t), (s: Uint8Array) => [s], tooManyTargets, 32 * copyLimits.cscd],
    ['a segment too many', (t: Uint8Array) => [t], (s: Uint8Array) => times(copyLimits.segments + 1, s), tooManySegments, 32 + 28 * copyLimits.segments],
  ])('%s is refused', async (_why, targets, segments, expected, byte, bit = -1) => {
    const { initiator, memory, serial } = await unit()
    const refused = expected(await send(initiator, list(targets(cscd(serial), serial), segments(segment()))))
    expect(fieldOf(refused.sense)).toEqual({ byte: header + byte, bit, inCdb: false })
    expect(blocksOf(memory, 9)).toEqual(zeroes())
  })

  test.each([
    ['cut in the header', (l: Uint8Array) => l.subarray(0, header - 1)], ['cut in a target', (l: Uint8Array) => l.subarray(0, header + 31)],
    ['cut in a segment', (l: Uint8Array) => l.subarray(0, l.length - 1)],
  ])('a list that is %s is too short', async (_why, cut) => {
    const { initiator, serial } = await unit()
    const refused = expectParameterListLength(await send(initiator, cut(list([cscd(serial)], [segment()]))))
    expect(fieldOf(refused.sense)).toEqual({ byte: 10, bit: -1, inCdb: true })
  })

  test('lengths that say what is not there are refused', async () => {
    const { initiator, serial } = await unit()
    for (const fields of [{ cscdLength: 33 }, { segmentLength: 27 }, { cscdLength: 65504 }, { inlineLength: 4 }]) {
      expectParameterListLength(await send(initiator, list([cscd(serial)], [segment()], fields)))
    }
    expectParameterListLength(await send(initiator, list(times(copyLimits.cscd + 1, cscd(serial)), times(copyLimits.segments + 1, segment()))))
    expectParameterListLength(await initiator.send(cdb.extendedCopyLid1({ listLength: 2 ** 32 - 1 }), { dataOut: Buffer.alloc(64) }))
  })

  test('list identifiers that cannot be are refused', async () => {
    const { initiator, serial } = await unit()
    const at = header === HeaderLid1.size ? HeaderLid1.at : HeaderLid4.at
    const wrong = expectInvalidParameter(await send(initiator, list([cscd(serial)], [segment()], { listIdUsage: 1 })))
    expect(fieldOf(wrong.sense)).toEqual({ byte: 1, bit: 4, inCdb: false })
    const named = expectInvalidParameter(await send(initiator, list([cscd(serial)], [segment()], { listIdUsage: 3, listIdentifier: 1 })))
    expect(fieldOf(named.sense)).toEqual({ byte: at.listIdentifier, bit: -1, inCdb: false })
  })

  test('property: no list does worse than be refused', async () => {
    const { initiator, serial, device } = await unit()
    const good = list([cscd(serial), cscd(serial)], [segment(), segment({ source: 1 })])
    const change = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 })
    await fc.assert(fc.asyncProperty(change, fc.nat(good.length), async (changes, cut) => {
      const bytes = Uint8Array.from(good)
      for (const [i, b] of changes) bytes[i] = b
      const { status, key } = await send(initiator, bytes.subarray(0, changes.length % 2 ? cut : bytes.length))
      expect([0, 2]).toContain(status)
      if (status) expect([senseKey.ILLEGAL_REQUEST, senseKey.COPY_ABORTED]).toContain(key)
      // IMMED goes on.
      for (let i = 0; device.inflight > 0; i++) {
        expect(i).toBeLessThan(1000)
        await new Promise((r) => setImmediate(r))
      }
    }), { numRuns: 500 })
  })
})

test.each([
  ['another format', { format: 2 }, expectInvalidParameter, 0, -1], ['another header descriptor', { headerCscdType: 0 }, expectInvalidParameter, 16, -1],
  ['another length of it', { headerCscdLength: 0 }, expectInvalidParameter, 2, -1], ['sense data with GOOD', { gSense: 1 }, expectInvalidParameter, 15, 1],
  ['sense data with GOOD at once', { gSense: 1, immed: 1, listIdentifier: 1 }, expectInvalidField, 15, 1],
  ['no name in the background', { immed: 1, listIdUsage: 3 }, expectInvalidField, 15, 0],
])('LID4 refuses %s', async (_what, fields, expected, byte, bit) => {
  const u = await unit()
  const refused = expected(await copyBetween4([u], fields, { blocks: 1, destinationLba: 9 }))
  expect(fieldOf(refused.sense)).toEqual({ byte, bit, inCdb: false })
  expect(u.memory.subarray(9 * BLOCK, 10 * BLOCK).every((b) => b === 0)).toBe(true)
})
