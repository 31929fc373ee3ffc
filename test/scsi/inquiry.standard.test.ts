import { StandardInquiry } from '@tcmu/host/scsi'
import { cdb, expectGood, expectInvalidField } from '@tcmu/host/testing'
import { disk, fieldOf } from './harness'

test('says who it is and what it follows', async () => {
  const { initiator } = await disk({ declare: { vendor: 'ACME', product: 'Thing', revision: '7' } })
  const { data } = expectGood(await initiator.inquiry())
  expect(data.length).toBe(96)
  expect(StandardInquiry.decode(data)).toMatchObject({
    qualifier: 0, deviceType: 0, rmb: 0, version: 6, responseFormat: 2, hiSup: 1, additionalLength: 91, cmdQue: 1,
    vendor: 'ACME', product: 'Thing', revision: '7', version1: 0x00a0, version2: 0x0460, version3: 0x04c0, version4: 0,
  })
  expect(data.toString('latin1', 8, 36)).toBe('ACME    Thing           7   ')
})

test('cuts and cleans names that do not fit', async () => {
  const { initiator } = await disk({ declare: { vendor: 'far too long', product: 'täst\nx', revision: '12345' } })
  expect(StandardInquiry.decode(expectGood(await initiator.inquiry()).data)).toMatchObject({ vendor: 'far too', product: 't?st?x', revision: '1234' })
})

test('is cut to the allocation length, and says how long it would be', async () => {
  const { initiator, send } = await disk()
  const whole = (await initiator.inquiry()).data
  for (const allocation of [0, 1, 4, 5, 36, 95, 96, 97, 255, 256, 65535]) {
    const r = await send(cdb.inquiry({ allocation }), { dataIn: allocation })
    expect(r).toMatchObject({ status: 0, transferLength: Math.min(96, allocation) })
    expect(r.data).toEqual(whole.subarray(0, allocation))
  }
})

test('is cut to the room of the initiator', async () => {
  const { send } = await disk()
  const r = await send(cdb.inquiry({ allocation: 96 }), { dataIn: 10 })
  expect([r.status, r.data.length, r.transferLength]).toEqual([0, 10, 96])
})

test.each([
  [{ page: 0x80 }, { byte: 2, bit: -1, inCdb: true }],
  [{ cmddt: 1 }, { byte: 1, bit: 1, inCdb: true }],
  [{ evpd: 1, page: 0xc0 }, { byte: 2, bit: -1, inCdb: true }],
])('refuses %j', async (fields, field) => {
  const { initiator } = await disk()
  expect(fieldOf(expectInvalidField(await initiator.inquiry(fields)).sense)).toEqual(field)
})
