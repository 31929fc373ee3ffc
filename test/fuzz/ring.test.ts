import fc from 'fast-check'
import { TcmuError } from '../../packages/host/src/errors'
import { type Command, CmdRequest, CmdResponse, EntryHeader, Iovec, Mailbox, MailboxFlag, Op, Ring, TmrEntry } from '../../packages/host/src/ring'
import { cmdBaseSize } from '../../packages/host/src/ring/abi'
import { Pump, type PumpedUnit } from '../../packages/host/src/testing'

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
