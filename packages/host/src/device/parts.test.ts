import { type Nexus, Status } from '../scsi'
import { Attentions } from './attention'
import { Complaints } from './complaints'
import { lifecycle, move, type Event, type State } from './lifecycle'

test('the lifecycle allows what its table says and names what it does not', () => {
  const events = [...new Set(Object.values(lifecycle).flatMap((row) => Object.keys(row)))] as Event[]
  for (const state of Object.keys(lifecycle) as State[]) {
    for (const event of events) {
      const next = (lifecycle[state] as Record<string, State>)[event]
      if (next) expect(move(state, event, 'd')).toBe(next)
      else expect(() => move(state, event, 'd')).toThrow(`device d: no event ${event} in state ${state}`)
    }
  }
})

test('attentions: no repeats, bounded, forgotten when a nexus leaves', () => {
  const a = new Attentions()
  const nexus: Nexus = { name: 'n' }
  a.attend(nexus, Status.POWER_ON)
  expect(a.pending).toBe(false)
  a.join(nexus)
  for (const s of Object.values(Status)) a.attend(nexus, s)
  for (const s of Object.values(Status)) a.attend(nexus, s)
  let n = 0
  while (a.take(nexus) !== undefined) n++
  expect([n, a.pending]).toEqual([16, false])
  a.attend(nexus, Status.POWER_ON)
  a.leave(nexus)
  expect(a.pending).toBe(false)
})

test('complaints: the first of a kind at once, then one line with the number held back', () => {
  const out: [string, object][] = []
  let now = 0
  const c = new Complaints({ error: (m: string, f: object) => out.push([m, f]) } as never, () => now)
  for (let i = 0; i < 4; i++) c.error('k', 'line')
  c.error('other', 'line')
  now = 10_001
  c.error('k', 'line')
  expect(out).toEqual([['line', {}], ['line', {}], ['line', { repeated: 3 }]])
})
