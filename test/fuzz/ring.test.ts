import fc from 'fast-check'
import { TcmuError } from '../../packages/host/src/errors'
import { type Command, CmdRequest, CmdResponse, EntryHeader, Iovec, Mailbox, MailboxFlag, Op, Ring, TmrEntry } from '../../packages/host/src/ring'
import { cmdBaseSize } from '../../packages/host/src/ring/abi'
import { FakeKernel, type KernelAnswer, Pump, type PumpedUnit } from '../../packages/host/src/testing'

const runs = Number(process.env['FUZZ_RUNS'] ?? 500)
const RING = 1024
const DATA = 2048
const dataOff = Mailbox.size + RING
const size = dataOff + DATA
const POISON = 0xdb

/** Numbers that matter: small ones, multiples of 8, places in and around the areas, and the edges of the type. */
const interesting = fc.oneof(
  fc.nat(16), fc.nat(RING / 8).map((n) => n * 8), fc.nat(size + 64),
  fc.constantFrom(0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff), fc.integer({ min: 0, max: 0xffffffff }),
)
const u32 = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: interesting })

type Step =
  | { do: 'write'; at: number; value: number }
  | { do: 'head'; value: number }
  | { do: 'entry'; op: number; id: number; count: number; bidi: number; spoil: [number, number][]; cdb: Uint8Array; length: number }
  | { do: 'take'; n: number }
  | { do: 'complete'; which: number; status: number; given: number }
  | { do: 'publish' }
  | { do: 'reset' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant('write' as const), at: fc.nat(RING / 4 + Mailbox.size / 4 - 1), value: interesting }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('head' as const), value: interesting }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('entry' as const),
      op: fc.oneof({ weight: 6, arbitrary: fc.constant<number>(Op.CMD) }, { weight: 2, arbitrary: fc.nat(7) }),
      id: fc.nat(12), count: fc.nat(3), bidi: fc.constantFrom(0, 0, 0, 1),
      /** Words of the entry to overwrite. */
      spoil: fc.array(fc.tuple(fc.nat(40), interesting), { maxLength: 2 }),
      cdb: fc.uint8Array({ minLength: 6, maxLength: 24 }),
      length: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: u32 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('take' as const), n: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('complete' as const), which: fc.nat(20), status: fc.constantFrom(0, 0, 2, 8, 0x40), given: fc.nat(3000) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'publish' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reset' as const }) },
)

/** The peer: writes whatever it likes into the shared memory. */
class Hostile {
  readonly memory = new ArrayBuffer(size)
  readonly bytes = new Uint8Array(this.memory)
  readonly words = new Uint32Array(this.memory)
  private head = 0
  constructor(flags: number) {
    Mailbox.encode({ version: 2, flags, cmdrOff: Mailbox.size, cmdrSize: RING }, this.bytes)
    this.bytes.fill(POISON, Mailbox.size)
  }

  setHead(value: number): void {
    this.words[Mailbox.at.cmdHead >> 2] = value
    if (value < RING && value % 8 === 0) this.head = value
  }

  /** An entry at the head that is right but for what `spoil` and `length` say. */
  entry(e: Extract<Step, { do: 'entry' }>): void {
    const iovecs = e.count + e.bidi
    const right = e.op === Op.CMD ? cmdBaseSize(iovecs) + 24 : e.op === Op.TMR ? TmrEntry.size + 8 : 8 * (1 + e.id)
    if (RING - this.head < right) {
      this.words[(Mailbox.size + this.head) >> 2] = (RING - this.head) | Op.PAD
      this.setHead(0)
    }
    const start = Mailbox.size + this.head
    this.bytes.fill(0, start, start + right)
    if (e.op === Op.CMD) {
      CmdRequest.encode({ iovCnt: e.count, iovBidiCnt: e.bidi, cdbOff: start + cmdBaseSize(iovecs) }, this.bytes, start)
      for (let i = 0; i < iovecs; i++) Iovec.encode({ base: dataOff + 512 * i, length: 100 * e.id + i }, this.bytes, start + CmdRequest.size + i * Iovec.size)
      this.bytes.set(e.cdb, start + cmdBaseSize(iovecs))
    } else if (e.op === Op.TMR) TmrEntry.encode({ tmrType: e.id, cmdCnt: e.count }, this.bytes, start)
    EntryHeader.encode({ lenOp: ((e.length === 0 ? right : e.length & ~7) | e.op) >>> 0, cmdId: e.op === Op.CMD ? e.id : 0 }, this.bytes, start)
    for (const [word, value] of e.spoil) if (word * 4 < right) this.words[(start >> 2) + word] = value
    this.setHead((this.head + right) % RING)
  }
}

/** Bytes that differ, as [from, to) offsets. */
function changes(before: Uint8Array, after: Uint8Array): number[] {
  const out: number[] = []
  if (Buffer.compare(before, after) !== 0) for (let i = 0; i < before.length; i++) if (before[i] !== after[i]) out.push(i)
  return out
}
const inTail = (i: number): boolean => i >= Mailbox.at.cmdTail && i < Mailbox.at.cmdTail + 4
const inRing = (i: number): boolean => i >= Mailbox.size && i < dataOff

/** Drive a ring over a hostile peer; every step may change only what it is entitled to. */
class Session {
  readonly peer: Hostile
  readonly ring: Ring
  readonly live: Command[] = []
  readonly ends = new Map<string, number>()
  taken = 0
  answered = 0
  constructor(flags: number) {
    this.peer = new Hostile(flags)
    const ring: Ring = new Ring(this.peer.memory, {
      nexus: { name: 'fuzz' },
      finished: (c) => ring.complete(c),
      aborted: (_type, commands) => commands.forEach((c) => expect(this.live).toContain(c)),
    })
    this.ring = ring
  }

  private count(what: string): void {
    this.ends.set(what, (this.ends.get(what) ?? 0) + 1)
  }

  private only(entitled: (i: number) => boolean, act: () => void): void {
    const before = this.peer.bytes.slice()
    act()
    const wrong = changes(before, this.peer.bytes).filter((i) => !entitled(i))
    if (wrong.length) throw new Error(`wrote to ${wrong.slice(0, 8).join(', ')}`)
  }

  step(s: Step): void {
    if (s.do === 'write') this.peer.words[s.at] = s.value
    else if (s.do === 'head') this.peer.setHead(s.value)
    else if (s.do === 'entry') this.peer.entry(s)
    else if (s.do === 'take') for (let i = 0; i < s.n; i++) this.take()
    else if (s.do === 'complete') this.complete(s)
    else if (s.do === 'publish') this.only(inTail, () => void this.ring.publish())
    else this.only(() => false, () => this.reset())
  }

  private take(): void {
    this.only(inRing, () => {
      try {
        const c = this.ring.next()
        if (c === undefined) return this.count('empty')
        this.check(c)
        this.live.push(c)
        this.taken++
        this.count('taken')
      } catch (e) {
        if (!(e instanceof TcmuError)) throw e
        expect([e.code, this.ring.broken]).toEqual(['E_RING_BROKEN', e])
        this.count('broken')
      }
    })
    expect(this.ring.inFlight).toBe(this.live.length)
  }

  private check(c: Command): void {
    expect(this.live).not.toContain(c)
    expect(this.ring.find(c.id)).toBe(c)
    expect(c.cdbLength).toBeGreaterThan(0)
    for (const data of [c.data, c.bidi]) {
      let total = 0
      for (let i = 0; i < data.count; i++) {
        expect(data.offsets[i]).toBeGreaterThanOrEqual(dataOff)
        expect(data.offsets[i]! + data.lengths[i]!).toBeLessThanOrEqual(size)
        total += data.lengths[i]!
      }
      expect(data.length).toBe(total)
    }
    expect(c.expected).toBe(c.data.length)
  }

  private complete({ which, status, given }: Extract<Step, { do: 'complete' }>): void {
    const [c] = this.live.splice(which % (this.live.length || 1), 1)
    if (!c) return
    const mine = new Set<number>()
    for (let i = 0; i < c.data.count; i++) for (let k = 0; k < c.data.lengths[i]!; k++) mine.add(c.data.offsets[i]! + k)
    c.status = status
    c.dataInLength = given
    let slot = -1
    this.only((i) => {
      if (inRing(i) && slot < 0) slot = i & ~7
      // The first byte changed is the id or later; nothing beyond the response of one entry.
      return mine.has(i) || (inRing(i) && i - slot < CmdResponse.size)
    }, () => c.finish())
    this.answered++
    expect(() => c.finish()).toThrow('E_RING_NOT_IN_FLIGHT')
  }

  private reset(): void {
    expect(new Set(this.ring.reset())).toEqual(new Set(this.live))
    for (const c of this.live.splice(0)) c.finish()
    this.ring.next()
  }
}

const flags = fc.constantFrom(0, MailboxFlag.READ_LEN, MailboxFlag.READ_LEN | MailboxFlag.TMR).map((f) => f | MailboxFlag.OOOC)

test('whatever a peer does, there are commands, typed errors and no stray writes', () => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(flags, fc.array(step, { minLength: 1, maxLength: 40 }), (f, steps) => {
      const session = new Session(f)
      for (const s of steps) {
        if (s.do === 'reset') session.peer.setHead(0)
        session.step(s)
      }
      for (const [k, n] of session.ends) seen.set(k, (seen.get(k) ?? 0) + n)
    }),
    { numRuns: runs },
  )
  // The generator reaches all three ends, or this test would prove nothing.
  for (const end of ['taken', 'empty', 'broken']) expect(seen.get(end)).toBeGreaterThan(runs / 10)
})

test('any mailbox is served or refused by name', () => {
  const word = fc.oneof(interesting, fc.constantFrom(0, 128, 1024, 3968, 4096))
  fc.assert(
    fc.property(fc.nat(5000), fc.constantFrom(2, 2, 2, 1, 512), fc.nat(15), word, word, word, word, (length, version, f, cmdrOff, cmdrSize, cmdHead, cmdTail) => {
      const memory = new ArrayBuffer(length)
      if (length >= Mailbox.size) Mailbox.encode({ version, flags: f, cmdrOff, cmdrSize, cmdHead, cmdTail }, new Uint8Array(memory))
      try {
        const ring = new Ring(memory, { nexus: { name: 'x' }, finished: () => {} })
        ring.next()
        ring.publish()
      } catch (e) {
        expect(e).toBeInstanceOf(TcmuError)
        expect((e as TcmuError).code).toMatch(/^E_RING_(MAILBOX|BROKEN)$/)
      }
    }),
    { numRuns: runs },
  )
})

test('a pump over a ring of noise ends, with a typed error or an empty ring', () => {
  const unit: PumpedUnit = { name: 'noise', execute: (t) => t.finish(), abort: () => Promise.resolve(0), join: () => {}, leave: () => {} }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: RING, maxLength: RING }), fc.nat(RING / 8 - 1), (noise, head) => {
      const peer = new Hostile(MailboxFlag.OOOC)
      peer.bytes.set(noise, Mailbox.size)
      peer.setHead(head * 8)
      const errors: unknown[] = []
      const pump = new Pump({ memory: peer.memory, onWake: () => {}, kick: () => {} }, unit, { broken: (e) => void errors.push(e) })
      pump.wake()
      for (const e of errors) expect(e).toMatchObject({ code: 'E_RING_BROKEN' })
      if (errors.length === 0) expect(peer.words[Mailbox.at.cmdTail >> 2]).toBe(head * 8)
      pump.close()
    }),
    { numRuns: runs },
  )
})

type Move =
  | { do: 'queue'; cdb: number; dataIn: number; dataOut: number }
  | { do: 'take' } | { do: 'complete'; which: number; given: number } | { do: 'kick' } | { do: 'tmr'; ids: number[] }
  | { do: 'strange'; op: number; length: number } | { do: 'expire'; which: number } | { do: 'reset' }
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('queue' as const), cdb: fc.constantFrom(6, 10, 12, 16, 32), dataIn: fc.constantFrom(0, 0, 1, 600, 5000), dataOut: fc.constantFrom(0, 0, 1, 700, 9000) }) },
  { weight: 8, arbitrary: fc.constant({ do: 'take' as const }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('complete' as const), which: fc.nat(50), given: fc.nat(6000) }) },
  { weight: 4, arbitrary: fc.constant({ do: 'kick' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('tmr' as const), ids: fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('strange' as const), op: fc.integer({ min: 3, max: 7 }), length: fc.constantFrom(8, 16, 40) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reset' as const }) },
)
const opcodes: Readonly<Record<number, number>> = { 6: 0x12, 10: 0x28, 12: 0xa8, 16: 0x88, 32: 0x7f }

test('a rightful kernel gets each command answered exactly once, in any order, over any number of laps', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(move, { minLength: 20, maxLength: 200 }), (seed, moves) => {
      const kernel = new FakeKernel({ ringBytes: 1024, dataBytes: 1 << 16, seed })
      const answers: number[] = []
      let asked = 0
      const live: Command[] = []
      const ring: Ring = new Ring(kernel.memory, { nexus: { name: 'model' }, finished: (c) => ring.complete(c) })
      const finish = (c: Command, given: number): void => {
        const bytes = new Uint8Array(c.data.length + c.bidi.length).fill(c.id)
        c.data.set(bytes)
        c.bidi.set(bytes)
        c.dataInLength = Math.min(given, c.data.length)
        c.finish()
        ring.publish()
      }
      const told = (n: number, wanted: number, out: boolean) => (a: KernelAnswer): void => {
        answers[n] = (answers[n] ?? 0) + 1
        expect(a.data.every((b) => b === a.id || b === 0)).toBe(true)
        if (out) expect(a.data.length === 0 || a.data.length === wanted).toBe(true)
      }
      for (const m of moves) {
        if (m.do === 'queue') {
          const cdb = new Uint8Array(m.cdb)
          cdb.set([opcodes[m.cdb]!, 0, 0, 0, 0, 0])
          if (m.cdb === 32) cdb[7] = 24
          kernel.queue(cdb, { dataIn: m.dataIn, ...(m.dataOut > 0 && { dataOut: new Uint8Array(m.dataOut) }) }, told(asked++, m.dataIn, m.dataOut > 0))
        } else if (m.do === 'take') {
          const c = ring.next()
          if (c) live.push(c)
        } else if (m.do === 'complete' && live.length > 0) finish(live.splice(m.which % live.length, 1)[0]!, m.given)
        else if (m.do === 'kick') kernel.kick()
        else if (m.do === 'tmr') kernel.tmr(2, m.ids)
        else if (m.do === 'strange') kernel.strange(m.op, m.length)
        else if (m.do === 'expire' && kernel.posted.length > 0) kernel.expire(kernel.posted[m.which % kernel.posted.length]!)
        else if (m.do === 'reset') {
          kernel.reset()
          ring.reset()
          for (const c of live.splice(0)) c.finish()
        }
      }
      for (let idle = 0; idle < 3; ) {
        const c = ring.next()
        if (c) finish(c, 1)
        else if (live.length > 0) finish(live.pop()!, 0)
        else idle++
        ring.publish()
        kernel.kick()
      }
      kernel.assertIdle()
      expect(answers).toEqual(new Array(asked).fill(1))
    }),
    { numRuns: runs },
  )
})
