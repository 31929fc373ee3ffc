import { type BlockIo, type BlocksHandler, Status, type Task } from '../handler'
import { attach, type Attached, testDevice } from '../testing'
import { type Segments, SegmentsRevokedError } from '../wire'

/** Everything a handler can do to the data of a command through what it was given. */
const uses = (io: BlockIo, data: Segments, slice: Segments): (() => unknown)[] => [
  () => io.data.set(Buffer.alloc(1)), () => io.data.toBuffer(), () => io.data.zero(),
  () => data.set(Buffer.alloc(1)), () => data.copyTo(Buffer.alloc(1)), () => data.zero(), () => data.compare(Buffer.alloc(1)), () => data.toBuffer(), () => data.slice(0, 0),
  () => slice.set(Buffer.alloc(1)), () => slice.toBuffer(), () => slice.zero(),
]
type Kept = [BlockIo, Segments, Segments]
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function keeper(more: (io: BlockIo) => Promise<void> = () => Promise.resolve(), seen?: BlocksHandler['handleCmd']): Promise<{ kept: Kept[]; at: Attached }> {
  const kept: Kept[] = []
  const handler: BlocksHandler<Uint8Array> = {
    subtype: 'keeper',
    open: (dev) => new Uint8Array(dev.sizeBytes).fill(0x11),
    read: async (ram, io) => {
      const { data } = io
      kept.push([io, data, data.slice(0, 100)])
      await more(io)
      if (!data.revoked) data.set(ram.subarray(io.offset, io.offset + io.length))
    },
    write: () => Status.OK,
    ...(seen && { handleCmd: seen }),
  }
  return { kept, at: attach(await testDevice(handler), { ringBytes: 65_536 }) }
}

test('what a handler that answered by promise kept stays dead, however many commands come after', async () => {
  const { kept, at } = await keeper()
  for (let n = 0; n < 300; n++) {
    const { data } = await at.initiator.read({ lba: n, blocks: 1 })
    expect(data.every((b) => b === 0x11)).toBe(true)
    if (n % 20 === 0) for (const one of [kept[0]!, kept.at(-1)!]) for (const use of uses(...one)) expect(use).toThrow(SegmentsRevokedError)
  }
  // None of them serves another command, none shows another's CDB or range, and none hears of another's end.
  expect(new Set(kept.map(([io]) => io)).size).toBe(300)
  expect((kept[0]![0] as unknown as { cdb: Uint8Array }).cdb).toHaveLength(0)
  expect(Object.keys(kept[7]![0]).sort()).toEqual(['data', 'fua', 'length', 'offset'])
  expect(kept.map(([io]) => io.offset)).toEqual(Array.from({ length: 300 }, (_, n) => n * 512))
  expect(kept[7]![0].signal.aborted).toBe(true)
  await at.detach()
})

test('a handler that was asked about the command first, and kept it, finds it dead as well', async () => {
  const tasks: Task[] = []
  const { at } = await keeper(undefined, (_ram, task) => {
    tasks.push(task)
    return Status.NOT_HANDLED
  })
  for (let n = 0; n < 100; n++) await at.initiator.read({ lba: n, blocks: 1 })
  expect(new Set(tasks).size).toBe(tasks.length)
  for (const task of tasks) expect(() => task.data.zero()).toThrow(SegmentsRevokedError)
  await at.detach()
})

/** Whose callback is handed what: `open` cannot tell that a handler will answer by promise. */
const whose: [string, number][] = [['the first command', 0], ['a later command', 2]]
async function one(initiator: Attached['initiator'], go: () => void): Promise<void> {
  const asked = initiator.read({ lba: 0, blocks: 1 })
  await turn()
  go()
  await asked
}

test.each(whose)('after a time-out the memory of %s is its own until it is answered, and nobody\'s then', async (_whose, before) => {
  let go = (): void => undefined
  const { kept, at: { initiator, kernel, detach } } = await keeper(() => new Promise<void>((resolve) => (go = resolve)))
  for (let n = 0; n < before; n++) await one(initiator, () => go())
  kept.length = 0
  const asked = initiator.read({ lba: 0, blocks: 1 })
  await turn()
  kernel.expire(kernel.posted[0]!)
  expect((await asked).status).toBe(2)
  for (const use of uses(...kept[0]!)) expect(use).not.toThrow()
  go()
  await turn()
  await turn()
  for (const use of uses(...kept[0]!)) expect(use).toThrow(SegmentsRevokedError)
  await detach()
})

test.each(whose)('a ring is not given up while I/O of the host is under way in it; for handlers the data of %s is dead at once', async (_whose, before) => {
  let go = (): void => undefined
  const { kept, at: { initiator, kernel, pump, detach } } = await keeper(() => new Promise<void>((resolve) => (go = resolve)))
  for (let n = 0; n < before; n++) await one(initiator, () => go())
  kept.length = 0
  void initiator.read({ lba: 0, blocks: 1 })
  await turn()
  const [, data] = kept[0]!
  data.pinned.pins++
  kernel.block(true)
  let given = false
  const abandoned = pump.abandon().then(() => (given = true))
  for (const use of uses(...kept[0]!)) expect(use).toThrow(SegmentsRevokedError)
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(given).toBe(false)
  // The handler ends first: even so the memory is not free, since the I/O is not over.
  go()
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(given).toBe(false)
  data.pinned.pins--
  await abandoned
  kernel.reset()
  kernel.block(false)
  pump.start()
  const again = initiator.read({ lba: 0, blocks: 1 })
  await turn()
  go()
  expect((await again).status).toBe(0)
  for (const use of uses(...kept[0]!)) expect(use).toThrow(SegmentsRevokedError)
  await detach()
})
