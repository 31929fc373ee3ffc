import {
  BlockCharacteristics, BlockLimits, codeSet, designatorType, encodeDesignator, ExtendedInquiry, naaOf, nameString, portNumber, protocol,
  ProvisioningPage, VpdHeader, vpdPages,
} from '@tcmu/host/scsi'
import { expectGood, type Initiator } from '@tcmu/host/testing'
import { disk } from './harness'

async function page(initiator: Initiator, code: number): Promise<Buffer> {
  const { data } = expectGood(await initiator.vpd(code))
  expect(VpdHeader.decode(data)).toEqual({ qualifier: 0, deviceType: 0, page: code, length: data.length - VpdHeader.size })
  return data.subarray(VpdHeader.size)
}

test('page 00h lists the pages there are, in order, and no other', async () => {
  const { initiator } = await disk()
  const codes = [...await page(initiator, 0)]
  expect(codes).toEqual([0x00, 0x80, 0x83, 0x85, 0x86, 0x87, 0x8f, 0xb0, 0xb1, 0xb2])
  for (let code = 0; code < 256; code++) {
    expect([code, (await initiator.vpd(code)).status]).toEqual([code, codes.includes(code) ? 0 : 2])
  }
})

test('a page cannot be declared twice', () => {
  const p = { code: 0x80, name: 'x', body: () => new Uint8Array(0) }
  expect(() => vpdPages(p, p)).toThrow('VPD page 80h is declared twice')
})

test('page 80h is the serial number', async () => {
  const { initiator } = await disk({ serial: '0123-abc' })
  expect((await page(initiator, 0x80)).toString('latin1')).toBe('0123-abc')
})

test.each([
  ['', '60014050000000000000000000000000'],
  ['a1b2-c3d4', '6001405a1b2c3d400000000000000000'],
  ['zzz', '60014050000000000000000000000000'],
  ['5f9e6d3c-1b2a-4c5d-8e7f-0123456789ab', '60014055f9e6d3c1b2a4c5d8e7f01234'],
  ['DEADBEEFdeadbeefDEADBEEFdeadbeef', '6001405deadbeefdeadbeefdeadbeefd'],
])('the NAA identifier of serial number "%s" is the kernel\'s', (serial, naa) => {
  expect(Buffer.from(naaOf(serial)).toString('hex')).toBe(naa)
})

test('page 83h has the vendor identification and the NAA identifier', async () => {
  const { initiator } = await disk({ serial: 'a1b2-c3d4' })
  const body = await page(initiator, 0x83)
  const t10 = '02010011' + Buffer.from('LIO-ORG a1b2-c3d4').toString('hex')
  expect(body.toString('hex')).toBe(t10 + '01030010' + '6001405a1b2c3d400000000000000000')
})

test('page 83h survives a serial number of any length', async () => {
  const { initiator } = await disk({ serial: 'f'.repeat(1000) })
  expect((await initiator.inquiry({ evpd: 1, page: 0x83, allocation: 1024 })).data.readUInt16BE(2)).toBe(4 + 255 + 4 + 16)
  expect((await initiator.inquiry({ evpd: 1, page: 0x80, allocation: 1024 })).data.length).toBe(256)
})

test.each([
  [portNumber(designatorType.RELATIVE_TARGET_PORT, 1, protocol.ISCSI), '5194000400000001'],
  [portNumber(designatorType.TARGET_PORT_GROUP, 258, protocol.ISCSI), '5195000400000102'],
  [nameString('iqn.x', 2, protocol.ISCSI), '53a80008' + Buffer.from('iqn.x\0\0\0').toString('hex')],
  [nameString('iqn.', 1, protocol.ISCSI), '53980008' + Buffer.from('iqn.\0\0\0\0').toString('hex')],
  [{ codeSet: codeSet.BINARY, type: designatorType.EUI_64, value: Buffer.alloc(8, 1) }, '010200080101010101010101'],
])('designator %#', (d, hex) => {
  expect(Buffer.from(encodeDesignator(d)).toString('hex')).toBe(hex)
})

test('a name too long for a designator is cut', () => {
  expect(encodeDesignator(nameString('x'.repeat(500), 1, protocol.ISCSI)).length).toBe(4 + 252)
})

test('page 86h claims simple tasks, and a volatile cache only with flush', async () => {
  expect(ExtendedInquiry.decode(await page((await disk()).initiator, 0x86))).toMatchObject({ simpSup: 1, ordSup: 0, headSup: 0, vSup: 1 })
  const { initiator } = await disk({ handler: { flush: undefined } })
  expect(ExtendedInquiry.decode(await page(initiator, 0x86)).vSup).toBe(0)
})

test('page B0h is what the commands keep to', async () => {
  const { initiator, device } = await disk({ declare: { unmapGranularityBlocks: 8, physicalExponent: 3 } })
  const l = device.limits
  expect(BlockLimits.decode(await page(initiator, 0xb0))).toEqual({
    wsnz: 1, maxCompareAndWrite: l.maxCompareAndWrite, optimalTransferGranularity: 8, maxTransfer: l.maxTransfer,
    optimalTransfer: l.optimalTransfer, maxPrefetch: 0, maxUnmap: l.maxUnmap, maxUnmapDescriptors: l.maxUnmapDescriptors,
    unmapGranularity: 8, ugavalid: 1, unmapAlignment: 0, maxWriteSame: l.maxWriteSame, maxAtomic: 0, atomicAlignment: 0,
    atomicGranularity: 0, maxAtomicWithBoundary: 0, maxAtomicBoundary: 0,
  })
})

test('without unmap no page speaks of it', async () => {
  const { initiator } = await disk({ handler: { unmap: undefined } })
  expect(BlockLimits.decode(await page(initiator, 0xb0))).toMatchObject({ maxUnmap: 0, maxUnmapDescriptors: 0, unmapGranularity: 0, ugavalid: 0 })
  expect((await page(initiator, 0xb2)).toString('hex')).toBe('00000000')
})

test.each([[true, 1], [false, 0]])('page B1h: solid state %p', async (solidState, rotationRate) => {
  const { initiator } = await disk({ declare: { solidState } })
  expect(BlockCharacteristics.decode(await page(initiator, 0xb1))).toMatchObject({ rotationRate, zoned: 0 })
})

test.each([[true, 1], [false, 0]])('page B2h: unmapped blocks read as zeroes %p', async (unmappedReadsZero, lbprz) => {
  const { initiator } = await disk({ declare: { unmappedReadsZero } })
  expect(ProvisioningPage.decode(await page(initiator, 0xb2))).toEqual({
    thresholdExponent: 0, lbpu: 1, lbpws: 1, lbpws10: 1, lbprz, ancSup: 0, dp: 0, provisioningType: 2,
  })
})
