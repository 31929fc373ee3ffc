import { Caching, Control, LongDescriptor, ModeHeader10, ModeHeader6, ShortDescriptor } from '@tcmu/host/scsi'
import { cdb, expectCheck, expectGood, expectInvalidField, initiatorOf, nullHandler, testDevice } from '@tcmu/host/testing'
import { sense, senseKey } from '@tcmu/host/scsi'
import { BLOCKS, disk, fieldOf } from './harness'

const all = { page: 0x3f }
const lengths: Record<number, number> = { 0x01: 12, 0x02: 16, 0x08: 20, 0x0a: 12, 0x1a: 40, 0x1c: 12 }
const subpages: Record<string, number> = { '10/1': 32, '28/2': 32 }
/** A handler that knows how much storage there is. */
const thin = { handler: { space: () => ({ used: 0, available: 2 ** 30 }) } }

/** Codes of the pages in what follows header and descriptor. */
function codes(pages: Buffer): number[] {
  const found: number[] = []
  for (let at = 0; at < pages.length; ) {
    const code = pages[at] & 0x3f
    const sub = (pages[at] & 0x40) !== 0
    const length = sub ? 4 + pages.readUInt16BE(at + 2) : 2 + pages[at + 1]
    expect(length).toBe(sub ? subpages[`${code}/${pages[at + 1]}`] : lengths[code])
    if (!sub) found.push(code)
    at += length
  }
  return found
}

test.each([[0], [0xff]])('all pages, subpage %i', async (subpage) => {
  const { initiator } = await disk(thin)
  const { data } = expectGood(await initiator.send(cdb.modeSense6({ ...all, subpage }), { dataIn: 192 }))
  expect(ModeHeader6.decode(data)).toEqual({ length: data.length - 1, mediumType: 0, wp: 0, dpoFua: 1, descriptorLength: 8 })
  expect(ShortDescriptor.decode(data, 4)).toEqual({ blocks: BLOCKS, blockLength: 512 })
  expect(codes(data.subarray(12))).toEqual([0x01, 0x02, 0x08, 0x0a, 0x1a, 0x1c])
  expect(data.length).toBe(12 + 112 + (subpage ? 64 : 0))
})

test.each(Object.keys(lengths).map(Number))('page %i alone, both commands', async (page) => {
  const { initiator } = await disk()
  const six = expectGood(await initiator.send(cdb.modeSense6({ page, dbd: 1 }), { dataIn: 192 })).data
  const ten = expectGood(await initiator.send(cdb.modeSense10({ page, dbd: 1 }), { dataIn: 192 })).data
  expect(six.subarray(4)).toEqual(ten.subarray(8))
  expect(codes(six.subarray(4))).toEqual([page])
  expect(ModeHeader10.decode(ten)).toMatchObject({ length: ten.length - 2, longLba: 0, descriptorLength: 0, dpoFua: 1 })
})

test('LLBAA gives a long block descriptor, and a short one cannot count beyond 32 bits', async () => {
  const initiator = initiatorOf(await testDevice(nullHandler, { sizeBytes: 2 ** 45, blockSize: 4096 }))
  const long = expectGood(await initiator.send(cdb.modeSense10({ ...all, llbaa: 1 }), { dataIn: 192 })).data
  expect(ModeHeader10.decode(long)).toMatchObject({ longLba: 1, descriptorLength: 16 })
  expect(LongDescriptor.decode(long, 8)).toEqual({ blocks: 2 ** 33, blockLength: 4096 })
  const short = expectGood(await initiator.send(cdb.modeSense10(all), { dataIn: 192 })).data
  expect(ShortDescriptor.decode(short, 8)).toEqual({ blocks: 0xffffffff, blockLength: 4096 })
})

test('the write cache and write protection are told as they are', async () => {
  const plain = await disk({ readOnly: true, declare: { writeCache: false } })
  const data = (await plain.initiator.send(cdb.modeSense6({ page: 8, dbd: 1 }), { dataIn: 192 })).data
  expect(ModeHeader6.decode(data).wp).toBe(1)
  expect(Caching.decode(data, 6).wce).toBe(0)
  const cached = (await (await disk()).initiator.send(cdb.modeSense6({ page: 8, dbd: 1 }), { dataIn: 192 })).data
  expect(Caching.decode(cached, 6).wce).toBe(1)
})

test('changeable values are a mask: WCE, D_SENSE and SWP', async () => {
  const { initiator } = await disk()
  const { data } = expectGood(await initiator.send(cdb.modeSense6({ ...all, pc: 1, dbd: 1 }), { dataIn: 192 }))
  const hex = data.subarray(4).toString('hex')
  expect(hex).toBe(
    '010a' + '00'.repeat(10) + '020e' + '00'.repeat(14) + '081204' + '00'.repeat(17) + '0a0a04000800000000000000' + '1a26' + '00'.repeat(38) + '1c0a' + '00'.repeat(10),
  )
  const none = await disk({ handler: { flush: undefined } })
  expect((await none.initiator.send(cdb.modeSense6({ page: 8, pc: 1, dbd: 1 }), { dataIn: 192 })).data.subarray(4).toString('hex')).toBe('0812' + '00'.repeat(18))
})

test('default values stay when current ones change', async () => {
  const { initiator, device } = await disk()
  device.modes.dSense = true
  const control = async (pc: number) => Control.decode((await initiator.send(cdb.modeSense6({ page: 10, pc, dbd: 1 }), { dataIn: 192 })).data, 6)
  expect((await control(0)).dSense).toBe(1)
  expect(await control(2)).toMatchObject({ dSense: 0, gltsd: 1, tas: 1, busyTimeout: 0xffff })
})

test('nothing is saved where nobody keeps it', async () => {
  const { initiator } = await disk()
  for (const send of [cdb.modeSense6, cdb.modeSense10]) {
    expectCheck(await initiator.send(send({ ...all, pc: 3 }), { dataIn: 192 }), senseKey.ILLEGAL_REQUEST, sense.SAVING_PARAMETERS_NOT_SUPPORTED)
  }
})

test.each([
  [{ page: 0x05 }, { byte: 2, bit: 5, inCdb: true }],
  [{ page: 0x08, subpage: 1 }, { byte: 3, bit: -1, inCdb: true }],
  [{ page: 0x3f, subpage: 1 }, { byte: 3, bit: -1, inCdb: true }],
])('refuses %j', async (fields, field) => {
  const { initiator } = await disk()
  expect(fieldOf(expectInvalidField(await initiator.send(cdb.modeSense6(fields), { dataIn: 192 })).sense)).toEqual(field)
})

test('is cut to the allocation length, and says how long it would be', async () => {
  const { send } = await disk()
  for (const allocation of [0, 1, 3, 4, 12, 100]) {
    const r = await send(cdb.modeSense6({ ...all, allocation }), { dataIn: allocation })
    expect([r.status, r.data.length]).toEqual([0, Math.min(allocation, 124)])
    if (allocation > 0) expect(r.data[0]).toBe(123)
  }
})
