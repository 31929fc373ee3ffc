import { Caching, sense } from '@tcmu/host/scsi'
import { cdb, expectAttention, expectGood, expectInvalidField, expectInvalidParameter, expectParameterListLength, expectWriteProtected } from '@tcmu/host/testing'
import { BLOCK, BLOCKS, type Disk, disk, fieldOf, pattern } from './harness'

const bytes = (...parts: (number[] | Buffer)[]) => Buffer.concat(parts.map((p) => Buffer.from(p as number[])))
const header6 = [0, 0, 0, 0]
const header10 = [0, 0, 0, 0, 0, 0, 0, 0]

/** A page as MODE SENSE returns it. */
async function current(d: Disk, page: number): Promise<Buffer> {
  return Buffer.from((await d.initiator.send(cdb.modeSense6({ page, dbd: 1 }), { dataIn: 192 })).data.subarray(4))
}
const select6 = (d: Disk, list: Buffer, fields = {}) => d.initiator.send(cdb.modeSelect6({ listLength: list.length, ...fields }), { dataOut: list })
const select10 = (d: Disk, list: Buffer, fields = {}) => d.initiator.send(cdb.modeSelect10({ listLength: list.length, ...fields }), { dataOut: list })

async function withBit(d: Disk, page: number, byte: number, bit: number): Promise<Buffer> {
  const p = await current(d, page)
  p[byte] ^= 1 << bit
  return p
}

test('SWP protects the medium from writing until it is cleared', async () => {
  const d = await disk()
  expectGood(await select6(d, bytes(header6, await withBit(d, 0x0a, 4, 3))))
  expectWriteProtected(await d.initiator.write(0, pattern(1)))
  expectGood(await d.initiator.read({ lba: 0, blocks: 1 }))
  expect((await d.initiator.modeSense(0x3f)).data[2] & 0x80).toBe(0x80)
  expectGood(await select10(d, bytes(header10, await withBit(d, 0x0a, 4, 3))))
  expectGood(await d.initiator.write(0, pattern(1)))
})

test('D_SENSE changes the format of sense data', async () => {
  const d = await disk()
  expectGood(await select6(d, bytes(header6, await withBit(d, 0x0a, 2, 2))))
  const refused = await d.initiator.read({ lba: BLOCKS, blocks: 1 })
  expect([refused.sense[0], refused.key, refused.asc]).toEqual([0x72, 5, 0x2100])
})

test('WCE=0 makes every write durable, after a flush of what was there', async () => {
  const events: string[] = []
  const d = await disk({ handler: { flush: () => void events.push('flush') } })
  expectGood(await select6(d, bytes(header6, await withBit(d, 0x08, 2, 2))))
  expect(Caching.decode(await current(d, 0x08), 2).wce).toBe(0)
  expect(events).toEqual(['flush'])
  expectGood(await d.initiator.write(0, pattern(1)))
  expect(events).toEqual(['flush', 'flush'])
  expectGood(await select6(d, bytes(header6, await withBit(d, 0x08, 2, 2))))
  expectGood(await d.initiator.write(0, pattern(1)))
  expect(events).toEqual(['flush', 'flush'])
})

test('a change is told to others, once, and to nobody when nothing changed', async () => {
  const d = await disk()
  const same = await current(d, 0x0a)
  expectGood(await select6(d, bytes(header6, same)))
  expectGood(await d.other.testUnitReady())
  expectGood(await select6(d, bytes(header6, await withBit(d, 0x0a, 2, 2))))
  expectGood(await d.initiator.testUnitReady())
  expectAttention(await d.other.testUnitReady(), sense.MODE_PARAMETERS_CHANGED)
  expectGood(await d.other.testUnitReady())
})

test('several pages and a block descriptor that says what is so', async () => {
  const d = await disk()
  const descriptor = [0, 0, BLOCKS >> 8, BLOCKS & 255, 0, 0, BLOCK >> 8, 0]
  const list = bytes([0, 0, 0, 8], descriptor, await current(d, 0x01), await withBit(d, 0x0a, 2, 2), await current(d, 0x08))
  expectGood(await select6(d, list))
  expect(d.device.modes.dSense).toBe(true)
  const long = bytes([0, 0, 0, 0, 1, 0, 0, 16], Buffer.alloc(8, 0xff), [0, 0, 0, 0, 0, 0, BLOCK >> 8, 0])
  long.writeBigUInt64BE(BigInt(BLOCKS), 8)
  expectGood(await select10(d, long))
})

test('nothing changes when any of it is wrong', async () => {
  const d = await disk()
  const wrong = await withBit(d, 0x01, 2, 7)
  const refused = expectInvalidParameter(await select6(d, bytes(header6, await withBit(d, 0x0a, 4, 3), wrong)))
  expect(fieldOf(refused.sense)).toEqual({ byte: 4 + 12 + 2, bit: 7, inCdb: false })
  expect(d.device.modes.swp).toBe(false)
  expectGood(await d.other.testUnitReady())
})

test('every bit that is not changeable is refused', async () => {
  const d = await disk()
  for (const page of [0x01, 0x02, 0x08, 0x0a, 0x1a, 0x1c]) {
    const body = await current(d, page)
    const mask = (await d.initiator.send(cdb.modeSense6({ page, pc: 1, dbd: 1 }), { dataIn: 192 })).data.subarray(4)
    for (let byte = 2; byte < body.length; byte++) {
      for (let bit = 0; bit < 8; bit++) {
        if (mask[byte] & (1 << bit)) continue
        const refused = expectInvalidParameter(await select6(d, bytes(header6, await withBit(d, page, byte, bit))))
        expect(fieldOf(refused.sense)).toEqual({ byte: 4 + byte, bit, inCdb: false })
      }
    }
  }
})

describe('the list', () => {
  test.each([
    ['of an unknown page', [...header6, 0x05, 0x02, 0, 0], expectInvalidParameter],
    ['of an unknown subpage', [...header6, 0x48, 0x01, 0, 0], expectInvalidParameter],
    ['of a page with another length', [...header6, 0x0a, 0x02, 0, 0], expectInvalidParameter],
    ['of a page cut short', [...header6, 0x0a, 0x0a, 0, 0], expectParameterListLength],
    ['of half a page header', [...header6, 0x0a], expectParameterListLength],
    ['of half a subpage header', [...header6, 0x4a, 0x01], expectParameterListLength],
    ['of half a header', [0, 0], expectParameterListLength],
    ['with a medium type', [0, 1, 0, 0], expectInvalidParameter],
    ['with a block descriptor of another size', [0, 0, 0, 4, 0, 0, 0, 0], expectInvalidParameter],
    ['with a block descriptor cut short', [0, 0, 0, 8, 0, 0, 0, 0], expectParameterListLength],
    ['with another block length', [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 4, 0], expectInvalidParameter],
    ['with another number of blocks', [0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 2, 0], expectInvalidParameter],
  ])('%s is refused', async (_what, list, expectation) => {
    const d = await disk()
    expectation(await select6(d, Buffer.from(list)))
  })

  test('of no bytes is GOOD', async () => {
    expectGood(await select6(await disk(), Buffer.alloc(0)))
    expectGood(await select10(await disk(), Buffer.from(header10)))
  })

  test('longer than what the initiator sent is refused', async () => {
    const d = await disk()
    const r = await d.send(cdb.modeSelect6({ listLength: 16 }), { dataOut: bytes(header6, (await current(d, 0x0a)).subarray(0, 8)) })
    expect(r).toMatchObject({ key: 5, asc: 0x1a00, transferLength: 16 })
  })

  test('has to be in page format, and is not saved', async () => {
    const d = await disk()
    const list = bytes(header6, await current(d, 0x0a))
    expect(fieldOf(expectInvalidField(await select6(d, list, { pf: 0 })).sense)).toEqual({ byte: 1, bit: 4, inCdb: true })
    expect(fieldOf(expectInvalidField(await select6(d, list, { sp: 1 })).sense)).toEqual({ byte: 1, bit: 0, inCdb: true })
  })
})
