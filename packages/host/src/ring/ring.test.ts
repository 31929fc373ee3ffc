import { FakeKernel, type FakeKernelOptions } from '../testing/fake-kernel'
import { command, type CommandRow } from '../scsi/command-table'
import { layout, SegmentsRevokedError, u8 } from '../wire'
import { MailboxFlag, TmrType } from './abi'
import type { Command, MalformedEntry } from './command'
import { Ring } from './ring'

const tur = Uint8Array.of(0, 0, 0, 0, 0, 0)
const read10 = Uint8Array.of(0x28, 0, 0, 0, 0, 7, 0, 0, 1, 0)
const write10 = Uint8Array.of(0x2a, 0, 0, 0, 0, 7, 0, 0, 1, 0)

interface Bench {
  kernel: FakeKernel
  ring: Ring
  aborted: { type: number; ids: number[] }[]
  malformed: MalformedEntry[]
  /** Complete and publish. */
  answer: (c: Command, result?: Partial<Pick<Command, 'status' | 'dataInLength'>>) => void
}
function bench(options: FakeKernelOptions = {}): Bench {
  const kernel = new FakeKernel(options)
  const aborted: Bench['aborted'] = []
  const malformed: MalformedEntry[] = []
  const ring: Ring = new Ring(kernel.memory, {
    nexus: { name: 'ring under test' },
    finished: (c) => ring.complete(c),
    aborted: (type, commands) => void aborted.push({ type, ids: commands.map((c) => c.id) }),
    malformed: (f) => void malformed.push(f),
  })
  const answer: Bench['answer'] = (c, result = {}) => {
    Object.assign(c, result)
    c.finish()
    ring.publish()
  }
  return { kernel, ring, aborted, malformed, answer }
}
const row = (dataDirection: CommandRow['dataDirection']): CommandRow =>
  command({ op: 0, name: 'X', cdb: layout('x', { op: u8 }), access: 'none', dataDirection, run: () => 0 })

test('a command is taken whole and its answer arrives', () => {
  const { kernel, ring } = bench()
  const id = kernel.queue(write10, { dataOut: new Uint8Array(9000).fill(5) })
  const c = ring.next()!
  expect([c.id, c.cdbLength, c.expected, c.nexus.name, ring.inFlight]).toEqual([id, 10, 9000, 'ring under test', 1])
  expect(c.cdb.subarray(0, 10)).toEqual(write10)
  expect(c.data.toBuffer()).toEqual(Buffer.alloc(9000, 5))
  expect(c.data.count).toBeGreaterThan(1)
  expect(ring.next()).toBeUndefined()
  expect(ring.publish()).toBe(false)
  c.finish()
  expect([ring.inFlight, ring.publish(), ring.publish()]).toEqual([0, true, false])
  expect(kernel.reap()).toMatchObject([{ id, status: 0, sense: null }])
  kernel.assertIdle()
})

test('answers may come in any order, over many laps of the ring', () => {
  const { kernel, ring, answer } = bench()
  for (let lap = 0; lap < 300; lap++) {
    const ids = [10, 9000, 3].map((dataIn) => kernel.queue(read10, { dataIn }))
    const [a, b, c] = [ring.next()!, ring.next()!, ring.next()!]
    for (const one of lap % 2 ? [c, a, b] : [b, c, a]) {
      one.data.set(new Uint8Array(one.expected).fill(one.id))
      answer(one, { dataInLength: one.expected })
    }
    const answers = kernel.reap().sort((x, y) => x.id - y.id)
    expect(answers.map((x) => x.id)).toEqual(ids)
    for (const x of answers) expect(x.data.every((byte) => byte === x.id)).toBe(true)
  }
  kernel.assertIdle()
})

test('an entry at the tail is filled while its own command runs on', () => {
  const { kernel, ring, answer } = bench()
  kernel.queue(read10, { dataIn: 100 })
  kernel.queue(write10, { dataOut: Uint8Array.of(1, 2, 3) })
  const first = ring.next()!
  answer(ring.next()!)
  expect(kernel.reap().map((a) => a.id)).toEqual([2])
  expect([first.cdb[0], first.cdb[5], first.expected]).toEqual([0x28, 7, 100])
  first.data.set(new Uint8Array(100).fill(9))
  answer(first, { dataInLength: 100 })
  expect(kernel.reap()).toMatchObject([{ id: 1, data: Buffer.alloc(100, 9) }])
  kernel.assertIdle()
})

describe('Data-In', () => {
  test('shorter than asked for is reported with READ_LEN', () => {
    const { kernel, ring, answer } = bench()
    kernel.queue(tur, { dataIn: 255 })
    const c = ring.next()!
    c.data.set(new Uint8Array(36).fill(1))
    answer(c, { dataInLength: 36 })
    expect(kernel.reap()).toMatchObject([{ data: Buffer.alloc(36, 1), residual: 219 }])
  })
  test.each([
    ['a kernel without READ_LEN', MailboxFlag.OOOC, 36],
    ['none at all', MailboxFlag.OOOC | MailboxFlag.READ_LEN, 0],
  ])('to %s is zeroed beyond what was given', (_what, flags, given) => {
    const { kernel, ring, answer } = bench({ flags })
    kernel.queue(tur, { dataIn: 255 })
    const c = ring.next()!
    c.data.set(new Uint8Array(given).fill(1))
    answer(c, { dataInLength: given })
    expect(kernel.reap()).toMatchObject([{ data: Buffer.concat([Buffer.alloc(given, 1), Buffer.alloc(255 - given)]), residual: 0 }])
  })
  test('beside an error goes to the initiator only when there is some', () => {
    const { kernel, ring, answer } = bench()
    for (const given of [0, 8]) {
      kernel.queue(tur, { dataIn: 8 })
      const c = ring.next()!
      c.setSense(Uint8Array.of(0x70, 0, 3))
      answer(c, { status: 2, dataInLength: given })
      expect(kernel.reap()[0].data.length).toBe(given)
    }
  })
  test('Data-Out is left alone', () => {
    const { kernel, ring } = bench()
    kernel.queue(write10, { dataOut: new Uint8Array(100).fill(7) })
    const c = ring.next()!
    c.row = row('out')
    const [offset] = c.data.offsets
    ring.complete(c)
    expect(kernel.bytes[offset]).toBe(7)
  })
})

test('sense data fills 96 bytes, the rest of them zero', () => {
  const { kernel, ring, answer } = bench()
  kernel.queue(tur)
  const c = ring.next()!
  c.setSense(Uint8Array.of(0x70, 0, 5))
  answer(c, { status: 2 })
  const [a] = kernel.reap()
  expect(a.status).toBe(2)
  expect(a.sense).toEqual(Uint8Array.from({ length: 96 }, (_, i) => [0x70, 0, 5][i] ?? 0))
})

test('both data parts of a bidirectional command are there', () => {
  const { kernel, ring, answer } = bench()
  kernel.queue(tur, { dataOut: Uint8Array.of(1, 2, 3), dataIn: 5000 })
  const c = ring.next()!
  expect([c.data.length, c.bidi.length]).toEqual([3, 5000])
  const { bidi } = c
  c.bidi.set(new Uint8Array(5000).fill(4))
  answer(c)
  expect(kernel.reap()).toMatchObject([{ data: Buffer.alloc(5000, 4) }])
  expect(() => bidi.toBuffer()).toThrow(SegmentsRevokedError)
  let next: Command
  do {
    kernel.queue(tur)
    next = ring.next()!
    answer(next)
    kernel.reap()
  } while (next.bidi !== bidi)
  expect(bidi.length).toBe(0)
})

test.each([
  ['vendor', [0xc1, 1, 2, 3, 4, 5, 6, 7, 8, 9], 16],
  ['reserved', [0x60, 1, 2, 3, 4, 5, 6, 7], 8],
  ['variable length', [0x7f, 0, 0, 0, 0, 0, 0, 24, ...new Array<number>(24).fill(1)], 32],
  ['longest', [0x7f, 0, 0, 0, 0, 0, 0, 252, ...new Array<number>(252).fill(1)], 260],
])('a %s CDB is not dropped', (_what, bytes, length) => {
  const { kernel, ring, answer } = bench()
  kernel.queue(Uint8Array.from(bytes))
  const c = ring.next()!
  expect([c.cdbLength, [...c.cdb.subarray(0, bytes.length)]]).toEqual([length, bytes])
  answer(c)
  kernel.queue(tur)
  expect([...ring.next()!.cdb]).toEqual(new Array(260).fill(0))
})

test('data is dead once the command is completed', () => {
  const { kernel, ring, answer } = bench()
  kernel.queue(read10, { dataIn: 10 })
  const c = ring.next()!
  const { data } = c
  answer(c)
  expect(() => data.set(tur)).toThrow(SegmentsRevokedError)
  kernel.assertIdle()
})

test('a completed command comes back last', () => {
  const { kernel, ring, answer } = bench()
  const seen = new Set<Command>()
  for (let i = 0; i < 64; i++) {
    kernel.queue(tur)
    const c = ring.next()!
    seen.add(c)
    answer(c)
    kernel.reap()
  }
  expect(seen.size).toBe(64)
})

test('nothing of an earlier command shows in a later one', () => {
  const { kernel, ring, answer } = bench()
  const one = (cdb: Uint8Array, sense: number[]): Uint8Array => {
    kernel.queue(cdb)
    const c = ring.next()!
    expect([...c.cdb]).toEqual(Array.from({ length: 260 }, (_, i) => cdb[i] ?? 0))
    c.setSense(Uint8Array.from(sense))
    answer(c, { status: 2 })
    return kernel.reap()[0]!.sense!
  }
  const long = new Uint8Array(260).fill(0xaa)
  long.set([0x7f, 0, 0, 0, 0, 0, 0, 252])
  for (let i = 0; i < 100; i++) one(long, new Array<number>(96).fill(0xbb))
  for (let i = 0; i < 100; i++) expect(one(tur, [0x70])).toEqual(Uint8Array.from({ length: 96 }, (_, k) => (k ? 0 : 0x70)))
})

test('completing twice is refused and changes nothing', () => {
  const { kernel, ring, answer } = bench()
  kernel.queue(tur)
  kernel.queue(tur)
  const c = ring.next()!
  answer(c)
  expect(() => ring.complete(c)).toThrow('E_RING_NOT_IN_FLIGHT: ring under test: command 1 was completed, but it is not in flight')
  answer(ring.next()!)
  expect(kernel.reap()).toHaveLength(2)
  kernel.assertIdle()
})

test('trailing TMR and unknown entries are consumed: head and tail meet', () => {
  const { kernel, ring, aborted, malformed, answer } = bench()
  kernel.queue(tur)
  kernel.queue(tur)
  const [a, b] = [ring.next()!, ring.next()!]
  kernel.tmr(TmrType.LUN_RESET, [1, 2, 77, 1])
  kernel.strange(5, 24)
  expect(ring.next()).toBeUndefined()
  expect(aborted).toEqual([{ type: TmrType.LUN_RESET, ids: [1, 2] }])
  expect(malformed).toEqual([{ position: 280, id: 0, reason: 'unknown operation 5' }])
  expect(ring.publish()).toBe(false)
  answer(b)
  answer(a)
  expect(kernel.reap().map((x) => [x.id, x.aborted])).toEqual([[2, true], [1, true]])
  kernel.tmr(TmrType.ABORT_TASK_SET, [])
  expect(ring.next()).toBeUndefined()
  expect(ring.publish()).toBe(true)
  kernel.assertIdle()
})

test('a late answer to an expired command is still owed and taken', () => {
  const { kernel, ring, answer } = bench()
  const id = kernel.queue(tur)
  const c = ring.next()!
  kernel.expire(id)
  expect(kernel.reap()).toMatchObject([{ id, status: 2 }])
  answer(c)
  expect(kernel.reap()).toEqual([])
  kernel.assertIdle()
})

test('after a reset the old commands are dead and the ring starts at 0', () => {
  const { kernel, ring, answer } = bench()
  kernel.queue(tur)
  kernel.queue(read10, { dataIn: 9 })
  const [a, b] = [ring.next()!, ring.next()!]
  const { data } = b
  kernel.reset()
  expect(ring.reset()).toEqual([a, b])
  expect(ring.inFlight).toBe(0)
  expect(() => data.set(tur)).toThrow(SegmentsRevokedError)
  kernel.queue(tur)
  const c = ring.next()!
  expect([a, b]).not.toContain(c)
  a.finish()
  b.finish()
  expect(() => a.finish()).toThrow('E_RING_NOT_IN_FLIGHT')
  answer(c)
  expect(kernel.reap().map((x) => x.status)).toEqual([8, 8, 0])
  kernel.assertIdle()
})
