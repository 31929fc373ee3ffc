import { Segments } from '@tcmu/host/scsi'
import { expectData, expectGood, InitiatorTask } from '@tcmu/host/testing'
import { BLOCK, blocksOf, disk, pattern, reads, sizes, writes, zeroes } from './harness'

test.each(sizes)('WRITE(%i) puts down what READ finds there', async (size) => {
  const { initiator, other, memory } = await disk()
  const data = pattern(5)
  expectGood(await initiator.send(writes[size]({ lba: 1000, blocks: 5 }), { dataOut: data }))
  expect(blocksOf(memory, 999, 7)).toEqual(Buffer.concat([zeroes(), data, zeroes()]))
  expectData(await other.send(reads[size]({ lba: 1000, blocks: 5 }), { dataIn: 5 * BLOCK }), data)
})

test('READ(6) and WRITE(6) of 0 blocks are of 256', async () => {
  const { initiator, memory } = await disk()
  const data = pattern(256)
  expectGood(await initiator.send(writes[6]({ lba: 3, blocks: 0 }), { dataOut: data }))
  expect(blocksOf(memory, 3, 256)).toEqual(data)
  expectData(await initiator.send(reads[6]({ lba: 3, blocks: 0 }), { dataIn: data.length }), data)
})

test.each([10, 12, 16] as const)('READ(%i) and WRITE of 0 blocks move nothing', async (size) => {
  const { send } = await disk()
  expect(await send(reads[size]({ lba: 0, blocks: 0 }))).toMatchObject({ status: 0, transferLength: 0 })
  expect(await send(writes[size]({ lba: 2047, blocks: 0 }))).toMatchObject({ status: 0, transferLength: 0 })
})

test('a handler that promises is waited for', async () => {
  const later = () => new Promise((r) => setImmediate(r))
  const { initiator, memory } = await disk({
    handler: {
      read: async (ram: Uint8Array, io: { data: { set(b: Uint8Array): void }; offset: number; length: number }) => {
        await later()
        io.data.set(ram.subarray(io.offset, io.offset + io.length))
      },
    },
  })
  memory.set(pattern(2), BLOCK)
  expectData(await initiator.read({ lba: 1, blocks: 2 }), pattern(2))
})

test('a handler that answers at once costs no turn of the event loop', async () => {
  const { device } = await disk()
  const order: string[] = []
  const nexus = { name: 'x' }
  for (const [bytes, data] of [[writes[10]({ blocks: 1 }), pattern(1)], [reads[10]({ blocks: 1 }), zeroes()]] as const) {
    const task = new InitiatorTask(nexus, bytes, () => order.push('finished'))
    task.data = Segments.of(data)
    task.expected = data.length
    device.execute(task)
    order.push('executed')
  }
  expect(order).toEqual(['finished', 'executed', 'finished', 'executed'])
})
