import { CmdResponse, EntryHeader, Mailbox, MailboxFlag, Op, UserFlag } from '../ring/abi'
import { sam } from '../scsi'
import { FakeKernel, type KernelAnswer } from './fake-kernel'

const tur = new Uint8Array(6)
const at = Mailbox.size

/** A user space of a few bytes: answer the oldest entry with this id and move the tail. */
function answer(kernel: FakeKernel, id: number, change: { uflags?: number; status?: number; readLen?: number } = {}): void {
  const { tail } = kernel.positions
  const { lenOp } = EntryHeader.decode(kernel.bytes, at + tail)
  const size = Mailbox.decode(kernel.bytes).cmdrSize
  CmdResponse.encode({ scsiStatus: change.status ?? 0, readLen: change.readLen ?? 0 }, kernel.bytes, at + tail)
  EntryHeader.encode({ lenOp, cmdId: id, uflags: change.uflags ?? 0 }, kernel.bytes, at + tail)
  setTail(kernel, (tail + (lenOp & ~7)) % size)
}
const setTail = (kernel: FakeKernel, tail: number): void => void Atomics.store(new Uint32Array(kernel.memory), Mailbox.at.cmdTail >> 2, tail)
const brief = (a: KernelAnswer): [number, number, number] => [a.id, a.status, a.data.length]

test('answers are matched by id, not by place', () => {
  const kernel = new FakeKernel()
  const ids = [kernel.queue(tur), kernel.queue(tur)]
  answer(kernel, ids[1])
  answer(kernel, ids[0], { status: sam.BUSY })
  expect(kernel.reap().map(brief)).toEqual([[2, 0, 0], [1, sam.BUSY, 0]])
  kernel.assertIdle()
})

test.each([['an id that was never given', 77], ['an id that was answered', 1]])('%s breaks the ring until it is reset', (_what, id) => {
  const kernel = new FakeKernel()
  kernel.queue(tur)
  kernel.queue(tur)
  answer(kernel, 1)
  answer(kernel, id)
  expect(kernel.reap().map(brief)).toEqual([[1, 0, 0]])
  expect(kernel.violations).toEqual([`completion of command ${id}, which is unknown`])
  kernel.queue(tur)
  expect(kernel.reap()).toMatchObject([{ status: sam.CHECK_CONDITION, sense: expect.objectContaining({ 2: 2, 12: 8 }) }])
  kernel.reset('fail')
  expect(kernel.reap()).toMatchObject([{ id: 2, status: sam.CHECK_CONDITION }])
  expect([kernel.broken, kernel.positions]).toEqual([false, { head: 0, tail: 0 }])
  expect(() => kernel.assertIdle()).toThrow(`the kernel objects:\n  completion of command ${id}`)
})

test('commands wait for room in the ring and in the data area, in order', () => {
  const kernel = new FakeKernel({ ringBytes: 2048, dataBytes: 8192 })
  const ids = [8000, 100, 0].map((dataIn) => kernel.queue(tur, { dataIn }))
  const { head } = kernel.positions
  answer(kernel, ids[0])
  expect(kernel.positions.head).toBe(head)
  kernel.kick()
  expect(kernel.positions.head).not.toBe(head)
  answer(kernel, ids[1])
  answer(kernel, ids[2])
  expect(kernel.reap().map((a) => a.id)).toEqual(ids)
  kernel.assertIdle()
})

test('without queueing, no room is TASK SET FULL', () => {
  const kernel = new FakeKernel({ ringBytes: 512, whenFull: 'fail' })
  for (let i = 0; i < 4; i++) kernel.queue(tur)
  expect(kernel.reap().map((a) => a.status)).toEqual([sam.TASK_SET_FULL])
})

test('what can never fit is an illegal request', () => {
  const kernel = new FakeKernel({ ringBytes: 512, dataBytes: 8192 })
  kernel.queue(tur, { dataIn: 8193 })
  kernel.queue(new Uint8Array(200))
  expect(kernel.reap().map((a) => [a.status, a.sense![12]])).toEqual([[2, 0x24], [2, 0x24]])
})

test('the end of the ring is padded, and one byte stays free', () => {
  const kernel = new FakeKernel({ ringBytes: 128 + 400 })
  const heads: number[] = []
  for (let i = 0; i < 4; i++) {
    kernel.queue(tur)
    heads.push(kernel.positions.head)
    if (i > 0) answer(kernel, kernel.outstanding > 1 ? 1 + ((i + 1) % 2) : 1)
    kernel.kick()
  }
  expect(heads.slice(0, 3)).toEqual([120, 240, 360])
  expect(EntryHeader.decode(kernel.bytes, at + 360).lenOp).toBe(40 | Op.PAD)
})

test('READ_LEN cuts Data-In, also beside CHECK CONDITION; without it an error has no data', () => {
  const kernel = new FakeKernel()
  const cases = [
    { uflags: UserFlag.READ_LEN, readLen: 7 },
    { uflags: UserFlag.READ_LEN, readLen: 7, status: 2 },
    { uflags: UserFlag.READ_LEN, readLen: 700 },
    { uflags: UserFlag.READ_LEN, readLen: 0 },
    { readLen: 7 },
    { status: 2 },
    { uflags: UserFlag.UNKNOWN_OP },
  ]
  const lengths = cases.map((c) => {
    answer(kernel, kernel.queue(tur, { dataIn: 100 }), c)
    return kernel.reap()[0].data.length
  })
  expect(lengths).toEqual([7, 7, 100, 100, 100, 0, 0])
})

test('a kept buffer holds its id until it is freed', () => {
  const kernel = new FakeKernel()
  const id = kernel.queue(tur, { dataOut: Uint8Array.of(1) })
  answer(kernel, id, { uflags: UserFlag.KEEP_BUF })
  expect(kernel.reap()).toHaveLength(1)
  expect(kernel.queue(tur)).not.toBe(id)
  expect(() => kernel.assertIdle()).toThrow('data blocks are in use')
  kernel.freeKeptBuffer(id)
  expect(() => kernel.freeKeptBuffer(id)).toThrow('EINVAL')
  expect(kernel.queue(tur)).toBe(id)
})

test('a blocked device is BUSY, and so is what waited', () => {
  const kernel = new FakeKernel({ ringBytes: 512 })
  for (let i = 0; i < 4; i++) kernel.queue(tur)
  kernel.block(true)
  kernel.queue(tur)
  expect(kernel.reap().map((a) => a.status)).toEqual([sam.BUSY, sam.BUSY])
  answer(kernel, 1)
  expect(kernel.reap().map(brief)).toEqual([[1, 0, 0]])
  kernel.block(false)
  kernel.queue(tur)
  expect(kernel.reap()).toEqual([])
})

test('buffers come in pieces, and memory of nobody is poisoned and watched', () => {
  const kernel = new FakeKernel({ seed: 3 })
  const id = kernel.queue(tur, { dataIn: 40000 })
  expect(kernel.bytes[at + 8]).toBeGreaterThan(1)
  answer(kernel, id)
  expect(kernel.reap()[0].data.every((b) => b === 0xdb)).toBe(true)
  kernel.assertIdle()
  kernel.bytes[5000] = 1
  expect(() => kernel.assertIdle()).toThrow('data block 4096 was written while it belonged to no command')
})

test.each([
  ['byte 200 of the command ring was written', (k: FakeKernel) => void (k.bytes[200] = 1)],
  ['the kernel\'s part of the mailbox was written', (k: FakeKernel) => void (k.bytes[Mailbox.at.cmdHead] = 8)],
  ['tail 8 is not where an entry ends', (k: FakeKernel) => setTail(k, 8)],
])('objects: %s', (what, spoil) => {
  const kernel = new FakeKernel()
  spoil(kernel)
  expect(() => kernel.assertIdle()).toThrow(what)
})

test.each([
  ['len_op of the entry at 0 was changed', (b: Uint8Array) => void (b[at + 1] = 1)],
  ['kflags of the entry at 0 were changed', (b: Uint8Array) => void (b[at + 6] = 1)],
  ['reserved bytes of the response to command 1 are not zero', (b: Uint8Array) => void (b[at + 9] = 1)],
])('objects to an answer: %s', (what, spoil) => {
  const kernel = new FakeKernel()
  answer(kernel, kernel.queue(tur))
  spoil(kernel.bytes)
  expect(() => kernel.assertIdle()).toThrow(what)
})

test('objects to an unknown entry that was not marked', () => {
  const kernel = new FakeKernel()
  kernel.strange(7, 16)
  setTail(kernel, 16)
  expect(() => kernel.assertIdle()).toThrow('the unknown entry at 0 is not marked')
})

test('task management is not announced to a user space that was not told of it', () => {
  const kernel = new FakeKernel({ flags: MailboxFlag.OOOC })
  const id = kernel.queue(tur)
  const { head } = kernel.positions
  kernel.tmr(1, [id])
  expect(kernel.positions.head).toBe(head)
  answer(kernel, id)
  expect(kernel.reap()).toMatchObject([{ status: sam.TASK_ABORTED, aborted: true }])
})
