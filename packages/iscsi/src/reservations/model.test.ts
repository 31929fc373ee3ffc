import fc from 'fast-check'
import { Status } from '@tcmu/host/scsi'
import { CommandClass, conflictsFor } from './conflicts'
import { releaseUnit, reserveUnit } from './legacy'
import { persistentReserveOut } from './state'
import { persistentOf, stateFrom } from './store'
import { concernsRegistrants, type Identity, idOf, isAllRegistrants, isReservationType, NO_KEY, type OutAction, type Outcome, ReservationType, type State } from './types'
import { emptyState, isHolder, registrationOf } from './value'

const [a, b] = ['iqn.2026-11.test:a', 'iqn.2026-11.test:b']
const [first, second] = ['000000000001', '000000000002']
const nexuses: Identity[] = [
  { initiator: a, isid: first, port: 1 }, { initiator: a, isid: second, port: 1 }, { initiator: b, isid: first, port: 1 }, { initiator: a, isid: first, port: 2 },
]
const anybody: Identity[] = [...nexuses, { initiator: a, isid: '', port: 1 }, { initiator: b, isid: '', port: 1 }]
const actions: OutAction[] = ['REGISTER', 'RESERVE', 'RELEASE', 'CLEAR', 'PREEMPT', 'PREEMPT AND ABORT', 'REGISTER AND IGNORE EXISTING KEY', 'REGISTER AND MOVE']
const key = fc.constantFrom(NO_KEY, '0000000000000001', '0000000000000002', '0000000000000003')

const step = fc.record({
  /** Somebody, or who holds the reservation (or else the first registrant). */
  who: fc.option(fc.constantFrom(...nexuses), { freq: 2 }),
  what: fc.constantFrom<OutAction | 'reserve' | 'release' | 'lost'>(...actions, ...actions, 'REGISTER', 'REGISTER', 'RESERVE', 'reserve', 'release', 'lost'),
  /** The type that is held, most of the time. */
  type: fc.option(fc.constantFrom(...Object.values(ReservationType), 0, 2), { freq: 2 }),
  scope: fc.constantFrom(0, 0, 0, 0, 1),
  /** The key the nexus has, most of the time. */
  key: fc.option(key, { freq: 3 }),
  newKey: key,
  aptpl: fc.boolean(),
  ports: fc.constantFrom([1], [2], [1, 2]),
  others: fc.option(fc.array(fc.constantFrom(...anybody), { maxLength: 2 }), { freq: 3 }),
  to: fc.constantFrom(...anybody),
  unregister: fc.boolean(),
})
type Random = typeof step extends fc.Arbitrary<infer S> ? S : never
type Step = Omit<Random, 'who'> & { who: Identity }

function actor(state: State): Identity {
  const ids = nexuses.map((who) => registrationOf(state, who)?.id)
  const holder = ids.findIndex((id) => id !== undefined && isHolder(state, id))
  return nexuses[Math.max(0, holder < 0 ? ids.findIndex((id) => id !== undefined) : holder)]
}

function apply(state: State, s: Step): Outcome {
  if (s.what === 'reserve') return reserveUnit(state, s.who)
  if (s.what === 'release') return releaseUnit(state, s.who)
  if (s.what === 'lost') return { state: state.legacy === idOf(s.who) ? { ...state, legacy: undefined } : state, status: Status.OK, notices: [], preempted: [] }
  return persistentReserveOut(state, s.who, {
    action: s.what, scope: s.scope, type: s.type ?? state.reservation?.type ?? 3, key: s.key ?? registrationOf(state, s.who)?.key ?? NO_KEY, newKey: s.newKey, aptpl: s.aptpl, ports: s.ports,
    ...(s.others && s.what === 'REGISTER' && { others: s.others }), move: { to: s.to, unregister: s.unregister },
  })
}

function checkState(state: State): void {
  for (const [id, r] of state.registrations) {
    expect(id).toBe(idOf(r))
    expect(r.id).toBe(id)
    expect(r.key).not.toBe(NO_KEY)
  }
  if (state.legacy !== undefined) expect([state.registrations.size, state.reservation]).toEqual([0, undefined])
  const held = state.reservation
  if (!held) return
  expect(isReservationType(held.type)).toBe(true)
  if (isAllRegistrants(held.type)) expect([held.holder, state.registrations.size > 0]).toEqual(['', true])
  else expect(state.registrations.has(held.holder)).toBe(true)
}

function checkStep(before: State, s: Step, o: Outcome): void {
  const own = registrationOf(before, s.who)
  if (o.status !== Status.OK) {
    expect(o.state).toBe(before)
    expect([o.notices, o.preempted]).toEqual([[], []])
  }
  const counted = o.status === Status.OK && !['RESERVE', 'RELEASE', 'reserve', 'release', 'lost'].includes(s.what) && o.state !== before
  expect(o.state.generation).toBe(before.generation + (counted ? 1 : 0))
  const ids = o.notices.map((n) => n.id)
  expect(new Set(ids).size).toBe(ids.length)
  // Nobody is told of what they did themselves, and only registrants are told anything.
  if (own) expect(ids).not.toContain(own.id)
  for (const id of ids) expect(before.registrations.has(id)).toBe(true)
  for (const id of o.preempted) expect(o.state.registrations.has(id)).toBe(false)
  // Whoever loses a registration by another's command hears of it.
  const lost = [...before.registrations.keys()].filter((id) => !o.state.registrations.has(id) && id !== own?.id)
  if (s.what !== 'REGISTER' && s.what !== 'REGISTER AND IGNORE EXISTING KEY') for (const id of lost) expect(ids).toContain(id)
  // The reservation of registrants never ends in silence.
  if (before.reservation && !o.state.reservation && concernsRegistrants(before.reservation.type)) {
    for (const id of o.state.registrations.keys()) if (id !== own?.id) expect(ids).toContain(id)
  }
}

/** What the columns of the standard's tables say, said once more the other way round. */
function mayDo(state: State, who: Identity, cls: number): boolean {
  if (cls === CommandClass.ALWAYS) return true
  if (state.legacy !== undefined) return state.legacy === idOf(who)
  const held = state.reservation
  if (!held || cls === CommandClass.STATUS) return true
  const own = registrationOf(state, who)
  if (own && (held.holder === own.id || concernsRegistrants(held.type))) return true
  const name = Object.entries(ReservationType).find(([, t]) => t === held.type)![0]
  return cls === CommandClass.READ && name.startsWith('WRITE')
}

/** Walk from the empty state; returns the commands that changed something. */
function walk(steps: readonly Random[]): string[] {
  let state = emptyState
  const effective: string[] = []
  for (const random of steps) {
    const s: Step = { ...random, who: random.who ?? actor(state) }
    const o = apply(state, s)
    checkStep(state, s, o)
    checkState(o.state)
    const classes = Object.values(CommandClass)
    const found = nexuses.map((who) => classes.map((cls) => (conflictsFor(o.state, who) & cls) === 0))
    expect(found).toEqual(nexuses.map((who) => classes.map((cls) => mayDo(o.state, who, cls))))
    expect(persistentOf(stateFrom(persistentOf(o.state)))).toEqual(persistentOf(o.state))
    if (o.state !== state) effective.push(s.what)
    state = o.state
  }
  const holders = [...state.registrations.keys()].filter((id) => isHolder(state, id)).length
  if (state.reservation) expect(holders).toBe(isAllRegistrants(state.reservation.type) ? state.registrations.size : 1)
  return effective
}
const steps = fc.array(step, { minLength: 20, maxLength: 40, size: 'max' })

test('whatever is sent by whomever, the state stays sound and the table is obeyed', () => {
  fc.assert(fc.property(steps, (some) => void walk(some)), { numRuns: 150 })
})

test('the walk gets somewhere: every command succeeds with an effect', () => {
  const effective = fc.sample(steps, { numRuns: 150, seed: 7143 }).flatMap((some) => walk(some))
  expect([...new Set(effective)].sort()).toEqual([...actions, 'lost', 'release', 'reserve'].sort())
  expect(effective.length).toBeGreaterThan(500)
})
