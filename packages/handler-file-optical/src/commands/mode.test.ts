import { expectAttention, expectData, expectGood, expectInvalidField, expectInvalidParameter, expectParameterListLength, expectStatus, type ScsiAnswer } from '@tcmu/host/testing'
import { sam, sense } from '@tcmu/host/scsi'
import { drive, type DriveBench, DriveBench as Bench, hex, largeDrive } from '../testing/bench'

const pages: Readonly<Record<string, string>> = {
  '01': '01 0a 00 05 00 00 00 00 05 00 0000',
  '05': `05 32 00 00 08 00 00 00 00 00 00000000 0096 ${'00'.repeat(32)} 00000000`,
  '0d': '0d 06 00 00 003c 004b',
  '0e': '0e 0e 04 00 00 00 00 00 0000 0000 0000 0000',
  '1a': '1a 0a 00 00 00000000 00000000',
  '1c': '1c 0a 08 00 00000000 00000000',
  '1d': '1d 08 00 00 00 00 ffff ffff',
  '2a': '2a 1e 1b 00 00 00 29 00 2113 0000 0800 2113 00 00 0000 0000 0000 000000 00 0000 0000',
}
const all = Object.values(pages).map(hex)
const sense10 = (b: DriveBench, page: number, pc = 0, subpage = 0, allocation = 512): Promise<ScsiAnswer> =>
  b.command([0x5a, 0, (pc << 6) | page, subpage, 0, 0, 0, allocation >> 8, allocation & 0xff, 0], allocation)
const sense6 = (b: DriveBench, page: number, allocation = 255): Promise<ScsiAnswer> => b.command([0x1a, 0, page, 0, allocation, 0], allocation)
const select10 = (b: DriveBench, list: Buffer): Promise<ScsiAnswer> => b.command([0x55, 0x10, 0, 0, 0, 0, 0, list.length >> 8, list.length & 0xff, 0], 0, list)
const page10 = (text: string): Buffer => hex(`0000 00 00 0000 0000 ${text}`)

test.each(Object.entries(pages))('page %sh', async (code, text) => {
  const b = await drive()
  const body = hex(text)
  const page = parseInt(code, 16)
  expectData(await sense10(b, page), Buffer.concat([Buffer.from([0, body.length + 6, 0, 0, 0, 0, 0, 0]), body]))
  expectData(await sense6(b, page), Buffer.concat([Buffer.from([body.length + 3, 0, 0, 0]), body]))
  expectData(await sense10(b, page, 2), Buffer.concat([Buffer.from([0, body.length + 6, 0, 0, 0, 0, 0, 0]), body]))
})

test('all pages, cut off, and pages that are not there', async () => {
  const b = await drive()
  const body = Buffer.concat(all)
  expectData(await sense10(b, 0x3f), Buffer.concat([Buffer.from([0, body.length + 6, 0, 0, 0, 0, 0, 0]), body]))
  expectData(await sense10(b, 0x3f, 0, 0xff), Buffer.concat([Buffer.from([0, body.length + 6, 0, 0, 0, 0, 0, 0]), body]))
  expectData(await sense6(b, 0x3f, 4), Buffer.from([body.length + 3, 0, 0, 0]))
  for (const page of [0x00, 0x02, 0x08, 0x0a]) expectInvalidField(await sense10(b, page))
  expectInvalidField(await sense10(b, 0x01, 0, 1))
  expectStatus(await sense10(b, 0x01, 3), sam.CHECK_CONDITION)
})

test('what can be changed is, for everybody, until a reset', async () => {
  const b = await drive()
  const other = await b.another('other')
  expectData(await sense10(b, 0x01, 1), page10('01 0a 3f ff 00 00 00 00 00 00 0000').fill(18, 1, 2))
  expectGood(await select10(b, page10('01 0a 20 09 00 00 00 00 05 00 0000')))
  expectData(await sense10(b, 0x01), page10('01 0a 20 09 00 00 00 00 05 00 0000').fill(18, 1, 2))
  expectData(await sense10(b, 0x01, 2), page10('01 0a 00 05 00 00 00 00 05 00 0000').fill(18, 1, 2))
  expectAttention(await other.testUnitReady(), sense.MODE_PARAMETERS_CHANGED)
  expectGood(await select10(b, page10('1a 0a 00 03 00000258 00000e10')))
  expectData(await sense10(b, 0x1a), page10('1a 0a 00 03 00000258 00000e10').fill(18, 1, 2))
  await b.device.reset()
  expectAttention(await b.initiator.testUnitReady(), sense.BUS_DEVICE_RESET_FUNCTION_OCCURRED)
  expectData(await sense10(b, 0x01), page10(pages['01']!).fill(18, 1, 2))
})

test('what cannot be changed is pointed at, and nothing changes', async () => {
  const b = await drive()
  expectInvalidParameter(await select10(b, page10('01 0a 80 05 00 00 00 00 05 00 0000')))
  expectInvalidParameter(await select10(b, page10(`${pages['05']!.replace('08 00', '0a 00')}`)))
  expectInvalidParameter(await select10(b, page10('02 0a 00 00 00 00 00 00 00 00 00 00')))
  expectInvalidParameter(await select10(b, page10('01 09 00 05 00 00 00 00 05 00 00')))
  expectParameterListLength(await select10(b, page10('01 0a 00 05')))
  expectInvalidField(await b.command([0x55, 0x00, 0, 0, 0, 0, 0, 0, 8, 0], 0, Buffer.alloc(8)))
  expectInvalidField(await b.command([0x55, 0x11, 0, 0, 0, 0, 0, 0, 8, 0], 0, Buffer.alloc(8)))
  expectData(await sense10(b, 0x01), page10(pages['01']!).fill(18, 1, 2))
})

test('the capabilities page tells the speed of the disc, and whether it is held', async () => {
  const b = await largeDrive(1_000_000)
  const { data } = await sense10(b, 0x2a)
  expect([data.readUInt16BE(8 + 8), data[8 + 6]]).toEqual([22160, 0x29])
  expectGood(await b.command([0x1e, 0, 0, 0, 1, 0]))
  expect((await sense10(b, 0x2a)).data[8 + 6]).toBe(0x2b)
  expectGood(await sense10(await new Bench().open(''), 0x2a))
})
