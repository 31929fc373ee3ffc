import { Direction } from '@tcmu/host/scsi'
import { cdb } from '@tcmu/host/testing'
import { BLOCK, blocksOf, disk, pattern, reads, sizes, writes, zeroes } from './harness'

describe.each(sizes)('(%i)', (size) => {
  test.each([
    ['less than a block', 200, 1],
    ['a block of two', BLOCK, 2],
    ['a block and a bit of three', BLOCK + 7, 3],
  ])('READ with room for %s fills it', async (_what, room, blocks) => {
    const { send, memory } = await disk()
    memory.set(pattern(4), 0)
    const r = await send(reads[size]({ lba: 0, blocks }), { dataIn: room })
    expect(r).toMatchObject({ status: 0, transferLength: blocks * BLOCK, expected: room })
    expect(r.data).toEqual(pattern(4).subarray(0, room))
  })

  test('READ with no room is GOOD and owes the block', async () => {
    const { send } = await disk()
    expect(await send(reads[size]({ lba: 0, blocks: 1 }))).toMatchObject({ status: 0, transferLength: BLOCK, expected: 0 })
  })

  test('READ with too much room fills what the CDB asks for', async () => {
    const { send, memory } = await disk()
    memory.set(pattern(4), 0)
    const r = await send(reads[size]({ lba: 0, blocks: 1 }), { dataIn: 10000 })
    expect(r).toMatchObject({ status: 0, transferLength: BLOCK })
    expect(r.data).toEqual(pattern(1))
  })

  test.each([
    ['none of one', 0, 1, 0],
    ['less than a block of one', 200, 1, 0],
    ['one block of two', BLOCK, 2, 1],
    ['a block and a bit of two', BLOCK + 200, 2, 1],
    ['two blocks of one', 2 * BLOCK, 1, 1],
  ])('WRITE with %s writes whole blocks of it', async (_what, sent, blocks, written) => {
    const { send, memory } = await disk()
    const r = await send(writes[size]({ lba: 4, blocks }), { dataOut: pattern(4).subarray(0, sent) })
    expect(r).toMatchObject({ status: 0, transferLength: blocks * BLOCK, expected: sent })
    expect(blocksOf(memory, 4, 2)).toEqual(Buffer.concat([pattern(written), zeroes(2 - written)]))
  })

  test('WRITE whose data the initiator expects to receive writes nothing', async () => {
    const { send, memory } = await disk()
    expect(await send(writes[size]({ lba: 0, blocks: 1 }), { dataIn: BLOCK, direction: Direction.IN })).toMatchObject({ key: 5, asc: 0x2400 })
    expect(memory.every((b) => b === 0)).toBe(true)
  })
})

test.each([
  ['VERIFY', cdb.verify10({ blocks: 1, bytchk: 1 })],
  ['WRITE AND VERIFY', cdb.writeAndVerify10({ blocks: 1 })],
  ['COMPARE AND WRITE', cdb.compareAndWrite({ blocks: 1 })],
  ['WRITE SAME', cdb.writeSame10({ blocks: 1 })],
  ['UNMAP', cdb.unmap({ listLength: 24 })],
  ['MODE SELECT', cdb.modeSelect6({ listLength: 24 })],
])('%s does not take room for Data-In as Data-Out', async (_name, bytes) => {
  const { send, memory } = await disk()
  expect(await send(bytes, { dataIn: 1024 })).toMatchObject({ key: 5, asc: 0x2400 })
  expect(memory.every((b) => b === 0)).toBe(true)
})
