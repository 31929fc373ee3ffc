import fc from 'fast-check'
import { type Command, Ring } from '../../packages/host/src/ring'
import { FakeKernel, type KernelAnswer } from '../../packages/host/src/testing'

const runs = Number(process.env['FUZZ_RUNS'] ?? 500)

type Move =
  | { do: 'queue'; cdb: number; dataIn: number; dataOut: number }
  | { do: 'take' } | { do: 'complete'; which: number; given: number } | { do: 'kick' } | { do: 'tmr'; ids: number[] }
  | { do: 'strange'; op: number; length: number } | { do: 'expire'; which: number } | { do: 'reset' } | { do: 'lend'; which: number } | { do: 'alone'; told: boolean } | { do: 'give' } | { do: 'publish' }
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('queue' as const), cdb: fc.constantFrom(6, 10, 12, 16, 32), dataIn: fc.constantFrom(0, 0, 1, 600, 5000), dataOut: fc.constantFrom(0, 0, 1, 700, 9000) }) },
  { weight: 8, arbitrary: fc.constant({ do: 'take' as const }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('complete' as const), which: fc.nat(50), given: fc.nat(6000) }) },
  { weight: 4, arbitrary: fc.constant({ do: 'kick' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('tmr' as const), ids: fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('strange' as const), op: fc.integer({ min: 3, max: 7 }), length: fc.constantFrom(8, 16, 40) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reset' as const }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('lend' as const), which: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('alone' as const), told: fc.boolean() }) },
  { weight: 6, arbitrary: fc.constant({ do: 'give' as const }) },
  { weight: 4, arbitrary: fc.constant({ do: 'publish' as const }) },
)
const opcodes: Readonly<Record<number, number>> = { 6: 0x12, 10: 0x28, 12: 0xa8, 16: 0x88, 32: 0x7f }

/** Does what LoneAnswer::Give does in the addon. */
class Thread {
  private turn = 0
  private readonly lent = new Set<Command>()
  private readonly words: Int32Array
  constructor(private readonly kernel: FakeKernel, private readonly ring: Ring) {
    this.words = new Int32Array(kernel.memory, ring.area.answering!.tailAt, 1)
  }

  take(command: Command): void {
    const turn = this.ring.lend(command)
    if (turn === 0) return
    this.turn = turn
    this.lent.add(command)
  }

  /** Whether it was lent, once. */
  had(command: Command): boolean {
    return this.lent.has(command)
  }

  over(command: Command): void {
    this.lent.delete(command)
  }

  give(): void {
    const { state } = this.ring.area.answering!
    if (this.turn === 0 || state[0] !== this.turn) return
    given++
    this.words[0] = state[1]!
    state[0] = -2
    this.kernel.kick()
  }
}
/** How many answers a thread gave: that it happens at all. */
let given = 0

test('a rightful kernel gets each command answered exactly once, in any order, over any number of laps', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(move, { minLength: 20, maxLength: 200 }), (seed, moves) => {
      const kernel = new FakeKernel({ ringBytes: 1024, dataBytes: 1 << 16, seed })
      const answers: number[] = []
      let asked = 0
      const live: Command[] = []
      const ring: Ring = new Ring(kernel.memory, { nexus: { name: 'model' }, finished: (c) => ring.complete(c) })
      ring.lendTo(0, 4)
      const thread = new Thread(kernel, ring)
      const fill = (c: Command): void => {
        const bytes = new Uint8Array(c.data.length + c.bidi.length).fill(c.id)
        c.data.set(bytes)
        c.bidi.set(bytes)
      }
      const finish = (c: Command, given: number, told = true): void => {
        // Its data may be another's by now.
        if (thread.had(c)) c.dataInLength = c.data.length
        else {
          fill(c)
          c.dataInLength = Math.min(given, c.data.length)
        }
        thread.over(c)
        c.finish()
        if (told) ring.publish()
      }
      const told = (n: number, wanted: number, out: boolean) => (a: KernelAnswer): void => {
        answers[n] = (answers[n] ?? 0) + 1
        expect(a.data.every((b) => b === a.id || b === 0)).toBe(true)
        if (out) expect(a.data.length === 0 || a.data.length === wanted).toBe(true)
      }
      const lend = (c: Command): void => {
        if (!thread.had(c)) fill(c)
        thread.take(c)
      }
      for (const m of moves) {
        if (m.do === 'alone') {
          // All else is answered, and one is taken and lent.
          while (live.length > 0) finish(live.pop()!, 0, m.told)
          for (let c = ring.next(); c; c = ring.next()) finish(c, 0, m.told)
          kernel.kick()
          kernel.queue(new Uint8Array([opcodes[10]!, 0, 0, 0, 0, 0, 0, 0, 0, 0]), { dataIn: 600 }, told(asked++, 600, false))
          const c = ring.next()
          if (c === undefined) continue
          live.push(c)
          lend(c)
        } else if (m.do === 'queue') {
          const cdb = new Uint8Array(m.cdb)
          cdb.set([opcodes[m.cdb]!, 0, 0, 0, 0, 0])
          if (m.cdb === 32) cdb[7] = 24
          kernel.queue(cdb, { dataIn: m.dataIn, ...(m.dataOut > 0 && { dataOut: new Uint8Array(m.dataOut) }) }, told(asked++, m.dataIn, m.dataOut > 0))
        } else if (m.do === 'take') {
          const c = ring.next()
          if (c) live.push(c)
        } else if (m.do === 'complete' && live.length > 0) finish(live.splice(m.which % live.length, 1)[0]!, m.given)
        else if (m.do === 'lend' && live.length > 0) {
          lend(live[m.which % live.length]!)
        } else if (m.do === 'give') thread.give()
        else if (m.do === 'kick') kernel.kick()
        else if (m.do === 'publish') ring.publish()
        else if (m.do === 'tmr') kernel.tmr(2, m.ids)
        else if (m.do === 'strange') kernel.strange(m.op, m.length)
        else if (m.do === 'expire' && kernel.posted.length > 0) kernel.expire(kernel.posted[m.which % kernel.posted.length]!)
        else if (m.do === 'reset') {
          kernel.reset()
          ring.reset()
          for (const c of live.splice(0)) {
            thread.over(c)
            c.finish()
          }
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
  expect(given).toBeGreaterThan(runs / 4)
})
