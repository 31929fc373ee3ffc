import { copyDescriptor, copyLimits, op, StandardInquiry } from '@tcmu/host/scsi'
import { expectGood, expectInvalidField, expectInvalidOpcode, cdb } from '@tcmu/host/testing'
import { disk } from './harness'

/** Descriptors of VPD 8Fh by type, after the page header; each begins on a multiple of four. */
function descriptors(page: Buffer): Map<number, Buffer> {
  expect(page.readUInt16BE(2)).toBe(page.length - 4)
  const found = new Map<number, Buffer>()
  for (let at = 4; at < page.length; at += 4 + page.readUInt16BE(at + 2)) {
    expect(at % 4).toBe(0)
    found.set(page.readUInt16BE(at), page.subarray(at + 4, at + 4 + page.readUInt16BE(at + 2)))
  }
  return found
}

test('page 8Fh has the mandatory descriptors, in order, and says what the table and the limits say', async () => {
  const { initiator, device } = await disk()
  const found = descriptors(Buffer.from(expectGood(await initiator.vpd(0x8f)).data))
  expect([...found.keys()]).toEqual(Object.values(copyDescriptor))
  const actions = (code: number) => device.commands.rows.filter((r) => r.op === code).map((r) => r.sa)
  const commands = found.get(copyDescriptor.SUPPORTED_COMMANDS)!
  const listed = commands.subarray(1, 1 + commands[0])
  expect([...listed]).toEqual([op.THIRD_PARTY_COPY_OUT, 3, ...actions(op.THIRD_PARTY_COPY_OUT), op.THIRD_PARTY_COPY_IN, 4, ...actions(op.THIRD_PARTY_COPY_IN)])
  const parameters = found.get(copyDescriptor.PARAMETER_DATA)!
  expect([parameters.readUInt16BE(4), parameters.readUInt16BE(6), parameters.readUInt32BE(8), parameters.readUInt32BE(12)])
    .toEqual([copyLimits.cscd, copyLimits.segments, copyLimits.descriptorBytes, 0])
  expect([...found.get(copyDescriptor.SUPPORTED_DESCRIPTORS)!.subarray(0, 3)]).toEqual([2, 0x02, 0xe4])
  expect(found.get(copyDescriptor.SUPPORTED_CSCD_IDS)!.toString('hex')).toBe('0002ffff')
  const general = found.get(copyDescriptor.GENERAL_COPY)!
  expect([general.length, general.readUInt32BE(0), general.readUInt32BE(8), general[12]]).toEqual([32, copyLimits.concurrent, copyLimits.segmentBytes, 9])
  expect(StandardInquiry.decode((await initiator.inquiry()).data).threePc).toBe(1)
})

test('a device that lacks the ability says so everywhere', async () => {
  const { initiator } = await disk({ declare: { lacking: ['extendedCopy', 'format'] } })
  expectInvalidField(await initiator.vpd(0x8f))
  expect([...(await initiator.vpd(0)).data]).not.toContain(0x8f)
  expect(StandardInquiry.decode((await initiator.inquiry()).data).threePc).toBe(0)
  for (const bytes of [cdb.extendedCopyLid1(), cdb.receiveCopyParameters(), cdb.formatUnit()]) expectInvalidOpcode(await initiator.send(bytes, { dataIn: 4 }))
})
