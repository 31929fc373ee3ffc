import { cdb } from '@tcmu/host/scsi'
import { expectGood, expectInvalidField } from '@tcmu/host/testing'
import { BLOCK, blocksOf, disk, pattern, zeroes } from './harness'

const orWrite = (fields: object) => cdb.Rw16.encode({ op: 0x8b, ...fields })

test('the medium gets what is there OR what comes', async () => {
  const { initiator, other, memory } = await disk({ sizeBytes: 3000 * BLOCK })
  memory.fill(0x0f)
  expectGood(await initiator.send(orWrite({ lba: 1, blocks: 2 }), { dataOut: Buffer.alloc(2 * BLOCK, 0xa0) }))
  expect(blocksOf(memory, 0, 4)).toEqual(Buffer.concat([Buffer.alloc(BLOCK, 0x0f), Buffer.alloc(2 * BLOCK, 0xaf), Buffer.alloc(BLOCK, 0x0f)]))
  memory.fill(0)
  const data = pattern(2900)
  expectGood(await other.send(orWrite({ lba: 5, blocks: 2900 }), { dataOut: data }))
  expect(blocksOf(memory, 5, 2900)).toEqual(data)
})

test('concurrent ones lose no bit', async () => {
  const { initiator, other, memory } = await disk({
    handler: {
      read: async (ram: Uint8Array, io: { offset: number; length: number; data: { set(b: Uint8Array): void } }) => {
        const found = Uint8Array.from(ram.subarray(io.offset, io.offset + io.length))
        await new Promise((r) => setImmediate(r))
        io.data.set(found)
      },
    },
  })
  const all = Array.from({ length: 8 }, (_, i) => (i % 2 ? initiator : other).send(orWrite({ blocks: 1 }), { dataOut: Buffer.alloc(BLOCK, 1 << i) }))
  for (const answer of await Promise.all(all)) expectGood(answer)
  expect(blocksOf(memory, 0)).toEqual(Buffer.alloc(BLOCK, 0xff))
})

test('FUA flushes, WRPROTECT is refused, data cut short is written in whole blocks', async () => {
  let flushes = 0
  const { initiator, send, memory } = await disk({ handler: { flush: () => void flushes++ } })
  expectGood(await initiator.send(orWrite({ blocks: 1, fua: 1 }), { dataOut: pattern(1) }))
  expect(flushes).toBe(1)
  expectInvalidField(await initiator.send(orWrite({ blocks: 1, protect: 1 }), { dataOut: pattern(1) }))
  expect(await send(orWrite({ lba: 4, blocks: 2 }), { dataOut: pattern(2).subarray(0, BLOCK + 5) })).toMatchObject({ status: 0, transferLength: 2 * BLOCK })
  expect(blocksOf(memory, 4, 2)).toEqual(Buffer.concat([pattern(1), zeroes()]))
})
