import {
  capacity16Data, descriptorSense, fixedSense, parseCdb, sense, senseFor, senseKey, standardInquiryData, Status,
} from '@tcmu/host/scsi'

test('take a CDB apart', () => {
  const parsed = parseCdb(Uint8Array.of(0x88, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 8, 0, 0))!
  expect([parsed.name, parsed.access, parsed.lba, parsed.blocks, parsed.fields['fua']]).toEqual(['READ(16)', 'read', 0x1000, 8, 0])
  expect(parseCdb(Uint8Array.of(0xc1, 0, 0, 0, 0, 0))).toBeUndefined()
})

test('build INQUIRY data, capacities and sense data', () => {
  const inquiry = standardInquiryData({ vendor: 'ACME', product: 'cloud disk', revision: '0001' })
  expect(Buffer.from(inquiry.subarray(8, 36)).toString('latin1')).toBe('ACME    cloud disk      0001')
  expect(Buffer.from(capacity16Data({ blocks: 2048, blockSize: 4096, provisioned: true })).readUInt32BE(8)).toBe(4096)
  expect(fixedSense(senseKey.MEDIUM_ERROR, sense.WRITE_ERROR, { information: 77 })[2]).toBe(senseKey.MEDIUM_ERROR)
  expect(senseFor(Status.WR_ERR, undefined, true)).toEqual(descriptorSense(senseKey.MEDIUM_ERROR, sense.WRITE_ERROR))
})
