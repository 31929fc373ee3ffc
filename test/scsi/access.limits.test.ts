import { expectData, expectGood, expectInvalidField, expectLbaOutOfRange, expectWriteProtected } from '@tcmu/host/testing'
import { BLOCK, BLOCKS, disk, fieldOf, informationOf, pattern, reads, sizes, writes } from './harness'

test.each(sizes)('READ(%i) and WRITE beyond the last block are out of range', async (size) => {
  const { initiator } = await disk()
  for (const [lba, blocks] of [[BLOCKS - 1, 2], [BLOCKS, 1], [BLOCKS + 1, 1], [2 ** 21 - 1, 1]]) {
    const read = expectLbaOutOfRange(await initiator.send(reads[size]({ lba, blocks }), { dataIn: blocks * BLOCK }))
    expect(informationOf(read.sense)).toBe(lba)
    expectLbaOutOfRange(await initiator.send(writes[size]({ lba, blocks }), { dataOut: pattern(blocks) }))
  }
  expectGood(await initiator.send(reads[size]({ lba: BLOCKS - 2, blocks: 2 }), { dataIn: 2 * BLOCK }))
})

test('an LBA of 2^64-1 is out of range, not wrapped round', async () => {
  const { send } = await disk()
  const bytes = reads[16]({ blocks: 1 })
  bytes.fill(0xff, 2, 10)
  expect(await send(bytes, { dataIn: BLOCK })).toMatchObject({ key: 5, asc: 0x2100 })
  expect(await send(reads[16]({ lba: 1, blocks: 0xffffffff }), { dataIn: BLOCK })).toMatchObject({ key: 5, asc: 0x2100 })
})

test.each([10, 12, 16] as const)('READ(%i) of 0 blocks beyond the last block is out of range', async (size) => {
  const { initiator } = await disk()
  expectLbaOutOfRange(await initiator.send(reads[size]({ lba: BLOCKS + 1, blocks: 0 }), {}))
  expectLbaOutOfRange(await initiator.send(writes[size]({ lba: BLOCKS + 1, blocks: 0 }), {}))
})

test.each([10, 12, 16] as const)('RDPROTECT and WRPROTECT of (%i) have to be 0', async (size) => {
  const { initiator } = await disk()
  for (let protect = 1; protect < 8; protect++) {
    const read = expectInvalidField(await initiator.send(reads[size]({ blocks: 1, protect }), { dataIn: BLOCK }))
    expect(fieldOf(read.sense)).toEqual({ byte: 1, bit: 7, inCdb: true })
    expectInvalidField(await initiator.send(writes[size]({ blocks: 1, protect }), { dataOut: pattern(1) }))
  }
})

test('initiators are told of the limit of the way to them, and what is longer all the same is served', async () => {
  const { initiator } = await disk({ maxTransferBlocks: 8 })
  expect((await initiator.vpd(0xb0)).data.readUInt32BE(8)).toBe(8)
  const data = pattern(20)
  expectGood(await initiator.write(4, data))
  expectData(expectGood(await initiator.read({ lba: 4, blocks: 20 })), data)
})

test('more than MAXIMUM TRANSFER LENGTH is refused', async () => {
  const { initiator, memory } = await disk({ declare: { maxTransferBlocks: 8 } })
  expectGood(await initiator.read({ lba: 0, blocks: 8 }))
  const refused = expectInvalidField(await initiator.read({ lba: 0, blocks: 9 }))
  expect(fieldOf(refused.sense)).toEqual({ byte: 10, bit: -1, inCdb: true })
  expectInvalidField(await initiator.write(0, pattern(9)))
  expect(memory.every((b) => b === 0)).toBe(true)
})

test('a read-only unit refuses every command that writes, and reads', async () => {
  const { initiator, memory } = await disk({ readOnly: true })
  expectGood(await initiator.read({ lba: 0, blocks: 1 }))
  for (const size of sizes) expectWriteProtected(await initiator.send(writes[size]({ blocks: 1 }), { dataOut: pattern(1) }))
  expectWriteProtected(await initiator.writeSame({ lba: 0, blocks: 1 }, pattern(1)))
  expectWriteProtected(await initiator.unmap([{ lba: 0, blocks: 1 }]))
  expectWriteProtected(await initiator.compareAndWrite(0, pattern(2)))
  expectGood(await initiator.synchronizeCache())
  expect(memory.every((b) => b === 0)).toBe(true)
})
