import fc from 'fast-check'
import { type Command, Ring } from '../../packages/host/src/ring'
import { FakeKernel, type KernelAnswer } from '../../packages/host/src/testing'

const runs = Number(process.env['FUZZ_RUNS'] ?? 500)

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
