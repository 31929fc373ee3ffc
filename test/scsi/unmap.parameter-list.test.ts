import { Status } from '@tcmu/host/scsi'
import {
  cdb, expectCheck, expectGood, expectInvalidField, expectInvalidOpcode, expectInvalidParameter, expectLbaOutOfRange, expectParameterListLength,
  unmapList,
} from '@tcmu/host/testing'
import { sense, senseKey } from '@tcmu/host/scsi'
import { BLOCK, BLOCKS, blocksOf, disk, fieldOf, pattern, zeroes } from './harness'

interface Range { offset: number; length: number }
async function recording(results: number[] = []) {
  const ranges: Range[] = []
  const d = await disk({
    handler: {
      unmap: async (_ram: Uint8Array, { offset, length }: Range) => {
        ranges.push({ offset, length })
        return results[ranges.length - 1] ?? Status.OK
      },
    },
  })
  return { ...d, ranges }
}

test('gives back each range, in bytes', async () => {
  const { initiator, ranges } = await recording()
  expectGood(await initiator.unmap([{ lba: 0, blocks: 1 }, { lba: 100, blocks: 0 }, { lba: BLOCKS - 2, blocks: 2 }]))
  expect(ranges).toEqual([{ offset: 0, length: BLOCK }, { offset: (BLOCKS - 2) * BLOCK, length: 2 * BLOCK }])
})

test('unmapped blocks read as zeroes', async () => {
  const { initiator, memory } = await disk()
  memory.set(pattern(8))
  expectGood(await initiator.unmap([{ lba: 1, blocks: 2 }, { lba: 5, blocks: 1 }]))
  const all = pattern(8)
  all.fill(0, BLOCK, 3 * BLOCK).fill(0, 5 * BLOCK, 6 * BLOCK)
  expect(blocksOf(memory, 0, 8)).toEqual(all)
})

test('nothing is unmapped when any range is wrong', async () => {
  const { initiator, ranges } = await recording()
  expectLbaOutOfRange(await initiator.unmap([{ lba: 0, blocks: 1 }, { lba: BLOCKS - 1, blocks: 2 }]))
  expectLbaOutOfRange(await initiator.unmap([{ lba: 0, blocks: 1 }, { lba: 2 ** 52, blocks: 1 }]))
  expect(ranges).toEqual([])
})

test('ends at the first error, and tells it', async () => {
  const { initiator, ranges } = await recording([Status.OK, Status.WR_ERR, Status.OK])
  const r = await initiator.unmap([{ lba: 0, blocks: 1 }, { lba: 1, blocks: 1 }, { lba: 2, blocks: 1 }])
  expectCheck(r, senseKey.MEDIUM_ERROR, sense.WRITE_ERROR)
  expect(ranges.length).toBe(2)
})

test('limits are those of page B0h', async () => {
  const { initiator, device, ranges } = await recording()
  const { maxUnmap, maxUnmapDescriptors } = device.limits
  expectGood(await initiator.unmap(Array.from({ length: maxUnmapDescriptors }, (_, i) => ({ lba: i, blocks: 1 }))))
  expect(ranges.length).toBe(maxUnmapDescriptors)
  const refused = expectInvalidParameter(await initiator.unmap(Array.from({ length: maxUnmapDescriptors + 1 }, (_, i) => ({ lba: i, blocks: 1 }))))
  expect(fieldOf(refused.sense)).toEqual({ byte: 2, bit: -1, inCdb: false })
  expect(maxUnmap).toBeGreaterThan(0)
  const few = await disk({ declare: { maxUnmapBlocks: 10 } })
  expectGood(await few.initiator.unmap([{ lba: 0, blocks: 4 }, { lba: 9, blocks: 6 }]))
  const sum = expectInvalidParameter(await few.initiator.unmap([{ lba: 0, blocks: 4 }, { lba: 9, blocks: 7 }]))
  expect(fieldOf(sum.sense)).toEqual({ byte: 8 + 16 + 8, bit: -1, inCdb: false })
})

describe('the list', () => {
  const list = Buffer.from(unmapList([{ lba: 3, blocks: 1 }]))

  test('of no bytes or no descriptors is GOOD', async () => {
    const { initiator, ranges } = await recording()
    expectGood(await initiator.send(cdb.unmap({ listLength: 0 }), {}))
    expectGood(await initiator.send(cdb.unmap({ listLength: 8 }), { dataOut: Buffer.alloc(8) }))
    expect(ranges).toEqual([])
  })

  test('shorter than its header, or longer than what came, is refused', async () => {
    const { initiator, send } = await recording()
    expectParameterListLength(await initiator.send(cdb.unmap({ listLength: 7 }), { dataOut: list.subarray(0, 7) }))
    expect(await send(cdb.unmap({ listLength: 24 }), { dataOut: list.subarray(0, 16) })).toMatchObject({ key: 5, asc: 0x1a00 })
  })

  test('descriptors beyond the list are not there', async () => {
    const { initiator, ranges } = await recording()
    const lying = Buffer.from(list)
    lying.writeUInt16BE(0xfff0, 2)
    expectGood(await initiator.send(cdb.unmap({ listLength: 24 }), { dataOut: lying }))
    expect(ranges).toEqual([{ offset: 3 * BLOCK, length: BLOCK }])
    expectGood(await initiator.send(cdb.unmap({ listLength: 20 }), { dataOut: lying.subarray(0, 20) }))
    expect(ranges.length).toBe(1)
  })

  test('cannot ask for anchored blocks', async () => {
    const { initiator } = await recording()
    expect(fieldOf(expectInvalidField(await initiator.send(cdb.unmap({ listLength: 24, anchor: 1 }), { dataOut: list })).sense)).toEqual({ byte: 1, bit: 0, inCdb: true })
  })
})

test('a handler without unmap does not have the command', async () => {
  const { initiator } = await disk({ handler: { unmap: undefined } })
  expectInvalidOpcode(await initiator.unmap([{ lba: 0, blocks: 1 }]))
})

test('a handler that finds it cannot says so', async () => {
  const { initiator, memory } = await disk({ handler: { unmap: () => Status.NOT_HANDLED } })
  expectInvalidOpcode(await initiator.unmap([{ lba: 0, blocks: 1 }]))
  expect(memory.subarray(0, BLOCK)).toEqual(new Uint8Array(zeroes()))
})
