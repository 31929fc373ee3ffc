import { sense, senseKey } from '@tcmu/host/scsi'
import { cdb, expectCheck, expectGood, expectInvalidField, expectInvalidParameter, expectParameterListLength, faulty, held, ramHandler } from '@tcmu/host/testing'
import { type Disk, disk, fieldOf } from './harness'

const send = (d: Disk, fields: object) => d.initiator.send(cdb.sendDiagnostic(fields), {})
const page = (d: Disk, list: number[], fields: object = {}) =>
  d.initiator.send(cdb.sendDiagnostic({ pf: 1, listLength: list.length, ...fields }), { dataOut: Buffer.from(list) })
/** Code and result of the self-tests in log page 10h, the latest first. */
async function results(d: Disk): Promise<number[][]> {
  const { data } = expectGood(await d.initiator.send(cdb.logSense({ pc: 1, page: 0x10, allocation: 1024 }), { dataIn: 1024 }))
  expect(data.length).toBe(4 + 20 * 20)
  const all = Array.from({ length: 20 }, (_, i) => data[4 + 20 * i + 4])
  return all.filter((b, i) => b !== 0 || data[4 + 20 * i + 8] === 0xff).map((b) => [b >> 5, b & 15])
}
const broken = () => disk({ handler: faulty(ramHandler, { operation: 'read', error: 5, later: true }) as never })
const SELF_TEST_FAILED = sense.LOGICAL_UNIT_FAILED_SELF_TEST

test('the default self-test is whether the medium can be read, and leaves no entry', async () => {
  const d = await disk()
  expectGood(await send(d, { selfTest: 1 }))
  expectCheck(await send(await broken(), { selfTest: 1 }), senseKey.HARDWARE_ERROR, SELF_TEST_FAILED)
  expect(await results(d)).toEqual([])
})

test('nothing asked for is nothing done', async () => {
  expectGood(await send(await disk(), {}))
})

test('self-tests in the foreground answer when they have ended, and are logged', async () => {
  const d = await disk()
  expectGood(await send(d, { selfTestCode: 5 }))
  expectGood(await send(d, { selfTestCode: 6 }))
  expect(await results(d)).toEqual([[6, 0], [5, 0]])
  const bad = await broken()
  expectCheck(await send(bad, { selfTestCode: 6 }), senseKey.HARDWARE_ERROR, SELF_TEST_FAILED)
  expect(await results(bad)).toEqual([[6, 7]])
})

test('the extended self-test reads the first and the last block', async () => {
  const seen = new Set<number>()
  const d = await disk({ handler: { read: (_s: unknown, io: { offset: number }) => void seen.add(io.offset) } })
  expectGood(await send(d, { selfTestCode: 6 }))
  expect(seen.size).toBe(256)
  expect([Math.min(...seen), Math.max(...seen)]).toEqual([0, (d.device.blocks - 1) * 512])
})

test('self-tests in the background answer at once, run alone, and can be ended', async () => {
  const gate = held(ramHandler)
  const d = await disk({ handler: gate.handler as never })
  expectGood(await send(d, { selfTestCode: 2 }))
  expect(await results(d)).toEqual([[2, 15]])
  expectCheck(await send(d, { selfTestCode: 1 }), senseKey.NOT_READY, sense.SELF_TEST_IN_PROGRESS)
  const ended = send(d, { selfTestCode: 4 })
  gate.releaseAll()
  expectGood(await ended)
  expect(await results(d)).toEqual([[2, 1]])
  expectInvalidField(await send(d, { selfTestCode: 4 }))
})

test('closing the device ends a self-test first', async () => {
  const gate = held(ramHandler)
  const d = await disk({ handler: gate.handler as never })
  expectGood(await send(d, { selfTestCode: 2 }))
  const closed = d.device.close(1000)
  gate.releaseAll()
  await closed
  expect(d.device.state).toBe('closed')
})

test('twenty are remembered, LOG SELECT forgets them', async () => {
  const d = await disk()
  for (let i = 0; i < 25; i++) expectGood(await send(d, { selfTestCode: 5 }))
  expect(await results(d)).toHaveLength(20)
  expectGood(await d.initiator.send(cdb.logSelect({ pcr: 1 }), {}))
  expect(await results(d)).toEqual([])
})

test.each([
  [{ selfTestCode: 3 }, { byte: 1, bit: 7 }],
  [{ selfTestCode: 7 }, { byte: 1, bit: 7 }],
  [{ selfTestCode: 5, selfTest: 1 }, { byte: 1, bit: 2 }],
  [{ selfTestCode: 5, pf: 1 }, { byte: 1, bit: 4 }],
])('refuses %j', async (fields, at) => {
  expect(fieldOf(expectInvalidField(await send(await disk(), fields)).sense)).toEqual({ ...at, inCdb: true })
})

test('the list of diagnostic pages is the only one', async () => {
  const d = await disk()
  expectGood(await page(d, [0, 0, 0, 0]))
  expect(expectGood(await d.initiator.send(cdb.receiveDiagnostic({ allocation: 64 }), { dataIn: 64 })).data.toString('hex')).toBe('0000000100')
  expect(expectGood(await d.initiator.send(cdb.receiveDiagnostic({ pcv: 1, allocation: 3 }), { dataIn: 64 })).data.length).toBe(3)
  expect(fieldOf(expectInvalidField(await d.initiator.send(cdb.receiveDiagnostic({ pcv: 1, page: 0x40, allocation: 64 }), { dataIn: 64 })).sense)).toMatchObject({ byte: 2 })
  expectInvalidParameter(await page(d, [0x40, 0, 0, 0]))
  expectInvalidParameter(await page(d, [0, 0, 0, 4, 1, 2, 3, 4]))
  expectParameterListLength(await page(d, [0, 0]))
  expectParameterListLength(await page(d, [0, 0, 0, 0, 0]))
  expect(fieldOf(expectInvalidField(await page(d, [0, 0, 0, 0], { pf: 0 })).sense)).toEqual({ byte: 1, bit: 4, inCdb: true })
})
