import fc from 'fast-check'
import { type Nexus, Task } from '../scsi'
import { Claim, RangeGate } from './gate'
import { Inflight } from './inflight'

const nexus: Nexus = { name: 'test' }
class Probe extends Task {
  nexus = nexus
  constructor(offset: number, length: number, readonly wants: Claim, second?: number) {
    super()
    this.offset = offset
    this.length = length
    this.row = { extent: {} } as never
    if (second !== undefined) this.also = { offset: second, length }
  }
  get stretches() {
    return [{ offset: this.offset, length: this.length }, ...(this.also ? [this.also] : [])]
  }
  finish(): void {}
}
const clash = (a: Probe, b: Probe): boolean =>
  (a.wants !== b.wants || a.wants === Claim.EXCLUSIVE) &&
  a.stretches.some((x) => b.stretches.some((y) => x.offset < y.offset + y.length && y.offset < x.offset + x.length))

/** Enter all, end them in the given order; returns the order of starts and checks that no two that clash overlap. */
async function run(probes: Probe[], ends: number[]): Promise<number[]> {
  const live = new Inflight()
  const gate = new RangeGate(live)
  const running = new Set<Probe>()
  const started: number[] = []
  const start = (p: Probe, i: number): void => {
    for (const other of running) expect(clash(p, other)).toBe(false)
    running.add(p)
    started.push(i)
  }
  probes.forEach((p, i) => {
    live.add(p)
    const turn = gate.enter(p, p.wants)
    if (turn) void turn.then(() => start(p, i))
    else start(p, i)
  })
  for (let n = 0; started.length < probes.length || running.size; n++) {
    await Promise.resolve()
    const list = [...running]
    expect(list.length).toBeGreaterThan(0)
    const p = list[(ends[n % ends.length] ?? 0) % list.length]!
    running.delete(p)
    live.remove(p)
    gate.release(p)
    await Promise.resolve()
    await Promise.resolve()
  }
  return started
}

test('commands that clash never run together, every one gets its turn, and clashing ones keep their order', async () => {
  const probe = fc.tuple(
    fc.nat(6), fc.integer({ min: 1, max: 3 }), fc.constantFrom(Claim.SHARED, Claim.EXCLUSIVE, Claim.UNCHANGED), fc.option(fc.nat(6), { nil: undefined }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(probe, { minLength: 1, maxLength: 12 }), fc.array(fc.nat(9), { minLength: 1 }), async (specs, ends) => {
      const probes = specs.map(([o, l, x, second]) => new Probe(o, l, x, second))
      const order = await run(probes, ends)
      expect(order.slice().sort((a, b) => a - b)).toEqual(probes.map((_, i) => i))
      probes.forEach((a, i) => probes.forEach((b, j) => {
        if (i < j && clash(a, b)) expect(order.indexOf(i)).toBeLessThan(order.indexOf(j))
      }))
    }),
  )
})

test('a task without an extent claims the whole medium', () => {
  const live = new Inflight()
  const gate = new RangeGate(live)
  const [write, unmap] = [new Probe(0, 1, Claim.SHARED), new Probe(0, 0, Claim.EXCLUSIVE)]
  unmap.row = {} as never
  for (const p of [write, unmap]) live.add(p)
  expect(gate.enter(write, Claim.SHARED)).toBeUndefined()
  expect(gate.enter(unmap, Claim.EXCLUSIVE)).toBeInstanceOf(Promise)
})
