import {
  accessState, encodeReferrals, ExtendedInquiry, ReferralDescriptor, ReferralGroup, ReferralsHeader, sense, senseKey, tpgs, VpdHeader,
} from '@tcmu/host/scsi'
import { cdb, expectCheck, expectGood, expectInvalidField, MemoryPortGroups, portGroup } from '@tcmu/host/testing'
import { BLOCKS, disk } from './harness'

const { STANDBY } = accessState

async function grouped(groups = new MemoryPortGroups()) {
  const d = await disk()
  d.device.usePortGroups(groups)
  return { ...d, groups }
}
const report = (d: { initiator: Awaited<ReturnType<typeof disk>>['initiator'] }, fields: object = {}) =>
  d.initiator.send(cdb.reportReferrals(fields), { dataIn: 4096 })
const body = async (d: Awaited<ReturnType<typeof disk>>, page: number): Promise<Buffer> => expectGood(await d.initiator.vpd(page)).data.subarray(VpdHeader.size)

test('REPORT REFERRALS: one segment of all blocks, and how each group reaches it, byte for byte', async () => {
  const d = await grouped(new MemoryPortGroups(tpgs.BOTH, [portGroup(1), portGroup(0x1234, { state: STANDBY })]))
  expect(expectGood(await report(d)).data.toString('hex')).toBe(
    '0000001c' + '00000002' + '0000000000000000' + '00000000000007ff' + '00000001' + '02001234')
  expect(expectGood(await report(d, { lba: BLOCKS - 1, oneSeg: 1, allocation: 6 })).data).toHaveLength(6)
})

test('an LBA beyond the end is out of range', async () => {
  expectCheck(await report(await grouped(), { lba: BLOCKS }), senseKey.ILLEGAL_REQUEST, sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE)
})

test('page B3h, R_SUP and the command are there with the groups only', async () => {
  const bare = await disk()
  expectInvalidField(await report(bare))
  expect((await bare.initiator.vpd(0xb3)).status).toBe(2)
  expect(ExtendedInquiry.decode(await body(bare, 0x86)).rSup).toBe(0)
  const d = await grouped()
  expect((await body(d, 0xb3)).toString('hex')).toBe('00'.repeat(12))
  expect([...await body(d, 0)]).toContain(0xb3)
  expect(ExtendedInquiry.decode(await body(d, 0x86)).rSup).toBe(1)
  expect(d.device.commands.rows.map((r) => r.name)).toContain('REPORT REFERRALS')
})

test('more groups than a byte can count are left out, and no length is wrong', () => {
  const data = encodeReferrals(8, Array.from({ length: 300 }, (_, i) => portGroup(i + 1)))
  expect(ReferralsHeader.decode(data).length).toBe(data.length - ReferralsHeader.size)
  expect(ReferralDescriptor.decode(data, ReferralsHeader.size).groups).toBe(255)
  expect(ReferralGroup.decode(data, data.length - ReferralGroup.size).id).toBe(255)
})
