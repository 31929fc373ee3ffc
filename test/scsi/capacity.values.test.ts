import { Capacity10, Capacity16 } from '@tcmu/host/scsi'
import { cdb, expectAttention, expectGood, expectInvalidField, nullHandler, testDevice, initiatorOf } from '@tcmu/host/testing'
import { sense } from '@tcmu/host/scsi'
import { BLOCKS, disk } from './harness'

test('both forms agree', async () => {
  const { initiator } = await disk({ declare: { physicalExponent: 3 } })
  expect(Capacity10.decode(expectGood(await initiator.readCapacity10()).data)).toEqual({ lastLba: BLOCKS - 1, blockLength: 512 })
  expect(Capacity16.decode(expectGood(await initiator.readCapacity16()).data)).toEqual({
    lastLba: BLOCKS - 1, blockLength: 512, pType: 0, protEn: 0, rcBasis: 0, piExponent: 0, physicalExponent: 3, lbpme: 1, lbprz: 1, lowestAligned: 0,
  })
})

test.each([
  [{ unmap: undefined }, true, 0, 0],
  [{}, false, 1, 0],
])('provisioning bits follow the handler (%j, zeroes %p)', async (handler, unmappedReadsZero, lbpme, lbprz) => {
  const { initiator } = await disk({ handler, declare: { unmappedReadsZero } })
  expect(Capacity16.decode((await initiator.readCapacity16()).data)).toMatchObject({ lbpme, lbprz })
})

test('READ CAPACITY(10) of 2^32 blocks and more sends to READ CAPACITY(16)', async () => {
  for (const blocks of [2 ** 32, 2 ** 32 + 1, 2 ** 40]) {
    const initiator = initiatorOf(await testDevice(nullHandler, { sizeBytes: blocks * 512 }))
    expect(Capacity10.decode((await initiator.readCapacity10()).data).lastLba).toBe(0xffffffff)
    expect(Capacity16.decode((await initiator.readCapacity16()).data).lastLba).toBe(blocks - 1)
  }
})

test('PMI and RELADR are refused', async () => {
  const { initiator } = await disk()
  expectInvalidField(await initiator.send(cdb.readCapacity10({ pmi: 1 }), { dataIn: 8 }))
  expectInvalidField(await initiator.send(cdb.readCapacity10({ reladr: 1 }), { dataIn: 8 }))
})

test('the service action is 5 bits, the rest of the byte is reserved', async () => {
  const bytes = cdb.readCapacity16()
  bytes[1] |= 0xe0
  expectGood(await (await disk({ strictCdb: false })).initiator.send(bytes, { dataIn: 32 }))
  expectInvalidField(await (await disk()).initiator.send(bytes, { dataIn: 32 }))
})

test('READ CAPACITY(16) is cut to the allocation length', async () => {
  const { send } = await disk()
  const r = await send(cdb.readCapacity16({ allocation: 12 }), { dataIn: 12 })
  expect([r.status, r.data.length, r.data.readUInt32BE(8)]).toEqual([0, 12, 512])
})

test('a resized unit says so to everybody, then tells the new size', async () => {
  const { device, initiator, other } = await disk()
  device.resized(512 * 100)
  for (const i of [initiator, other]) {
    expectAttention(await i.readCapacity10(), sense.CAPACITY_DATA_HAS_CHANGED)
    expect(Capacity10.decode(expectGood(await i.readCapacity10()).data).lastLba).toBe(99)
  }
})
