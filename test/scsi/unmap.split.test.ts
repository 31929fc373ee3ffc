import fc from 'fast-check'
import { Status } from '@tcmu/host/scsi'
import { expectGood, expectWriteError } from '@tcmu/host/testing'
import { BLOCK, disk, pattern, zeroes } from './harness'

type Range = { offset: number; length: number }
const recorder = (answer: (n: number) => number = () => Status.OK) => {
  const calls: Range[] = []
  return { calls, handler: { unmap: (_ram: Uint8Array, { offset, length }: Range) => { calls.push({ offset: offset / BLOCK, length: length / BLOCK }); return answer(calls.length) } } }
}
const declare = { unmapGranularityBlocks: 8, maxUnmapBlocks: 32 } as const

test.each([
  ['aligned', 8, 24, [[8, 24]]], ['unaligned at both ends', 5, 20, [[5, 20]]], ['as long as may be', 0, 32, [[0, 32]]],
  ['as long as may be, unaligned', 3, 32, [[3, 29], [32, 3]]],
])('UNMAP, %s', async (_what, lba, blocks, pieces) => {
  const { calls, handler } = recorder()
  const { initiator } = await disk({ declare, handler })
  expectGood(await initiator.unmap([{ lba, blocks }]))
  expect(calls).toEqual(pieces.map(([offset, length]) => ({ offset, length })))
})

test('property: pieces cover the range once, are as long as allowed, and meet on the granularity', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(900), fc.integer({ min: 1, max: 900 }), fc.constantFrom(1, 4, 8, 7), fc.integer({ min: 1, max: 64 }), async (lba, blocks, granularity, most) => {
    const { calls, handler } = recorder()
    const { initiator } = await disk({ declare: { unmapGranularityBlocks: granularity, maxUnmapBlocks: most }, handler: { ...handler, writeSame: () => Status.OK } })
    // WRITE SAME goes through the same pieces, and is not bound by MAXIMUM UNMAP LBA COUNT.
    expectGood(await initiator.writeSame({ lba, blocks }, zeroes(), { unmap: 1 }))
    let next = calls[0]?.offset ?? 0
    for (const { offset, length } of calls) {
      expect(offset).toBe(next)
      expect(offset % granularity).toBe(0)
      expect(length).toBeLessThanOrEqual(Math.max(most, granularity))
      next = offset + length
    }
    if (calls.length) expect([calls[0].offset - lba < granularity, lba + blocks - next < granularity]).toEqual([true, true])
  }), { numRuns: 200 })
})

test('the first piece that fails ends it', async () => {
  const { calls, handler } = recorder((n) => (n === 2 ? Status.WR_ERR : Status.OK))
  const { initiator } = await disk({ declare, handler })
  expectWriteError(await initiator.unmap([{ lba: 3, blocks: 20 }, { lba: 40, blocks: 4 }, { lba: 60, blocks: 1 }]))
  expect(calls).toHaveLength(2)
})

test('WRITE SAME with UNMAP of zeroes keeps what lies beside whole granules', async () => {
  const { initiator, memory } = await disk({ declare })
  memory.set(pattern(64))
  expectGood(await initiator.writeSame({ lba: 3, blocks: 50 }, zeroes(), { unmap: 1 }))
  expect(Buffer.from(memory.subarray(0, 64 * BLOCK)).equals(Buffer.concat([pattern(3), zeroes(50), pattern(11, 54)]))).toBe(true)
})
