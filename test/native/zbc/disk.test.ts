import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { sense, senseKey, zoneAction as a, zoneCondition as c, zoneType as t } from '../../../packages/host/src/scsi'
import { cdb, expectCheck, expectGood, expectInvalidField, expectInvalidOpcode, expectLbaOutOfRange, expectMiscompare } from '../../../packages/host/src/testing'
import { MiB, pattern, zonedBench } from './lib'

const bench = zonedBench()
const ZONE = 2048
let n = 0
/** 16 MiB, zones of 1 MiB, 2 of them conventional, 4 open. */
const options = 'model-HM/zsize-1/conv-2/open-4'
const fresh = (text = options): string => `${text}@${bench.path(`disk-${n++}`)}`
const illegal = (code: (typeof sense)[keyof typeof sense]) => [senseKey.ILLEGAL_REQUEST, code] as const

test('a new disk: 16 zones, empty, in a sparse file', async () => {
  const d = await bench.open(fresh())
  const zones = await d.zones()
  expect(zones.map((z) => [z.type, z.condition, z.start, z.length])).toEqual(Array.from({ length: 16 }, (_, i) =>
    [i < 2 ? t.CONVENTIONAL : t.SEQUENTIAL_REQUIRED, i < 2 ? c.NOT_WRITE_POINTER : c.EMPTY, i * ZONE, ZONE]))
  expect([zones[0]!.writePointer, zones[5]!.writePointer]).toEqual([2 ** 64, 5 * ZONE])
  expect(d.device.deviceType).toBe(0x14)
  expect(statSync(bench.path(`disk-${n - 1}`)).blocks * 512).toBeLessThan(64 * 1024)
})

test('writes at the pointer move it; others are refused and move nothing', async () => {
  const d = await bench.open(fresh())
  const z = 3 * ZONE
  expectGood(await d.disk.write(z, pattern(8, 1)))
  expectGood(await d.disk.write(z + 8, pattern(8, 2)))
  expectCheck(await d.disk.write(z + 8, pattern(8, 3)), ...illegal(sense.UNALIGNED_WRITE_COMMAND))
  expectCheck(await d.disk.write(z + 24, pattern(8, 3)), ...illegal(sense.UNALIGNED_WRITE_COMMAND))
  expect((await d.zones())[3]).toMatchObject({ condition: c.IMPLICIT_OPEN, writePointer: z + 16 })
  expect((await d.disk.read({ lba: z, blocks: 24 })).data).toEqual(Buffer.concat([pattern(8, 1), pattern(8, 2), Buffer.alloc(4096)]))
  expectCheck(await d.disk.write(z + 16, pattern(ZONE, 3)), ...illegal(sense.WRITE_BOUNDARY_VIOLATION))
  expectLbaOutOfRange(await d.disk.write(16 * ZONE - 8, pattern(16, 3)))
})

test('filling, finishing and resetting', async () => {
  const d = await bench.open(fresh())
  const z = 4 * ZONE
  expectGood(await d.disk.write(z, pattern(ZONE, 1)))
  expect((await d.zones())[4]).toMatchObject({ condition: c.FULL, writePointer: z + ZONE })
  expectInvalidField(await d.disk.write(z, pattern(1, 1)))
  expectGood(await d.manage(a.RESET_WRITE_POINTER, z))
  expect((await d.zones())[4]).toMatchObject({ condition: c.EMPTY, writePointer: z })
  expect((await d.disk.read({ lba: z, blocks: ZONE })).data.every((b) => b === 0)).toBe(true)
  expectGood(await d.disk.write(z, pattern(8, 7)))
  expectGood(await d.manage(a.FINISH_ZONE, z))
  expect((await d.zones())[4]).toMatchObject({ condition: c.FULL })
  expect((await d.disk.read({ lba: z, blocks: 16 })).data).toEqual(Buffer.concat([pattern(8, 7), Buffer.alloc(4096)]))
})

test('open zones are limited; the one longest unused is closed for another', async () => {
  const d = await bench.open(fresh())
  for (const i of [4, 5, 6, 7]) expectGood(await d.disk.write(i * ZONE, pattern(1, i)))
  expectGood(await d.disk.write(4 * ZONE + 1, pattern(1, 4)))
  expectGood(await d.disk.write(8 * ZONE, pattern(1, 8)))
  expect((await d.zones()).slice(4, 9).map((z) => z.condition)).toEqual([c.IMPLICIT_OPEN, c.CLOSED, c.IMPLICIT_OPEN, c.IMPLICIT_OPEN, c.IMPLICIT_OPEN])
  for (const i of [9, 10, 11, 12]) expectGood(await d.manage(a.OPEN_ZONE, i * ZONE))
  expectCheck(await d.manage(a.OPEN_ZONE, 13 * ZONE), senseKey.DATA_PROTECT, sense.INSUFFICIENT_ZONE_RESOURCES)
  expectCheck(await d.disk.write(13 * ZONE, pattern(1, 1)), senseKey.DATA_PROTECT, sense.INSUFFICIENT_ZONE_RESOURCES)
  expectCheck(await d.manage(a.FINISH_ZONE, 13 * ZONE), senseKey.DATA_PROTECT, sense.INSUFFICIENT_ZONE_RESOURCES)
  expectGood(await d.manage(a.CLOSE_ZONE, 0, { all: 1 }))
  expect((await d.zones()).slice(4).map((z) => z.condition)).toEqual([4, 4, 4, 4, 4, 1, 1, 1, 1, 1, 1, 1])
  expectCheck(await d.manage(a.OPEN_ZONE, 0, { all: 1 }), senseKey.DATA_PROTECT, sense.INSUFFICIENT_ZONE_RESOURCES)
  expectGood(await d.manage(a.RESET_WRITE_POINTER, 2 ** 40, { all: 1 }))
  expect(new Set((await d.zones()).slice(2).map((z) => z.condition))).toEqual(new Set([c.EMPTY]))
})

test('zone commands say what is wrong with their zone', async () => {
  const d = await bench.open(fresh())
  for (const sa of [a.OPEN_ZONE, a.CLOSE_ZONE, a.FINISH_ZONE, a.RESET_WRITE_POINTER]) {
    expectLbaOutOfRange(await d.manage(sa, 16 * ZONE))
    expectInvalidField(await d.manage(sa, 5 * ZONE + 1))
    expectInvalidField(await d.manage(sa, 0))
    expectInvalidField(await d.manage(sa, 14 * ZONE, { count: 3 }))
  }
  expectInvalidField(await d.manage(0x1e, 5 * ZONE))
  expectGood(await d.manage(a.OPEN_ZONE, 5 * ZONE, { count: 3 }))
  expect((await d.zones()).slice(4, 9).map((z) => z.condition)).toEqual([1, 3, 3, 3, 1])
  expectCheck(await d.manage(a.OPEN_ZONE, 8 * ZONE, { count: 2 }), senseKey.DATA_PROTECT, sense.INSUFFICIENT_ZONE_RESOURCES)
  expect((await d.zones())[8]!.condition).toBe(c.EMPTY)
})

test('reads may cross zones of a type, and no further', async () => {
  const d = await bench.open(fresh())
  expectGood(await d.disk.write(4 * ZONE, pattern(ZONE, 4)))
  expectGood(await d.disk.write(5 * ZONE, pattern(10, 5)))
  expectGood(await d.disk.write(6 * ZONE, pattern(10, 6)))
  const { data } = await d.disk.read({ lba: 3 * ZONE, blocks: 4 * ZONE })
  expect(data.equals(Buffer.concat([Buffer.alloc(MiB), pattern(ZONE, 4), pattern(10, 5), Buffer.alloc(MiB - 5120), pattern(10, 6), Buffer.alloc(MiB - 5120)]))).toBe(true)
  expectCheck(await d.disk.read({ lba: 2 * ZONE - 8, blocks: 16 }), ...illegal(sense.READ_BOUNDARY_VIOLATION))
  expectCheck(await d.disk.write(2 * ZONE - 8, pattern(16, 1)), ...illegal(sense.WRITE_BOUNDARY_VIOLATION))
  expectGood(await d.disk.write(ZONE - 8, pattern(16, 9)))
  expect((await d.disk.read({ lba: ZONE - 8, blocks: 16 })).data).toEqual(pattern(16, 9))
})

test('restricted reads', async () => {
  const d = await bench.open(fresh('zsize-1/conv-2/open-4/urswrz-n'))
  expectGood(await d.disk.write(4 * ZONE, pattern(16, 4)))
  expectGood(await d.disk.read({ lba: 4 * ZONE, blocks: 16 }))
  expectCheck(await d.disk.read({ lba: 4 * ZONE + 8, blocks: 16 }), ...illegal(sense.ATTEMPT_TO_READ_INVALID_DATA))
  expectCheck(await d.disk.read({ lba: 5 * ZONE - 1, blocks: 2 }), ...illegal(sense.READ_BOUNDARY_VIOLATION))
  expect((await d.disk.vpd(0xb6)).data[4]).toBe(0)
})

test('writes queued behind each other are all taken, in order', async () => {
  const d = await bench.open(fresh())
  const answers = await Promise.all(Array.from({ length: 256 }, (_, i) => d.disk.write(4 * ZONE + i * 8, pattern(8, i))))
  for (const answer of answers) expectGood(answer)
  const { data } = await d.disk.read({ lba: 4 * ZONE, blocks: ZONE })
  expect(data.equals(Buffer.concat(Array.from({ length: 256 }, (_, i) => pattern(8, i))))).toBe(true)
  expect((await d.zones())[4]!.condition).toBe(c.FULL)
})

test('WRITE SAME, WRITE AND VERIFY and VERIFY keep to the rules', async () => {
  const d = await bench.open(fresh())
  const z = 4 * ZONE
  expectGood(await d.disk.writeSame({ lba: z, blocks: 16 }, pattern(1, 3)))
  expect((await d.zones())[4]!.writePointer).toBe(z + 16)
  expect((await d.disk.read({ lba: z + 15, blocks: 2 })).data).toEqual(Buffer.concat([pattern(1, 3), Buffer.alloc(512)]))
  expectInvalidField(await d.disk.writeSame({ lba: z + 16, blocks: 16 }, pattern(1, 3), { unmap: 1 }))
  expectInvalidField(await d.disk.writeSame({ lba: z + 16, blocks: 0 }, pattern(1, 3)))
  expectCheck(await d.disk.writeSame({ lba: z, blocks: 16 }, pattern(1, 3)), ...illegal(sense.UNALIGNED_WRITE_COMMAND))
  expectGood(await d.disk.send(cdb.writeAndVerify10({ lba: z + 16, blocks: 4, bytchk: 1 }), { dataOut: pattern(4, 5) }))
  expect((await d.zones())[4]!.writePointer).toBe(z + 20)
  expectGood(await d.disk.verify(z + 16, pattern(4, 5)))
  expectMiscompare(await d.disk.verify(z + 16, pattern(4, 6)))
  expectCheck(await d.disk.verify(2 * ZONE - 1, pattern(2, 6)), ...illegal(sense.READ_BOUNDARY_VIOLATION))
  expectInvalidOpcode(await d.disk.compareAndWrite(0, pattern(2, 1)))
  expectInvalidOpcode(await d.disk.unmap([{ lba: 0, blocks: 8 }]))
})

test('who it says it is', async () => {
  const d = await bench.open(fresh())
  const inquiry = (await d.disk.inquiry()).data
  expect([inquiry[0], inquiry.toString('latin1', 8, 36)]).toEqual([0x14, 'LIO-ORG TCMU ZBC device 0002'])
  expect([...(await d.disk.vpd(0)).data]).toEqual([0x14, 0, 0, 9, 0, 0x80, 0x83, 0x85, 0x86, 0x87, 0xb0, 0xb1, 0xb6])
  const b1 = (await d.disk.vpd(0xb1)).data
  expect([b1.length, b1.readUInt16BE(4), b1[8]]).toEqual([64, 7200, 0x02])
  const b6 = (await d.disk.vpd(0xb6)).data
  expect([b6.length, b6[4], b6.readUInt32BE(8), b6.readUInt32BE(16)]).toEqual([64, 1, 0, 4])
  const capacity = (await d.disk.readCapacity16()).data
  expect([capacity.readUInt32BE(4), capacity.readUInt32BE(8), capacity[12]]).toEqual([16 * ZONE - 1, 512, 0x10])
  expect((await d.disk.modeSense(0x3f)).data.subarray(0, 6).toString('hex')).toMatch(/^..001000010a$/)
  const ha = await bench.open(fresh('model-HA/zsize-1/conv-2/open-4'))
  expect([(await ha.disk.inquiry()).data[0], (await ha.disk.vpd(0xb1)).data[8]]).toEqual([0, 0x12])
})

test('REPORT ZONES: options, PARTIAL, lengths', async () => {
  const d = await bench.open(fresh())
  await d.disk.write(4 * ZONE, pattern(1, 1))
  await d.manage(a.OPEN_ZONE, 5 * ZONE)
  const starts = async (options: number): Promise<number[]> => {
    const { data } = await d.report({ options })
    return Array.from({ length: data.readUInt32BE(0) / 64 }, (_, i) => data.readUInt32BE(64 + i * 64 + 20) / ZONE)
  }
  expect(await starts(0x01)).toEqual([2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
  expect([await starts(0x02), await starts(0x03), await starts(0x3f), await starts(0x05), await starts(0x10)]).toEqual([[4], [5], [0, 1], [], []])
  expectInvalidField(await d.report({ options: 0x0a }))
  expectInvalidField(await d.report({ options: 0x08 }))
  expectLbaOutOfRange(await d.report({ lba: 16 * ZONE }))
  const cut = (await d.report({ lba: 3 * ZONE + 5, allocation: 64 + 64 * 2 + 10 })).data
  expect([cut.length, cut.readUInt32BE(0)]).toEqual([192, 13 * 64])
  expect((await d.report({ lba: 3 * ZONE, allocation: 192, partial: 1 })).data.readUInt32BE(0)).toBe(128)
  expect((await d.report({ allocation: 10 })).data).toHaveLength(10)
})

test('everything is there again after a new start, and nothing is open', async () => {
  const config = fresh()
  const d = await bench.open(config)
  await d.disk.write(4 * ZONE, pattern(100, 4))
  await d.disk.write(5 * ZONE, pattern(ZONE, 5))
  await d.manage(a.OPEN_ZONE, 6 * ZONE)
  await d.disk.write(7 * ZONE, pattern(3, 7))
  await d.manage(a.RESET_WRITE_POINTER, 7 * ZONE)
  await d.close()
  const again = await bench.open(config)
  expect((await again.zones()).slice(4, 8).map((z) => [z.condition, z.writePointer])).toEqual([
    [c.CLOSED, 4 * ZONE + 100], [c.FULL, 6 * ZONE], [c.EMPTY, 6 * ZONE], [c.EMPTY, 7 * ZONE]])
  expect((await again.disk.read({ lba: 4 * ZONE, blocks: 100 })).data).toEqual(pattern(100, 4))
})

describe('a file is never formatted unless that is asked for', () => {
  test.each([
    ['model-HA/zsize-1/conv-2', {}, /^E_ZONED_MISMATCH: .* has model HM, and HA is asked for/],
    ['zsize-2', {}, /has zsize 1, and 2 is asked for/],
    ['zsize-1/conv-3', {}, /has conv 2, and 3 is asked for/],
    ['zsize-1/lba-4096', {}, /has lba 512, and 4096 is asked for/],
    ['zsize-1', { sizeBytes: 8 * MiB }, /has size 16777216, and 8388608 is asked for/],
  ])('%s %j', async (text, more, message) => {
    const path = bench.path(`keep-${n++}`)
    const d = await bench.open(`${options}@${path}`)
    await d.disk.write(4 * ZONE, pattern(8, 4))
    await d.close()
    const before = readFileSync(path)
    await expect(bench.open(`${text}@${path}`, more)).rejects.toThrow(message)
    expect(readFileSync(path).equals(before)).toBe(true)
    const same = await bench.open(path)
    expect((await same.zones())[4]!.writePointer).toBe(4 * ZONE + 8)
    await same.close()
    const formatted = await bench.open(`${text}/format-y@${path}`.replace(/^\//, ''), more)
    expect(formatted.lines.join()).toMatch(/It is formatted now/)
    expect((await formatted.zones()).every((z) => z.condition === c.EMPTY || z.condition === c.NOT_WRITE_POINTER)).toBe(true)
    await formatted.close()
  })

  test('foreign contents, a cut file, a damaged header', async () => {
    const path = bench.path('foreign')
    writeFileSync(path, 'something of value')
    await expect(bench.open(path)).rejects.toThrow(/^E_ZONED_FOREIGN: .*it is no image of a zoned disk, and it is not overwritten; the option format-y/)
    expect(readFileSync(path, 'utf8')).toBe('something of value')
    const cut = bench.path('cut')
    await (await bench.open(`${options}@${cut}`)).close()
    truncateSync(cut, 5 * MiB)
    await expect(bench.open(cut)).rejects.toThrow(/^E_ZONED_DAMAGED: .*cut off/)
    const hurt = bench.path('hurt')
    await (await bench.open(`${options}@${hurt}`)).close()
    const bytes = readFileSync(hurt)
    bytes[40]! ^= 1
    writeFileSync(hurt, bytes)
    await (await bench.open(hurt)).close()
    bytes[4096 + 40]! ^= 1
    writeFileSync(hurt, bytes)
    await expect(bench.open(hurt)).rejects.toThrow(/both copies of its header are damaged/)
  })

  test('options that do not change what is in the file are taken as they are given', async () => {
    const path = bench.path('open')
    await (await bench.open(`${options}@${path}`)).close()
    const d = await bench.open(`open-3@${path}`)
    expect((await d.disk.vpd(0xb6)).data.readUInt32BE(16)).toBe(3)
  })
})

test('blocks of 4096 bytes are the handler\'s choice', async () => {
  const d = await bench.open(fresh('lba-4096/zsize-1/conv-2'))
  expect([d.device.blockSize, d.device.blocks]).toEqual([4096, 4096])
  expectGood(await d.disk.write(3 * 256, pattern(2, 1, 4096)))
  expect((await d.zones())[3]!.writePointer).toBe(3 * 256 + 2)
})

test('host aware zones take writes anywhere', async () => {
  const d = await bench.open(fresh('model-HA/zsize-1/conv-2/open-4'))
  const z = 4 * ZONE
  expectGood(await d.disk.write(z, pattern(ZONE, 1)))
  expectGood(await d.manage(a.RESET_WRITE_POINTER, z))
  expectGood(await d.disk.write(z + 100, pattern(8, 2)))
  expect((await d.zones())[4]).toMatchObject({ writePointer: z + 108, nonSequential: 1, condition: c.IMPLICIT_OPEN })
  expect((await d.disk.read({ lba: z, blocks: 108 })).data).toEqual(Buffer.concat([Buffer.alloc(100 * 512), pattern(8, 2)]))
  expectGood(await d.disk.write(z + 4, pattern(8, 3)))
  expectGood(await d.disk.write(z + ZONE - 8, pattern(16, 4)))
  expect((await d.zones()).slice(4, 6).map((x) => [x.condition, x.writePointer])).toEqual([[c.FULL, z + ZONE], [c.IMPLICIT_OPEN, z + ZONE + 8]])
  expectGood(await d.disk.write(z + 5, pattern(1, 5)))
  expect((await d.disk.read({ lba: z + 4, blocks: 2 })).data).toEqual(Buffer.concat([pattern(8, 3).subarray(0, 512), pattern(1, 5)]))
})

test('FORMAT UNIT empties everything', async () => {
  const d = await bench.open(fresh())
  await d.disk.write(0, pattern(8, 1))
  await d.disk.write(4 * ZONE, pattern(ZONE, 1))
  expectGood(await d.disk.send(Uint8Array.of(4, 0, 0, 0, 0, 0), {}))
  expect((await d.disk.read({ lba: 0, blocks: 8 })).data.every((b) => b === 0)).toBe(true)
  expect((await d.zones())[4]!.condition).toBe(c.EMPTY)
})
