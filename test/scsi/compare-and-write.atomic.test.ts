import { Status } from '@tcmu/host/scsi'
import { cdb, expectGood, expectInvalidField, expectLbaOutOfRange, expectMiscompare, expectReadError, faulty, ramHandler } from '@tcmu/host/testing'
import { BLOCK, BLOCKS, blocksOf, disk, fieldOf, informationOf, pattern, zeroes } from './harness'

type Io = { offset: number; length: number; fua: boolean; data: { length: number; toBuffer(): Buffer; set(b: Uint8Array): void; copyTo(b: Uint8Array): void } }
const both = (expected: Buffer, wanted: Buffer) => Buffer.concat([expected, wanted])
const native = (answer?: number) => ({
  compareAndWrite: (ram: Uint8Array, io: Io) => {
    if (answer !== undefined) return answer
    const data = io.data.toBuffer()
    const there = ram.subarray(io.offset, io.offset + io.length)
    if (Buffer.compare(there, data.subarray(0, io.length)) !== 0) return Status.MISCOMPARE
    there.set(data.subarray(io.length))
    return Status.OK
  },
})

describe.each([
  ['emulated', {}],
  ['by the handler', native()],
  ['declined by the handler', native(Status.NOT_HANDLED)],
])('%s', (_how, handler) => {
  test('writes where it finds what it expects', async () => {
    const { initiator, other, memory } = await disk({ handler })
    memory.set(pattern(3), 7 * BLOCK)
    expectGood(await initiator.compareAndWrite(7, both(pattern(3), pattern(3, 50))))
    expect(blocksOf(memory, 6, 5)).toEqual(Buffer.concat([zeroes(), pattern(3, 50), zeroes()]))
    expectGood(await other.compareAndWrite(7, both(pattern(3, 50), pattern(3))))
    expect(blocksOf(memory, 7, 3)).toEqual(pattern(3))
  })

  test('writes nothing where it does not, and says where', async () => {
    const { initiator, memory } = await disk({ handler })
    memory.set(pattern(3))
    const expected = pattern(3)
    expected[2 * BLOCK + 485] ^= 1
    const refused = expectMiscompare(await initiator.compareAndWrite(0, both(expected, pattern(3, 50))))
    expect(informationOf(refused.sense)).toBe(2 * BLOCK + 485)
    expect(blocksOf(memory, 0, 3)).toEqual(pattern(3))
  })

  test.each([BLOCK, 2 * BLOCK - 1, 3 * BLOCK, 4 * BLOCK])('Data-Out of %i bytes for one block is refused', async (sent) => {
    const { send, memory } = await disk({ handler })
    expect(await send(cdb.compareAndWrite({ blocks: 1 }), { dataOut: Buffer.alloc(sent) })).toMatchObject({ key: 5, asc: 0x2400 })
    expect(memory.every((b) => b === 0)).toBe(true)
  })
})

test('0 blocks are GOOD, unless Data-Out shows that the count has overflowed', async () => {
  const { send } = await disk()
  expect(await send(cdb.compareAndWrite({ blocks: 0, dpo: 1, fua: 1 }), { dataOut: zeroes() })).toMatchObject({ status: 0, transferLength: 0 })
  expect(await send(cdb.compareAndWrite({ blocks: 0 }))).toMatchObject({ status: 0, transferLength: 0 })
  expect(await send(cdb.compareAndWrite({ blocks: 0 }), { dataOut: zeroes(512) })).toMatchObject({ key: 5, asc: 0x2400 })
})

test('limits and protection', async () => {
  const { initiator, device } = await disk()
  const most = device.limits.maxCompareAndWrite
  expectGood(await initiator.compareAndWrite(0, both(zeroes(most), zeroes(most))))
  const refused = expectInvalidField(await initiator.compareAndWrite(0, both(zeroes(most + 1), zeroes(most + 1))))
  expect(fieldOf(refused.sense)).toEqual({ byte: 13, bit: -1, inCdb: true })
  expectInvalidField(await initiator.send(cdb.compareAndWrite({ blocks: 1, protect: 2 }), { dataOut: zeroes(2) }))
  expectLbaOutOfRange(await initiator.compareAndWrite(BLOCKS, both(zeroes(), zeroes())))
})

test('FUA flushes what was written', async () => {
  const events: string[] = []
  const { send } = await disk({ handler: { write: () => void events.push('write'), flush: () => void events.push('flush') } })
  expect(await send(cdb.compareAndWrite({ blocks: 1, fua: 1 }), { dataOut: zeroes(2) })).toMatchObject({ status: 0 })
  expect(events).toEqual(['write', 'flush'])
})

test('an error of the read is told and nothing is written', async () => {
  const { initiator, memory } = await disk({ handler: faulty(ramHandler, { operation: 'read', error: Status.RD_ERR }) as never })
  expectReadError(await initiator.compareAndWrite(0, both(zeroes(), pattern(1))))
  expect(memory.every((b) => b === 0)).toBe(true)
})

test('plain writes and other compare-and-writes cannot come between', async () => {
  const pause = () => new Promise((r) => setTimeout(r, 1))
  const { initiator, other, memory } = await disk({
    handler: {
      read: async (ram: Uint8Array, io: Io) => {
        const found = Uint8Array.from(ram.subarray(io.offset, io.offset + io.length))
        await pause()
        io.data.set(found)
      },
    },
  })
  // Each of 20 contenders adds 1 to a counter by compare and write; a lost update would leave it short.
  const add = async (i: typeof initiator) => {
    for (;;) {
      const now = Buffer.from((await i.read({ lba: 0, blocks: 1 })).data)
      const next = Buffer.from(now)
      next.writeUInt32BE(now.readUInt32BE(0) + 1, 0)
      const answer = await i.compareAndWrite(0, both(now, next))
      if (answer.status === 0) return
      expectMiscompare(answer)
    }
  }
  await Promise.all(Array.from({ length: 20 }, (_, i) => add(i % 2 ? initiator : other)))
  expect(Buffer.from(memory).readUInt32BE(0)).toBe(20)

  const racing = Promise.all([initiator.compareAndWrite(0, both(blocksOf(memory, 0), pattern(1, 3))), other.write(0, pattern(1, 9))])
  expect((await racing).map((a) => a.status)).toEqual([0, 0])
  expect(blocksOf(memory, 0)).toEqual(pattern(1, 9))
})
