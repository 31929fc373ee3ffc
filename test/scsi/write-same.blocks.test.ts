import { Status } from '@tcmu/host/scsi'
import { cdb, expectGood, expectInvalidField, expectLbaOutOfRange, expectWriteError, faulty, ramHandler } from '@tcmu/host/testing'
import { BLOCK, BLOCKS, blocksOf, disk, fieldOf, pattern, zeroes } from './harness'

const commands = { 10: cdb.writeSame10, 16: cdb.writeSame16 } as const
const block = Buffer.from(Array.from({ length: BLOCK }, (_, i) => (i * 7) & 255))

describe.each([10, 16] as const)('WRITE SAME(%i)', (size) => {
  const same = commands[size]

  test('puts one block everywhere, and nowhere else', async () => {
    const { initiator, other, memory } = await disk()
    for (const i of [initiator, other]) {
      memory.fill(9)
      expectGood(await i.send(same({ lba: 5, blocks: 3 }), { dataOut: block }))
      expect(blocksOf(memory, 4, 5)).toEqual(Buffer.concat([Buffer.alloc(BLOCK, 9), block, block, block, Buffer.alloc(BLOCK, 9)]))
    }
  })

  test('a long range is written out of a buffer of 1 MiB', async () => {
    const lengths: number[] = []
    const { initiator, memory } = await disk({
      sizeBytes: 4 << 20,
      handler: {
        write: (ram: Uint8Array, io: { offset: number; length: number; data: { copyTo(b: Uint8Array): void } }) => {
          lengths.push(io.length)
          io.data.copyTo(ram.subarray(io.offset, io.offset + io.length))
        },
      },
    })
    expectGood(await initiator.send(same({ lba: 1, blocks: 5000 }), { dataOut: block }))
    expect(lengths).toEqual([1 << 20, 1 << 20, 5000 * BLOCK - (2 << 20)])
    expect(blocksOf(memory, 5000)).toEqual(block)
    expect(blocksOf(memory, 5001)).toEqual(zeroes())
  })

  test('is the handler\'s if it has one, and emulated when it declines', async () => {
    const calls: unknown[] = []
    const writeSame = (answer: number) => (_ram: Uint8Array, io: { offset: number; length: number; data: { toBuffer(): Buffer } }) => {
      calls.push([io.offset, io.length, io.data.toBuffer().equals(block)])
      return answer
    }
    const has = await disk({ handler: { writeSame: writeSame(Status.OK) } })
    expectGood(await has.initiator.send(same({ lba: 2, blocks: 4 }), { dataOut: block }))
    expect(calls).toEqual([[2 * BLOCK, 4 * BLOCK, true]])
    expect(has.memory.every((b) => b === 0)).toBe(true)
    const declines = await disk({ handler: { writeSame: writeSame(Status.NOT_HANDLED) } })
    expectGood(await declines.initiator.send(same({ lba: 2, blocks: 4 }), { dataOut: block }))
    expect(blocksOf(declines.memory, 5)).toEqual(block)
  })

  test('the first error ends it', async () => {
    const { initiator } = await disk({ handler: faulty(ramHandler, { operation: 'write', error: 'EIO', after: 1 }) as never, sizeBytes: 4 << 20 })
    expectWriteError(await initiator.send(same({ lba: 0, blocks: 5000 }), { dataOut: block }))
  })

  test.each([
    [{ blocks: 0 }, size === 10 ? 7 : 10, -1],
    [{ blocks: 1, protect: 1 }, 1, 7],
    [{ blocks: 1, relative: 1 }, 1, 2],
    [{ blocks: 1, relative: 2 }, 1, 2],
    [{ blocks: 1, anchor: 1 }, 1, 4],
    [{ blocks: 1, anchor: 1, unmap: 1 }, 1, 4],
  ])('refuses %j', async (fields, byte, bit) => {
    const { initiator } = await disk()
    expect(fieldOf(expectInvalidField(await initiator.send(same(fields), { dataOut: block })).sense)).toEqual({ byte, bit, inCdb: true })
  })

  test('beyond the last block is out of range, even for 0 blocks', async () => {
    const { initiator } = await disk()
    expectLbaOutOfRange(await initiator.send(same({ lba: BLOCKS - 1, blocks: 2 }), { dataOut: block }))
    expectLbaOutOfRange(await initiator.send(same({ lba: BLOCKS + 1, blocks: 0 }), { dataOut: block }))
  })

  test.each([0, BLOCK / 2, BLOCK - 1, BLOCK + 1, 2 * BLOCK])('Data-Out of %i bytes is refused', async (sent) => {
    const { send, memory } = await disk()
    expect(await send(same({ blocks: 1 }), { dataOut: Buffer.alloc(sent, 1) })).toMatchObject({ key: 5, asc: 0x2400 })
    expect(memory.every((b) => b === 0)).toBe(true)
  })

  describe('with UNMAP', () => {
    async function unmapping(declare = {}, answer: number = Status.OK) {
      const calls: [number, number][] = []
      const d = await disk({
        declare,
        handler: {
          unmap: (ram: Uint8Array, r: { offset: number; length: number }) => {
            calls.push([r.offset / BLOCK, r.length / BLOCK])
            if (answer === Status.OK) ram.fill(0, r.offset, r.offset + r.length)
            return answer
          },
        },
      })
      d.memory.fill(9)
      return { ...d, calls }
    }
    const unmapped = { lba: 3, blocks: 20, unmap: 1 }
    const done = Buffer.concat([Buffer.alloc(BLOCK, 9), zeroes(20), Buffer.alloc(BLOCK, 9)])

    test('and zeroes gives the range back', async () => {
      const { initiator, memory, calls } = await unmapping()
      expectGood(await initiator.send(same(unmapped), { dataOut: zeroes() }))
      expect(calls).toEqual([[3, 20]])
      expect(blocksOf(memory, 2, 22)).toEqual(done)
    })

    test('and data writes the data', async () => {
      const { initiator, memory, calls } = await unmapping()
      expectGood(await initiator.send(same(unmapped), { dataOut: block }))
      expect(calls).toEqual([])
      expect(blocksOf(memory, 22)).toEqual(block)
    })

    test('gives back what lies on the granularity and writes the rest', async () => {
      const { initiator, memory, calls } = await unmapping({ unmapGranularityBlocks: 8 })
      expectGood(await initiator.send(same(unmapped), { dataOut: zeroes() }))
      expect(calls).toEqual([[8, 8]])
      expect(blocksOf(memory, 2, 22)).toEqual(done)
      expectGood(await initiator.send(same({ lba: 1, blocks: 6, unmap: 1 }), { dataOut: zeroes() }))
      expect(calls.length).toBe(1)
      expectGood(await initiator.send(same({ lba: BLOCKS - 10, blocks: 10, unmap: 1 }), { dataOut: zeroes() }))
      expect(calls[1]).toEqual([BLOCKS - 8, 8])
      expect(blocksOf(memory, BLOCKS - 11, 11)).toEqual(Buffer.concat([Buffer.alloc(BLOCK, 9), zeroes(10)]))
    })

    test('writes zeroes where unmapped blocks may read as anything', async () => {
      const { initiator, memory, calls } = await unmapping({ unmappedReadsZero: false })
      expectGood(await initiator.send(same(unmapped), { dataOut: zeroes() }))
      expect(calls).toEqual([])
      expect(blocksOf(memory, 2, 22)).toEqual(done)
    })

    test('writes zeroes when the handler declines', async () => {
      const { initiator, memory } = await unmapping({}, Status.NOT_HANDLED)
      expectGood(await initiator.send(same(unmapped), { dataOut: zeroes() }))
      expect(blocksOf(memory, 2, 22)).toEqual(done)
    })

    test('is refused without thin provisioning', async () => {
      const { initiator } = await disk({ handler: { unmap: undefined } })
      expect(fieldOf(expectInvalidField(await initiator.send(same(unmapped), { dataOut: zeroes() })).sense)).toEqual({ byte: 1, bit: 3, inCdb: true })
    })
  })
})

test('WRITE SAME(16) with NDOB writes zeroes and takes no data', async () => {
  const { send, memory } = await disk()
  memory.set(pattern(4))
  expect(await send(cdb.writeSame16({ lba: 1, blocks: 2, ndob: 1 }))).toMatchObject({ status: 0, transferLength: 0 })
  expect(blocksOf(memory, 0, 4)).toEqual(Buffer.concat([pattern(1), zeroes(2), pattern(1, 4)]))
})

test('more than MAXIMUM WRITE SAME LENGTH is refused', async () => {
  const { initiator, device } = await disk({ sizeBytes: 40 << 20 })
  const most = device.limits.maxWriteSame
  expectGood(await initiator.send(cdb.writeSame16({ lba: 0, blocks: most }), { dataOut: block }))
  expectInvalidField(await initiator.send(cdb.writeSame16({ lba: 0, blocks: most + 1 }), { dataOut: block }))
})
