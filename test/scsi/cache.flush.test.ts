import { cdb, expectGood, expectLbaOutOfRange, expectWriteError } from '@tcmu/host/testing'
import { BLOCKS, disk } from './harness'

const synchronize = [cdb.synchronizeCache10, cdb.synchronizeCache16]
const preFetch = (bytes: number, lba: number, blocks: number) => {
  const b = Buffer.alloc(bytes)
  b[0] = bytes === 10 ? 0x34 : 0x90
  if (bytes === 10) {
    b.writeUInt32BE(lba, 2)
    b.writeUInt16BE(blocks, 7)
  } else {
    b.writeUInt32BE(lba, 6)
    b.writeUInt32BE(blocks, 10)
  }
  return b
}

describe.each([0, 1])('SYNCHRONIZE CACHE (%#)', (which) => {
  const bytes = synchronize[which]

  test('flushes once, IMMED or not, and waits for it', async () => {
    const events: string[] = []
    const { initiator } = await disk({
      handler: {
        flush: async () => {
          await new Promise((r) => setImmediate(r))
          events.push('flushed')
        },
      },
    })
    for (const immed of [0, 1]) {
      expectGood(await initiator.send(bytes({ immed }), {}))
      events.push('answered')
    }
    expect(events).toEqual(['flushed', 'answered', 'flushed', 'answered'])
  })

  test('is GOOD for a handler without flush', async () => {
    expectGood(await (await disk({ handler: { flush: undefined } })).initiator.send(bytes(), {}))
  })

  test('a range beyond the last block is out of range', async () => {
    const { initiator } = await disk()
    expectLbaOutOfRange(await initiator.send(bytes({ lba: BLOCKS, blocks: 1 }), {}))
    expectLbaOutOfRange(await initiator.send(bytes({ lba: 1, blocks: BLOCKS }), {}))
    expectGood(await initiator.send(bytes({ lba: BLOCKS - 1, blocks: 1 }), {}))
  })

  test('an error of the backend is told', async () => {
    const { initiator } = await disk({ handler: { flush: () => Promise.reject(Object.assign(new Error('no'), { code: 'EIO' })) } })
    expectWriteError(await initiator.send(bytes(), {}))
  })
})

test.each([10, 16])('PRE-FETCH(%i) checks the range and is GOOD: not all of it is cached', async (size) => {
  const { initiator } = await disk()
  expectGood(await initiator.send(preFetch(size, 0, 1), {}))
  expectGood(await initiator.send(preFetch(size, BLOCKS - 1, 0), {}))
  expectLbaOutOfRange(await initiator.send(preFetch(size, BLOCKS, 1), {}))
  expectLbaOutOfRange(await initiator.send(preFetch(size, BLOCKS - 1, 2), {}))
})
