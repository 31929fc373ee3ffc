import { LogPageHeader, LogParameterHeader, sense } from '@tcmu/host/scsi'
import { cdb, expectAttention, expectGood, expectInvalidField, expectInvalidParameter, expectParameterListLength } from '@tcmu/host/testing'
import { type Disk, disk, fieldOf, pattern } from './harness'

const MiB = 2 ** 20
const thin = { handler: { space: () => ({ used: 5 * MiB + 1, available: 1000 * MiB }) } }
const ask = (d: Disk, fields: object) => d.initiator.send(cdb.logSense({ allocation: 1024, ...fields }), { dataIn: 1024 })
async function body(d: Disk, page: number, more: object = {}): Promise<Buffer> {
  const { data } = expectGood(await ask(d, { page, ...more }))
  expect(LogPageHeader.decode(data)).toMatchObject({ code: page, length: data.length - 4 })
  return data.subarray(4)
}
async function parameters(d: Disk, page: number, more: object = {}): Promise<[number, string][]> {
  const all = await body(d, page, more)
  const found: [number, string][] = []
  for (let at = 0; at < all.length; ) {
    const { code, length } = LogParameterHeader.decode(all, at)
    found.push([code, all.toString('hex', at + 4, at + 4 + length)])
    at += 4 + length
  }
  return found
}

test('the pages that are listed are there, and no other', async () => {
  for (const [options, codes] of [[{}, [0, 2, 3, 0x10, 0x2f]], [thin, [0, 2, 3, 0x0c, 0x10, 0x2f]]] as const) {
    const d = await disk(options)
    expect([...await body(d, 0)]).toEqual(codes)
    expect([...await body(d, 0, { subpage: 0xff })]).toEqual([0, 0, 0, 0xff, ...codes.slice(1).flatMap((c) => [c, 0])])
    for (let page = 0; page < 64; page++) expect([page, (await ask(d, { page })).status]).toEqual([page, (codes as readonly number[]).includes(page) ? 0 : 2])
  }
})

test('bytes read and written are counted until they are set back', async () => {
  const d = await disk()
  expectGood(await d.initiator.write(0, pattern(3)))
  expectGood(await d.initiator.read({ lba: 0, blocks: 2 }))
  expect(await parameters(d, 2)).toEqual([[5, (3 * 512).toString(16).padStart(16, '0')]])
  expect(await parameters(d, 3)).toEqual([[5, (2 * 512).toString(16).padStart(16, '0')]])
  expect(await parameters(d, 3, { pc: 3 })).toEqual([[5, '0'.repeat(16)]])
  expectGood(await d.initiator.send(cdb.logSelect({ pcr: 1 }), {}))
  expect(await parameters(d, 2)).toEqual([[5, '0'.repeat(16)]])
  expect(d.device.counters.writtenBytes).toBe(3 * 512)
  expectGood(await d.initiator.testUnitReady())
  expectAttention(await d.other.testUnitReady(), sense.LOG_PARAMETERS_CHANGED)
  expectGood(await d.initiator.write(0, pattern(1)))
  expectGood(await d.initiator.send(cdb.logSelect({ pc: 1 }), {}))
  expect(await parameters(d, 2)).toEqual([[5, (512).toString(16).padStart(16, '0')]])
  expectGood(await d.initiator.send(cdb.logSelect({ pc: 3 }), {}))
  expect(await parameters(d, 2)).toEqual([[5, '0'.repeat(16)]])
})

test('storage is counted in the threshold sets that VPD B2h and the mode page use', async () => {
  const d = await disk(thin)
  expect((await d.initiator.vpd(0xb2)).data[4]).toBe(11)
  expect(await parameters(d, 0x0c)).toEqual([[1, '000003e802000000'], [2, '0000000501000000']])
  expect(await parameters(d, 0x0c, { pointer: 2 })).toHaveLength(1)
  expect((await (await disk({ ...thin, blockSize: 4096 })).initiator.vpd(0xb2)).data[4]).toBe(8)
  expect((await (await disk()).initiator.vpd(0xb2)).data[4]).toBe(0)
})

test('nothing is predicted and no temperature is made up', async () => {
  expect(await parameters(await disk(), 0x2f)).toEqual([[0, '0000ff00']])
})

test('is cut to the allocation length', async () => {
  const { send } = await disk()
  for (const allocation of [0, 3, 4, 9]) expect((await send(cdb.logSense({ page: 0, allocation }), { dataIn: 64 })).data.length).toBe(Math.min(allocation, 9))
})

test.each([
  [{ ppc: 1 }, { byte: 1, bit: 1 }],
  [{ sp: 1 }, { byte: 1, bit: 0 }],
  [{ page: 0x0d }, { byte: 2, bit: 5 }],
  [{ page: 0, subpage: 1 }, { byte: 3, bit: -1 }],
  [{ page: 2, pc: 0 }, { byte: 2, bit: 7 }],
  [{ page: 2, pc: 2 }, { byte: 2, bit: 7 }],
  [{ page: 2, pointer: 6 }, { byte: 5, bit: -1 }],
  [{ page: 0, pointer: 1 }, { byte: 5, bit: -1 }],
])('LOG SENSE refuses %j', async (fields, at) => {
  expect(fieldOf(expectInvalidField(await ask(await disk(), fields)).sense)).toEqual({ ...at, inCdb: true })
})

test.each([
  [{ sp: 1 }, { byte: 1, bit: 0 }],
  [{ page: 2 }, { byte: 2, bit: 5 }],
  [{ subpage: 1 }, { byte: 3, bit: -1 }],
])('LOG SELECT refuses %j', async (fields, at) => {
  expect(fieldOf(expectInvalidField(await (await disk()).initiator.send(cdb.logSelect(fields), {})).sense)).toEqual({ ...at, inCdb: true })
})

test('no parameter can be set', async () => {
  const d = await disk()
  const list = Buffer.from('02000004000503000000', 'hex')
  const fields = { listLength: list.length }
  expectInvalidParameter(await d.initiator.send(cdb.logSelect(fields), { dataOut: list }))
  expectParameterListLength(await d.initiator.send(cdb.logSelect(fields), { dataOut: list.subarray(1) }))
  expectInvalidField(await d.initiator.send(cdb.logSelect({ ...fields, pcr: 1 }), { dataOut: list }))
})
