import { FakeKernel } from '../testing/fake-kernel'
import { CmdRequest, EntryHeader, Iovec, Mailbox, MailboxFlag, Op, TmrType } from './abi'
import type { MalformedEntry } from './command'
import { Ring } from './ring'

const tur = Uint8Array.of(0, 0, 0, 0, 0, 0)
const read10 = Uint8Array.of(0x28, 0, 0, 0, 0, 7, 0, 0, 1, 0)

interface Bench {
  kernel: FakeKernel
  ring: Ring
  aborted: number[]
  malformed: MalformedEntry[]
}
function bench(): Bench {
  const kernel = new FakeKernel()
  const aborted: number[] = []
  const malformed: MalformedEntry[] = []
  const ring: Ring = new Ring(kernel.memory, {
    nexus: { name: 'ring under test' },
    finished: (c) => ring.complete(c),
    aborted: (type) => void aborted.push(type),
    malformed: (f) => void malformed.push(f),
  })
  return { kernel, ring, aborted, malformed }
}

describe('a mailbox that cannot be served', () => {
  const good = { version: 2, flags: MailboxFlag.OOOC, cmdrOff: 128, cmdrSize: 3968, cmdHead: 0, cmdTail: 0 }
  test.each([
    ['mailbox version 1, wanted 2', { version: 1 }],
    ['mailbox version 512', { version: 512 }],
    ['the kernel cannot take completions out of order', { flags: MailboxFlag.READ_LEN }],
    ['command ring at 120', { cmdrOff: 120 }],
    ['command ring at 132', { cmdrOff: 132 }],
    ['command ring of 0 bytes', { cmdrSize: 0 }],
    ['command ring of 12 bytes', { cmdrSize: 12 }],
    ['command ring ends at 4104, the mapping at 4096', { cmdrSize: 3976 }],
    ['tail 3968 in a ring of 3968 bytes', { cmdTail: 3968 }],
    ['tail 4 in a ring of 3968 bytes', { cmdTail: 4 }],
  ])('%s', (reason, change) => {
    const bytes = Mailbox.encode({ ...good, ...change }, new Uint8Array(4096))
    expect(() => new Ring(bytes.buffer as ArrayBuffer, { nexus: { name: 'uio7' }, finished: () => {} })).toThrow(
      expect.objectContaining({ code: 'E_RING_MAILBOX', message: expect.stringContaining(`uio7: the shared memory is no TCMU ring: ${reason}`) }),
    )
  })
  test('less than a mailbox', () => {
    expect(() => new Ring(new ArrayBuffer(127), { nexus: { name: 'x' }, finished: () => {} })).toThrow('127 bytes are less than a mailbox')
  })
})

/** One command in the ring, its entry at 128 (112 bytes, then the CDB) changed by `spoil`. */
function spoiled(spoil: (bytes: Uint8Array) => void, transfer = { dataIn: 512 }): Bench {
  const b = bench()
  b.kernel.queue(read10, transfer)
  spoil(b.kernel.bytes)
  return b
}
const iov = Mailbox.size + CmdRequest.size

describe('a command that points astray is answered with an error', () => {
  const u32 = (at: number, value: number) => (b: Uint8Array) => void new DataView(b.buffer).setUint32(at, value, true)
  const request = (at: number) => Mailbox.size + at
  test.each([
    ['an iovec outside the data area', u32(iov + Iovec.at.base, 100)],
    ['an iovec outside the data area', u32(iov + Iovec.at.base + 4, 1)],
    ['an iovec outside the data area', u32(iov + Iovec.at.length, 1 << 21)],
    ['an iovec outside the data area', u32(iov + Iovec.at.length + 4, 0xffffffff)],
    ['1 + 4294967295 iovecs in an entry of 128 bytes', u32(request(CmdRequest.at.iovBidiCnt), 0xffffffff)],
    ['6 + 0 iovecs in an entry of 128 bytes', u32(request(CmdRequest.at.iovCnt), 6)],
    ['a CDB at 0, outside its entry', u32(request(CmdRequest.at.cdbOff), 0)],
    ['a CDB at 4294967536, outside its entry', u32(request(CmdRequest.at.cdbOff + 4), 1)],
    ['a CDB at 256, outside its entry', u32(request(CmdRequest.at.cdbOff), 256)],
    ['a CDB longer than its entry', u32(request(CmdRequest.at.cdbOff), 252)],
    ['a CDB longer than its entry', (b: Uint8Array) => void b.set([0x7f, 0, 0, 0, 0, 0, 0, 9], Mailbox.size + 112)],
  ])('%s', (reason, spoil) => {
    const { ring, kernel, malformed } = spoiled(spoil)
    expect(ring.next()).toBeUndefined()
    expect(malformed).toEqual([{ position: 0, id: 1, reason }])
    expect([ring.inFlight, ring.publish()]).toEqual([0, true])
    expect(kernel.reap()).toMatchObject([{ status: 2, data: new Uint8Array(0), residual: 512 }])
    kernel.queue(tur)
    expect(ring.next()).toBeDefined()
  })
})

describe('an entry that makes no sense breaks the ring', () => {
  test.each([
    ['at position 0: an entry of 0 bytes (operation 1) with 128 to the end', { lenOp: 0 | Op.CMD }],
    ['at position 0: an entry of 104 bytes (operation 1) with 128 to the end', { lenOp: 104 | Op.CMD }],
    ['at position 0: an entry of 136 bytes (operation 1) with 128 to the end', { lenOp: 136 | Op.CMD }],
    ['at position 0: an entry of 0 bytes (operation 0) with 128 to the end', { lenOp: 0 | Op.PAD }],
    ['at position 0: an entry of 4294967288 bytes (operation 2) with 128 to the end', { lenOp: 0xfffffff8 + Op.TMR }],
  ])('%s', (reason, header) => {
    const { ring } = spoiled((b) => void EntryHeader.encode({ cmdId: 1, ...header }, b, Mailbox.size))
    for (let i = 0; i < 2; i++) expect(() => ring.next()).toThrow(expect.objectContaining({ code: 'E_RING_BROKEN', message: expect.stringContaining(reason) }))
    expect(ring.broken?.code).toBe('E_RING_BROKEN')
    ring.reset()
    expect(ring.broken).toBeUndefined()
  })
  test('an id in flight already; what is in flight can still be answered', () => {
    const { ring, kernel } = bench()
    kernel.queue(tur)
    kernel.queue(tur)
    EntryHeader.encode({ lenOp: 120 | Op.CMD, cmdId: 1 }, kernel.bytes, Mailbox.size + 120)
    const c = ring.next()!
    expect(() => ring.next()).toThrow('at position 120: command 1 is in flight already')
    c.finish()
    ring.publish()
    expect(kernel.reap()).toMatchObject([{ id: 1, status: 0 }])
  })
  test.each([4, 3968, 0xfffffff8])('a head of %d', (head) => {
    const { ring } = spoiled((b) => void new DataView(b.buffer).setUint32(Mailbox.at.cmdHead, head, true))
    expect(() => ring.next()).toThrow(`at position 0: head ${head}, with commands in flight from 0 on, in a ring of 3968 bytes`)
  })
  test('a head that overtakes commands in flight', () => {
    const { ring, kernel } = bench()
    kernel.queue(tur)
    kernel.queue(tur)
    const [a] = [ring.next()!, ring.next()!]
    ring.complete(a)
    Atomics.store(new Uint32Array(kernel.memory), Mailbox.at.cmdHead >> 2, 128)
    expect(() => ring.next()).toThrow('head 128, with commands in flight from 120 on')
  })
})

test('a task management entry that lies about its size is passed over', () => {
  const { ring, kernel, malformed, aborted } = bench()
  kernel.tmr(TmrType.ABORT_TASK, [])
  new DataView(kernel.memory).setUint32(Mailbox.size + 12, 1, true)
  kernel.strange(Op.TMR, 8)
  expect(ring.next()).toBeUndefined()
  expect(malformed.map((m) => m.reason)).toEqual([
    'a task management entry of 32 bytes for 1 commands', 'a task management entry of 8 bytes for ? commands',
  ])
  expect(aborted).toEqual([])
  ring.publish()
  kernel.assertIdle()
})
