import { BlockLimits } from '@tcmu/host/scsi'
import { cdb, expectGood, expectInvalidField, expectInvalidOpcode, expectLbaOutOfRange, expectWriteProtected } from '@tcmu/host/testing'
import { BLOCKS, blocksOf, disk, fieldOf, pattern, zeroes } from './harness'

const declare = { maxAtomicBlocks: 8 } as const

test('there is none unless the handler says how much', async () => {
  const { initiator } = await disk()
  expectInvalidOpcode(await initiator.send(cdb.writeAtomic16({ blocks: 1 }), { dataOut: zeroes() }))
})

test('writes as much as page B0h says, in one call of the handler', async () => {
  const lengths: number[] = []
  const { initiator, memory } = await disk({
    declare,
    handler: { write: (ram: Uint8Array, io: { offset: number; length: number; data: { copyTo(b: Uint8Array): void } }) => { lengths.push(io.length); io.data.copyTo(ram.subarray(io.offset)) } },
  })
  expect(BlockLimits.decode((await initiator.vpd(0xb0)).data, 4)).toMatchObject({ maxAtomic: 8, atomicAlignment: 0, atomicGranularity: 0, maxAtomicWithBoundary: 0, maxAtomicBoundary: 0 })
  expectGood(await initiator.send(cdb.writeAtomic16({ lba: 3, blocks: 8 }), { dataOut: pattern(8) }))
  expect(blocksOf(memory, 3, 8)).toEqual(pattern(8))
  expect(lengths).toEqual([8 * 512])
  expectGood(await initiator.send(cdb.writeAtomic16({ blocks: 0, dpo: 1, fua: 1 }), {}))
})

test.each([
  ['more blocks', { blocks: 9 }, { byte: 12, bit: -1 }], ['a boundary', { blocks: 1, boundary: 4 }, { byte: 10, bit: -1 }],
  ['protection', { blocks: 1, protect: 1 }, { byte: 1, bit: 7 }],
])('%s is refused', async (_what, fields, field) => {
  const { initiator, memory } = await disk({ declare })
  expect(fieldOf(expectInvalidField(await initiator.send(cdb.writeAtomic16(fields), { dataOut: pattern(9) })).sense)).toEqual({ ...field, inCdb: true })
  expect(memory.every((b) => b === 0)).toBe(true)
})

test('part of the data is not written: atomic is all of it', async () => {
  const { send, memory } = await disk({ declare })
  expect(await send(cdb.writeAtomic16({ blocks: 2 }), { dataOut: pattern(1) })).toMatchObject({ key: 5, asc: 0x2400 })
  expect(memory.every((b) => b === 0)).toBe(true)
})

test('the range and write protection are checked', async () => {
  const { initiator } = await disk({ declare })
  expectLbaOutOfRange(await initiator.send(cdb.writeAtomic16({ lba: BLOCKS - 1, blocks: 2 }), { dataOut: pattern(2) }))
  const locked = await disk({ declare, readOnly: true })
  expectWriteProtected(await locked.initiator.send(cdb.writeAtomic16({ blocks: 1 }), { dataOut: pattern(1) }))
})
