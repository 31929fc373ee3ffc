import { expectGood } from '@tcmu/host/testing'
import { BLOCK, disk, pattern, writes } from './harness'

async function withEvents(fua: 'native' | 'emulate' | undefined, writeCache = true, flush: unknown = undefined) {
  const events: string[] = []
  const d = await disk({
    declare: { writeCache },
    handler: {
      write: (ram: Uint8Array, io: { fua: boolean; offset: number; length: number; data: { copyTo(b: Uint8Array): void } }) => {
        events.push(io.fua ? 'write fua' : 'write')
        io.data.copyTo(ram.subarray(io.offset, io.offset + io.length))
      },
      flush: flush ?? (() => void events.push('flush')),
      ...(fua && { fua }),
    },
  })
  return { ...d, events }
}

test.each([10, 12, 16] as const)('WRITE(%i) with FUA is flushed by the host', async (size) => {
  const { initiator, events } = await withEvents('emulate')
  expectGood(await initiator.send(writes[size]({ blocks: 1, fua: 1 }), { dataOut: pattern(1) }))
  expect(events).toEqual(['write', 'flush'])
  expectGood(await initiator.send(writes[size]({ blocks: 1, dpo: 1 }), { dataOut: pattern(1) }))
  expect(events).toEqual(['write', 'flush', 'write'])
})

test('a handler that declares fua is asked for it, and not for a flush', async () => {
  const { initiator, events } = await withEvents('native')
  expectGood(await initiator.write(0, pattern(1), { fua: 1 }))
  expectGood(await initiator.write(0, pattern(1)))
  expect(events).toEqual(['write fua', 'write'])
})

test('without a write cache FUA costs nothing', async () => {
  const { initiator, events } = await withEvents('emulate', false)
  expectGood(await initiator.write(0, pattern(1), { fua: 1 }))
  expect(events).toEqual(['write'])
})

test('a flush that fails fails the write', async () => {
  const { send } = await withEvents('emulate', true, () => {
    throw Object.assign(new Error('no'), { code: 'EIO' })
  })
  expect(await send(writes[10]({ blocks: 1, fua: 1 }), { dataOut: pattern(1) })).toMatchObject({ key: 3, asc: 0x0c00 })
})

test('data cut short is flushed too', async () => {
  const { send, events } = await withEvents('emulate')
  await send(writes[10]({ blocks: 2, fua: 1 }), { dataOut: Buffer.alloc(BLOCK) })
  expect(events).toEqual(['write', 'flush'])
})
