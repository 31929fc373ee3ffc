import { drive, DriveBench, hex, image, largeDrive } from '../testing/bench'
import { expectCheck, expectData, expectGood, expectInvalidField, expectInvalidParameter, expectLbaOutOfRange, expectParameterListLength } from '@tcmu/host/testing'
import { senseKey } from '@tcmu/host/scsi'
import { mmcSense } from '../sense'

const DVD = 1_000_000
const DVD_TWO_LAYERS = 3_000_001
const BD = 10_000_000
const ascii = (b: Buffer, at: number, n: number): string => b.subarray(at, at + n).toString('latin1')

describe('INQUIRY', () => {
  test('an MMC device with a removable medium, as the C handler names it', async () => {
    const { data } = expectGood(await (await drive()).initiator.inquiry({ allocation: 96 }))
    expect([data[0], data[1], ascii(data, 8, 8), ascii(data, 16, 16), ascii(data, 32, 4)]).toEqual([5, 0x80, 'LIO-ORG ', 'VOPTA           ', '0001'])
    expect([58, 60, 62].map((at) => data.readUInt16BE(at))).toEqual([0x00a0, 0x0460, 0x04e0])
  })

  test('has the pages of its identity and no others', async () => {
    const b = await drive()
    expectData(await b.initiator.vpd(0), hex('05 00 00 04 00 80 83 86'))
    expect(ascii((await b.initiator.vpd(0x80)).data, 4, 4)).toBe('a1b2')
    expectInvalidField(await b.initiator.vpd(0xb0))
  })
})

describe('READ CAPACITY and READ FORMAT CAPACITIES', () => {
  test('count the blocks of the disc, not those of the device', async () => {
    const b = await drive(100)
    expectData(await b.initiator.readCapacity10(), hex('00000063 00000800'))
    expectData(await b.command([0x23, 0, 0, 0, 0, 0, 0, 0, 255, 0], 255), hex('000000 08 00000064 02 000800'))
    expectData(await b.command([0x23, 0, 0, 0, 0, 0, 0, 0, 4, 0], 4), hex('000000 08'))
  })
  test('a last block that the image does not fill counts', async () => {
    expectData(await (await drive(100, 1)).initiator.readCapacity10(), hex('00000064 00000800'))
  })
  test('no medium', async () => {
    const b = await new DriveBench().open('')
    expectData(await b.command([0x23, 0, 0, 0, 0, 0, 0, 0, 12, 0], 12), hex('000000 08 00000000 03 000800'))
  })
})

describe('GET CONFIGURATION', () => {
  const ask = (b: DriveBench, rt: number, starting = 0, allocation = 4096): Promise<Buffer> =>
    b.command([0x46, rt, starting >> 8, starting & 0xff, 0, 0, 0, allocation >> 8, allocation & 0xff, 0], allocation).then((a) => expectGood(a).data)
  const list = (data: Buffer): [code: number, flags: number][] => {
    const found: [number, number][] = []
    for (let at = 8; at < data.length; at += 4 + data[at + 3]!) found.push([data.readUInt16BE(at), data[at + 2]!])
    return found
  }
  const all = [0x0000, 0x0001, 0x0002, 0x0003, 0x0010, 0x001e, 0x001f, 0x0040, 0x0100, 0x0105, 0x0107, 0x0108]

  test.each([
    ['CD-ROM', 100, 0x0008, [0x10, 0x1e]], ['DVD-ROM', DVD, 0x0010, [0x10, 0x1f, 0x107]], ['BD-ROM', BD, 0x0040, [0x10, 0x40, 0x107]],
  ])('%s', async (_, blocks, profile, more) => {
    const b = await largeDrive(blocks)
    const data = await ask(b, 0)
    expect([data.readUInt32BE(0), data.readUInt16BE(6)]).toEqual([data.length - 4, profile])
    expect(list(data).map(([code]) => code)).toEqual(all)
    const current = [0, 1, 2, 3, 0x100, 0x105, 0x108, ...more].sort((x, y) => x - y)
    expect(list(data).filter(([, flags]) => flags & 1).map(([code]) => code)).toEqual(current)
    expect(list(await ask(b, 1)).map(([code]) => code)).toEqual(current)
    expect(data.subarray(8, 24)).toEqual(Buffer.concat([hex('0000 03 0c'), ...[0x40, 0x10, 0x08].map((p) => Buffer.from([0, p, p === profile ? 1 : 0, 0]))]))
  })

  test('without a disc no profile is current', async () => {
    const data = await ask(await new DriveBench().open(''), 1)
    expect([data.readUInt16BE(6), list(data).map(([code]) => code)]).toEqual([0, [0, 1, 2, 3, 0x100, 0x105, 0x108]])
  })

  test('one feature, from a feature on, none, and cut off', async () => {
    const b = await drive()
    expect(await ask(b, 2, 0x0003)).toEqual(hex('0000000c 0000 0008 0003 07 04 3d 000000'))
    expect(await ask(b, 2, 0x0010)).toEqual(hex('00000010 0000 0008 0010 01 08 00000800 0001 01 00'))
    expect(await ask(b, 2, 0x0107)).toEqual(hex('0000000c 0000 0008 0107 0c 04 0c 000000'))
    expect(await ask(b, 2, 0x0108)).toEqual(hex('0000000c 0000 0008 0108 03 04 61316232'))
    expect(await ask(b, 2, 0x0004)).toEqual(hex('00000004 0000 0008'))
    expect(list(await ask(b, 0, 0x0041)).map(([code]) => code)).toEqual([0x0100, 0x0105, 0x0107, 0x0108])
    expect((await ask(b, 0, 0, 8)).length).toBe(8)
    expectInvalidField(await b.command([0x46, 3, 0, 0, 0, 0, 0, 0, 8, 0], 8))
  })
})

describe('READ TOC/PMA/ATIP', () => {
  const toc = (b: DriveBench, format: number, { time = 0, track = 0, old = 0, allocation = 255 } = {}): ReturnType<DriveBench['command']> =>
    b.command([0x43, time << 1, format, 0, 0, 0, track, 0, allocation, old << 6], allocation)

  test('one data track, by blocks and by time', async () => {
    const b = await drive(4500)
    expectData(await toc(b, 0), hex('0012 01 01  00 14 01 00 00000000  00 14 aa 00 00001194'))
    expectData(await toc(b, 0, { time: 1 }), hex('0012 01 01  00 14 01 00 00000200  00 14 aa 00 00010200'))
    expectData(await toc(b, 0, { track: 0xaa }), hex('000a 01 01  00 14 aa 00 00001194'))
    expectData(await toc(b, 0, { track: 1, allocation: 12 }), hex('0012 01 01  00 14 01 00 00000000'))
    expectInvalidField(await toc(b, 0, { track: 2 }))
  })
  test('the session, also where drives before MMC had the format', async () => {
    const b = await drive(4500)
    for (const answer of [await toc(b, 1), await toc(b, 0, { old: 1 })]) expectData(answer, hex('000a 01 01  00 14 01 00 00000000'))
    expectData(await toc(b, 1, { time: 1 }), hex('000a 01 01  00 14 01 00 00000200'))
  })
  test('the full TOC of a CD', async () => {
    const entry = (point: string, at: string): string => `01 14 00 ${point} 000000 00 ${at}`
    const wanted = hex(`002e 01 01 ${entry('a0', '01 00 00')} ${entry('a1', '01 00 00')} ${entry('a2', '01 02 00')} ${entry('01', '00 02 00')}`)
    expectData(await toc(await drive(4500), 2), wanted)
    expectInvalidField(await toc(await largeDrive(DVD), 2))
  })
  test('no CD-TEXT, no PMA and no ATIP', async () => {
    const b = await drive()
    expectData(await toc(b, 5), hex('0002 00 00'))
    for (const format of [3, 4, 6, 15]) expectInvalidField(await toc(b, format))
    expectInvalidField(await toc(await largeDrive(BD), 5))
  })
  test('times beyond what can be written are the last one there is', async () => {
    expect((await toc(await largeDrive(BD), 0, { time: 1 })).data.subarray(16)).toEqual(hex('00 ff 3b 4a'))
  })
})

test('READ HEADER: mode 1 everywhere on the disc', async () => {
  const b = await drive(4500)
  const ask = (lba: number, time = 0): ReturnType<DriveBench['command']> => b.command([0x44, time << 1, 0, 0, lba >> 8, lba & 0xff, 0, 0, 8, 0], 8)
  expectData(await ask(4499), hex('01 000000 00001193'))
  expectData(await ask(0, 1), hex('01 000000 00000200'))
  expectLbaOutOfRange(await ask(4500))
})

describe('READ DISC INFORMATION and READ TRACK INFORMATION', () => {
  test('a complete disc of one session', async () => {
    const wanted = (type: string): Buffer => hex(`0020 0e 01 01 01 01 20 ${type} 000000 00000000 ffffffff ffffffff 0000000000000000 00 00`)
    expectData(await (await drive()).command([0x51, 0, 0, 0, 0, 0, 0, 0, 255, 0], 255), wanted('00'))
    expectData(await (await largeDrive(DVD)).command([0x51, 0, 0, 0, 0, 0, 0, 0, 255, 0], 255), wanted('ff'))
    expectInvalidField(await (await drive()).command([0x51, 1, 0, 0, 0, 0, 0, 0, 255, 0], 255))
  })
  test('its track, by block, number and session', async () => {
    const b = await drive(100)
    const wanted = hex('0022 01 01 00 04 01 02 00000000 00000000 00000000 00000000 00000064 00000063 00 00 0000')
    for (const [type, address] of [[0, 0], [0, 99], [1, 1], [2, 1]]) expectData(await b.command([0x52, type!, 0, 0, 0, address!, 0, 0, 255, 0], 255), wanted)
    expectLbaOutOfRange(await b.command([0x52, 0, 0, 0, 0, 100, 0, 0, 255, 0], 255))
    for (const [type, address] of [[1, 0], [1, 2], [1, 0xff], [2, 2], [3, 1]]) expectInvalidField(await b.command([0x52, type!, 0, 0, 0, address!, 0, 0, 255, 0], 255))
  })
})

describe('READ DISC STRUCTURE', () => {
  const ask = (b: DriveBench, media: number, format: number, layer = 0): ReturnType<DriveBench['command']> =>
    b.command([0xad, media, 0, 0, 0, 0, layer, format, 0x20, 0, 0, 0], 0x2000)

  test('a DVD-ROM of one layer', async () => {
    const { data } = expectGood(await ask(await largeDrive(DVD), 0, 0))
    expect([data.length, data.readUInt16BE(0)]).toEqual([2052, 2050])
    expect(data.subarray(4, 21)).toEqual(hex('01 0f 01 00 00 030000 00 12423f 00 000000 00'))
  })
  test('a DVD-ROM of two layers: opposite track path', async () => {
    const b = await largeDrive(DVD_TWO_LAYERS)
    const { data } = expectGood(await ask(b, 0, 0, 1))
    const endOfLayer0 = 0x030000 + 1_500_001 - 1
    expect([data[6], data.readUIntBE(9, 3), data.readUIntBE(17, 3), data.readUIntBE(13, 3)]).toEqual([0x31, 0x030000, endOfLayer0, (~endOfLayer0 & 0xffffff) + 1_500_000 - 1])
    expectInvalidField(await ask(b, 0, 0, 2))
  })
  test('copyright, manufacturer, and the list of these', async () => {
    const b = await largeDrive(DVD)
    expectData(await ask(b, 0, 1), hex('0006 0000 00000000'))
    expect(expectGood(await ask(b, 0, 4)).data).toEqual(Buffer.concat([hex('0802 0000'), Buffer.alloc(2048)]))
    expectData(await ask(b, 0, 0xff), hex('0012 0000  00 40 0804  01 40 0008  04 40 0804  ff 40 0014'))
    for (const [media, format] of [[0, 3], [0, 9], [1, 0], [2, 0xff]]) expectInvalidField(await ask(b, media!, format!))
    expectInvalidField(await ask(b, 0, 0, 1))
  })
  test('a BD-ROM', async () => {
    const b = await largeDrive(BD)
    const { data } = expectGood(await ask(b, 1, 0))
    expect([data.length, data.readUInt16BE(0), ascii(data, 4, 2), ascii(data, 12, 3)]).toEqual([4100, 4098, 'DI', 'BDO'])
    expectData(await ask(b, 1, 0xff), hex('000a 0000  00 40 1004  ff 40 000c'))
    expectInvalidField(await ask(b, 0, 0))
  })
  test('a CD has none', async () => {
    expectCheck(await ask(await drive(), 0, 0), senseKey.ILLEGAL_REQUEST, mmcSense.CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT)
  })
})

describe('MECHANISM STATUS', () => {
  test('tells whether the tray is out', async () => {
    const b = await drive()
    const ask = (): ReturnType<DriveBench['command']> => b.command([0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0], 8)
    expectData(await ask(), hex('00 00 000000 00 0000'))
    expectGood(await b.command([0x1b, 0, 0, 0, 2, 0]))
    expectData(await ask(), hex('00 10 000000 00 0000'))
  })
})

describe('speeds', () => {
  const performance = (b: DriveBench, kind: number, type: number, starting = 0): ReturnType<DriveBench['command']> =>
    b.command([0xac, kind, 0, 0, 0, starting, 0, 0, 0, 1, type, 0], 24)

  test('GET PERFORMANCE', async () => {
    const b = await drive(100)
    expectData(await performance(b, 0x10, 0), hex('00000014 00 000000  00000000 00002113 00000063 00002113'))
    expectData(await performance(b, 0x10, 0, 50), hex('00000014 00 000000  00000032 00002113 00000063 00002113'))
    expectData(await performance(b, 0x14, 0), hex('00000004 02 000000'))
    expectData(await performance(b, 0x11, 0), hex('00000004 01 000000'))
    expectData(await performance(b, 0, 3), hex('00000004 00 000000'))
    for (const type of [2, 4, 255]) expectInvalidField(await performance(b, 0, type))
    expectInvalidField(await performance(b, 0x13, 0))
    expectLbaOutOfRange(await performance(b, 0x10, 0, 100))
  })

  test('SET STREAMING takes a range of the disc', async () => {
    const b = await drive(100)
    const set = (list: Buffer, length = list.length, type = 0): ReturnType<DriveBench['command']> => b.command([0xb6, 0, 0, 0, 0, 0, 0, 0, type, 0, length, 0], 0, list)
    const descriptor = (start: number, end: number, flags = 0): Buffer => {
      const d = Buffer.alloc(28)
      d[0] = flags
      d.writeUInt32BE(start, 4)
      d.writeUInt32BE(end, 8)
      return d
    }
    expectGood(await set(descriptor(0, 99)))
    expectGood(await set(descriptor(5, 1000, 4)))
    expectInvalidParameter(await set(descriptor(0, 100)))
    expectInvalidParameter(await set(descriptor(51, 50)))
    expectParameterListLength(await set(descriptor(0, 99).subarray(0, 27)))
    expectParameterListLength(await set(descriptor(0, 99).subarray(0, 20), 28))
    expectInvalidField(await set(descriptor(0, 99), 28, 5))
  })
})

test('what the drive says of a disc changes with the disc', async () => {
  const b = await drive(100)
  b.shelf.images.set('/b.iso', image(1))
  b.shelf.sizes.set('/b.iso', DVD * 2048)
  await b.device.reconfigure({ kind: 'config', config: '/b.iso' })
  await b.initiator.testUnitReady()
  expectData(await b.initiator.readCapacity10(), hex('000f423f 00000800'))
  expect((await b.command([0x46, 2, 0, 0x10, 0, 0, 0, 0, 20, 0], 20)).data.readUInt16BE(6)).toBe(0x0010)
})
