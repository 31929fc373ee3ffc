import { Status } from '@tcmu/host/scsi'
import { persistentReserveOut } from './state'
import { releaseUnit, reserveUnit } from './legacy'
import { type Identity, idOf, NO_KEY, type OutAction, type Outcome, type OutRequest, ReservationType as T, type State } from './types'
import { emptyState, MOST_REGISTRATIONS, registrationOf } from './value'

const A: Identity = { initiator: 'iqn.2026-11.test:a', isid: '000000000001', port: 1 }
const B: Identity = { ...A, initiator: 'iqn.2026-11.test:b' }
const C: Identity = { ...A, initiator: 'iqn.2026-11.test:c' }
const KA = '000000000000000a'
const KB = '000000000000000b'
const KC = '000000000000000c'

const request = (action: OutAction, more: Partial<OutRequest> = {}): OutRequest =>
  ({ action, scope: 0, type: 0, key: NO_KEY, newKey: NO_KEY, aptpl: false, ports: [1], ...more })
const out = (state: State, who: Identity, action: OutAction, more: Partial<OutRequest> = {}): Outcome => persistentReserveOut(state, who, request(action, more))
/** The state after commands that all succeed. */
const after = (state: State, ...steps: (readonly [Identity, OutAction, Partial<OutRequest>])[]): State =>
  steps.reduce((s, [who, action, more]) => {
    const o = out(s, who, action, more)
    expect(o.status).toBe(Status.OK)
    return o.state
  }, state)
const registered = after(emptyState, [A, 'REGISTER', { newKey: KA }], [B, 'REGISTER', { newKey: KB }], [C, 'REGISTER', { newKey: KC }])
const heldStates = new Map(Object.values(T).map((type) => [type as number, after(registered, [A, 'RESERVE', { key: KA, type }])]))
const held = (type: number): State => heldStates.get(type)!
const keysOf = (state: State): string[] => [...state.registrations.values()].map((r) => r.key)
const told = (o: Outcome): Record<string, Status> => Object.fromEntries(o.notices.map((n) => [n.id, n.status]))
const refused = (o: Outcome, before: State, status: Status): void => {
  expect(o).toEqual({ state: before, status, notices: [], preempted: [] })
  expect(o.state).toBe(before)
}
const every = Object.values(T)
const plain = [T.WRITE_EXCLUSIVE, T.EXCLUSIVE_ACCESS]
const registrantsOnly = [T.WRITE_EXCLUSIVE_RO, T.EXCLUSIVE_ACCESS_RO]
const allRegistrants = [T.WRITE_EXCLUSIVE_AR, T.EXCLUSIVE_ACCESS_AR]

describe('REGISTER', () => {
  test('needs key zero from who is not registered', () => refused(out(registered, { ...A, isid: 'ffffffffffff' }, 'REGISTER', { key: KA, newKey: KB }), registered, Status.RESERVATION_CONFLICT))
  test('needs the key from who is', () => refused(out(registered, A, 'REGISTER', { key: KB, newKey: KC }), registered, Status.RESERVATION_CONFLICT))
  test('of nothing by nobody is nothing', () => {
    const o = out(registered, { ...A, port: 2 }, 'REGISTER')
    expect(o.status).toBe(Status.OK)
    expect(o.state).toBe(registered)
  })
  test('changes the key, one generation on', () => {
    const s = after(registered, [A, 'REGISTER', { key: KA, newKey: KC }])
    expect(keysOf(s)).toEqual([KC, KB, KC])
    expect(s.generation).toBe(registered.generation + 1)
  })
  test('the last APTPL counts', () => {
    const s = after(registered, [A, 'REGISTER', { key: KA, newKey: KA, aptpl: true }])
    expect(s.aptpl).toBe(true)
    expect(after(s, [B, 'REGISTER', { key: KB, newKey: KB }]).aptpl).toBe(false)
  })
  test.each(plain)('the holder of type %i unregisters: it ends and nobody is told', (type) => {
    const o = out(held(type), A, 'REGISTER', { key: KA })
    expect(o.state.reservation).toBeUndefined()
    expect(o.notices).toEqual([])
  })
  test.each(registrantsOnly)('the holder of type %i unregisters: it ends and registrants are told', (type) => {
    const o = out(held(type), A, 'REGISTER', { key: KA })
    expect(o.state.reservation).toBeUndefined()
    expect(told(o)).toEqual({ [idOf(B)]: Status.RESERVATIONS_RELEASED, [idOf(C)]: Status.RESERVATIONS_RELEASED })
  })
  test.each(allRegistrants)('type %i ends with the last registrant', (type) => {
    const two = after(held(type), [A, 'REGISTER', { key: KA }], [B, 'REGISTER', { key: KB }])
    expect(two.reservation).toEqual({ type, holder: '' })
    expect(after(two, [C, 'REGISTER', { key: KC }]).reservation).toBeUndefined()
  })
  test('somebody else unregisters: the reservation stays', () => {
    expect(after(held(T.EXCLUSIVE_ACCESS), [B, 'REGISTER', { key: KB }]).reservation?.holder).toBe(idOf(A))
  })
  test('more than there is room for changes nothing', () => {
    const others = Array.from({ length: MOST_REGISTRATIONS }, (_, i) => ({ ...A, initiator: `iqn.2026-11.test:x${i}` }))
    refused(out(emptyState, A, 'REGISTER', { newKey: KA, others }), emptyState, Status.INSUFFICIENT_REGISTRATION)
    expect(after(emptyState, [A, 'REGISTER', { newKey: KA, others: others.slice(1) }]).registrations.size).toBe(MOST_REGISTRATIONS)
  })
})

describe('SPEC_I_PT', () => {
  test('registers the others too, and leaves alone who is registered', () => {
    const s = after(emptyState, [B, 'REGISTER', { newKey: KB }], [A, 'REGISTER', { newKey: KA, others: [B, C] }])
    expect([...s.registrations.values()].map((r) => [r.initiator, r.key])).toEqual([[B.initiator, KB], [A.initiator, KA], [C.initiator, KA]])
  })
  test.each([['registered', registered, { key: KA, newKey: KC }], ['unregistering', emptyState, {}]])('is invalid when %s', (_n, state, more) => {
    refused(out(state, A, 'REGISTER', { ...more, others: [B] }), state, Status.INVALID_PARAM_LIST)
  })
  test('without an ISID every port of the initiator is registered', () => {
    const s = after(emptyState, [A, 'REGISTER', { newKey: KA, others: [{ ...B, isid: '' }] }])
    expect(registrationOf(s, B)?.key).toBe(KA)
    expect(registrationOf(s, { ...B, isid: 'abcabcabcabc' })?.key).toBe(KA)
    expect(registrationOf(s, { ...B, port: 2 })).toBeUndefined()
    expect(registrationOf(s, C)).toBeUndefined()
    const changed = after(s, [B, 'REGISTER', { key: KA, newKey: KB }])
    expect(keysOf(changed)).toEqual([KA, KB])
    expect(after(changed, [{ ...B, isid: '000000000002' }, 'REGISTER', { key: KB }]).registrations.size).toBe(1)
  })
})

describe('ALL_TG_PT', () => {
  const ports = [1, 2]
  test('registers and unregisters on every port', () => {
    const s = after(emptyState, [A, 'REGISTER', { newKey: KA, ports, others: [B] }])
    expect([...s.registrations.values()].map((r) => [r.initiator, r.port])).toEqual([[A.initiator, 1], [B.initiator, 1], [A.initiator, 2], [B.initiator, 2]])
    expect(after(s, [A, 'REGISTER', { key: KA, ports }]).registrations.size).toBe(2)
    expect(after(s, [A, 'REGISTER', { key: KA }]).registrations.size).toBe(3)
  })
  test('REGISTER leaves alone a port where the key is another one, REGISTER AND IGNORE does not', () => {
    const s = after(emptyState, [{ ...A, port: 2 }, 'REGISTER', { newKey: KC, ports: [2] }])
    expect(keysOf(after(s, [A, 'REGISTER', { newKey: KA, ports }]))).toEqual([KC, KA])
    expect(keysOf(after(s, [A, 'REGISTER AND IGNORE EXISTING KEY', { newKey: KA, ports }]))).toEqual([KA, KA])
  })
})

describe('REGISTER AND IGNORE EXISTING KEY', () => {
  test('looks at no key', () => expect(keysOf(after(registered, [A, 'REGISTER AND IGNORE EXISTING KEY', { key: KC, newKey: KB }]))).toEqual([KB, KB, KC]))
  test('zero unregisters', () => expect(keysOf(after(registered, [A, 'REGISTER AND IGNORE EXISTING KEY', {}]))).toEqual([KB, KC]))
})

const ownedActions: readonly OutAction[] = ['RESERVE', 'RELEASE', 'CLEAR', 'PREEMPT', 'PREEMPT AND ABORT', 'REGISTER AND MOVE']
describe.each(ownedActions)('%s', (action) => {
  const more = { type: 1, newKey: KB, move: { to: C, unregister: false } }
  test('conflicts without a registration', () => refused(out(registered, { ...A, isid: '0000000000ff' }, action, { ...more, key: KA }), registered, Status.RESERVATION_CONFLICT))
  test('conflicts with another key', () => refused(out(registered, A, action, { ...more, key: KB }), registered, Status.RESERVATION_CONFLICT))
  test('conflicts under RESERVE(6), from its holder too', () => {
    const s = reserveUnit(emptyState, A).state
    refused(out(s, A, action, { ...more, key: KA }), s, Status.RESERVATION_CONFLICT)
  })
})

describe('RESERVE', () => {
  test.each(every)('type %i again by its holder is nothing', (type) => {
    const s = held(type)
    expect(out(s, A, 'RESERVE', { key: KA, type }).state).toBe(s)
    expect(s.generation).toBe(registered.generation)
  })
  test.each(every)('another type than %i by its holder conflicts', (type) => {
    for (const other of every.filter((t) => t !== type)) refused(out(held(type), A, 'RESERVE', { key: KA, type: other }), held(type), Status.RESERVATION_CONFLICT)
  })
  test.each([...plain, ...registrantsOnly])('by another registrant under type %i conflicts', (type) => {
    refused(out(held(type), B, 'RESERVE', { key: KB, type }), held(type), Status.RESERVATION_CONFLICT)
  })
  test.each(allRegistrants)('type %i is held by every registrant', (type) => expect(out(held(type), B, 'RESERVE', { key: KB, type }).status).toBe(Status.OK))
  test.each([0, 2, 4, 9, 15])('type %i does not exist', (type) => refused(out(registered, A, 'RESERVE', { key: KA, type }), registered, Status.INVALID_CDB))
  test('has the scope of the logical unit', () => refused(out(registered, A, 'RESERVE', { key: KA, type: 1, scope: 1 }), registered, Status.INVALID_CDB))
})

describe('RELEASE', () => {
  test('of nothing is nothing', () => expect(out(registered, A, 'RELEASE', { key: KA, type: 1 }).state).toBe(registered))
  test.each([...plain, ...registrantsOnly])('of type %i by who does not hold it is nothing', (type) => {
    const s = held(type)
    expect(out(s, B, 'RELEASE', { key: KB, type })).toEqual({ state: s, status: Status.OK, notices: [], preempted: [] })
  })
  test.each(every)('of another type than %i is invalid', (type) => {
    for (const other of every.filter((t) => t !== type)) refused(out(held(type), A, 'RELEASE', { key: KA, type: other }), held(type), Status.INVALID_RELEASE)
  })
  test.each(plain)('of type %i tells nobody', (type) => {
    const o = out(held(type), A, 'RELEASE', { key: KA, type })
    expect([o.state.reservation, o.notices]).toEqual([undefined, []])
  })
  test.each([...registrantsOnly, ...allRegistrants])('of type %i tells the other registrants', (type) => {
    expect(told(out(held(type), A, 'RELEASE', { key: KA, type }))).toEqual({ [idOf(B)]: Status.RESERVATIONS_RELEASED, [idOf(C)]: Status.RESERVATIONS_RELEASED })
  })
})

test('CLEAR removes everything and tells the others', () => {
  const o = out(held(T.EXCLUSIVE_ACCESS), B, 'CLEAR', { key: KB })
  expect([o.state.registrations.size, o.state.reservation]).toEqual([0, undefined])
  expect(told(o)).toEqual({ [idOf(A)]: Status.RESERVATIONS_PREEMPTED, [idOf(C)]: Status.RESERVATIONS_PREEMPTED })
})

describe.each(['PREEMPT', 'PREEMPT AND ABORT'] as const)('%s', (action) => {
  test('of a key that nobody has conflicts', () => {
    refused(out(registered, A, action, { key: KA, newKey: 'ffffffffffffffff', type: 1 }), registered, Status.RESERVATION_CONFLICT)
    refused(out(held(T.EXCLUSIVE_ACCESS), B, action, { key: KB, newKey: 'ffffffffffffffff', type: 1 }), held(T.EXCLUSIVE_ACCESS), Status.RESERVATION_CONFLICT)
  })
  test.each([...plain, ...registrantsOnly])('of key zero under type %i is invalid', (type) => {
    refused(out(held(type), B, action, { key: KB, type }), held(type), Status.INVALID_PARAM_LIST)
  })
  test('without a reservation removes registrations, whatever type and scope', () => {
    const o = out(registered, A, action, { key: KA, newKey: KB, type: 0, scope: 3 })
    expect(keysOf(o.state)).toEqual([KA, KC])
    expect(told(o)).toEqual({ [idOf(B)]: Status.REGISTRATIONS_PREEMPTED })
    expect(o.preempted).toEqual([idOf(B)])
  })
  test('of a registrant that holds nothing leaves the reservation', () => {
    const o = out(held(T.WRITE_EXCLUSIVE), B, action, { key: KB, newKey: KC, type: 1 })
    expect(o.state.reservation).toEqual({ type: T.WRITE_EXCLUSIVE, holder: idOf(A) })
    expect(keysOf(o.state)).toEqual([KA, KB])
  })
  test.each([...plain, ...registrantsOnly])('of the holder of type %i takes it over', (type) => {
    const o = out(held(type), B, action, { key: KB, newKey: KA, type })
    expect(o.state.reservation).toEqual({ type, holder: idOf(B) })
    expect(keysOf(o.state)).toEqual([KB, KC])
    expect(told(o)).toEqual({ [idOf(A)]: Status.REGISTRATIONS_PREEMPTED })
    expect(o.preempted).toEqual([idOf(A)])
  })
  test('who stays hears that the type changed', () => {
    const o = out(held(T.WRITE_EXCLUSIVE), B, action, { key: KB, newKey: KA, type: T.EXCLUSIVE_ACCESS })
    expect(told(o)).toEqual({ [idOf(A)]: Status.REGISTRATIONS_PREEMPTED, [idOf(C)]: Status.RESERVATIONS_RELEASED })
  })
  test('of the holder needs a valid type and scope', () => {
    const s = held(T.WRITE_EXCLUSIVE)
    refused(out(s, B, action, { key: KB, newKey: KA, type: 2 }), s, Status.INVALID_CDB)
    refused(out(s, B, action, { key: KB, newKey: KA, type: 1, scope: 1 }), s, Status.INVALID_CDB)
  })
  test('of oneself changes the type', () => {
    const o = out(held(T.WRITE_EXCLUSIVE), A, action, { key: KA, newKey: KA, type: T.EXCLUSIVE_ACCESS })
    expect(o.state.reservation).toEqual({ type: T.EXCLUSIVE_ACCESS, holder: idOf(A) })
    expect([keysOf(o.state), o.preempted]).toEqual([[KA, KB, KC], []])
  })
  test('takes all who share the key of the holder, but not who asks', () => {
    const same = after(emptyState, [A, 'REGISTER', { newKey: KA }], [B, 'REGISTER', { newKey: KA }], [C, 'REGISTER', { newKey: KA }], [A, 'RESERVE', { key: KA, type: 1 }])
    const o = out(same, B, action, { key: KA, newKey: KA, type: 1 })
    expect([...o.state.registrations.keys()]).toEqual([idOf(B)])
    expect(o.state.reservation?.holder).toBe(idOf(B))
    expect(o.preempted).toEqual([idOf(A), idOf(C)])
  })
  test.each(allRegistrants)('of key zero under type %i takes it from everybody', (type) => {
    const o = out(held(type), B, action, { key: KB, type: T.EXCLUSIVE_ACCESS })
    expect(o.state.reservation).toEqual({ type: T.EXCLUSIVE_ACCESS, holder: idOf(B) })
    expect(keysOf(o.state)).toEqual([KB])
    expect(told(o)).toEqual({ [idOf(A)]: Status.REGISTRATIONS_PREEMPTED, [idOf(C)]: Status.REGISTRATIONS_PREEMPTED })
  })
  test.each(allRegistrants)('of a key under type %i removes registrations only', (type) => {
    const o = out(held(type), B, action, { key: KB, newKey: KA, type })
    expect(o.state.reservation).toEqual({ type, holder: '' })
    expect(keysOf(o.state)).toEqual([KB, KC])
  })
})

describe('REGISTER AND MOVE', () => {
  const D: Identity = { ...A, initiator: 'iqn.2026-11.test:d', port: 2 }
  const KD = '000000000000000d'
  const move = (to: Identity, unregister = false): Partial<OutRequest> => ({ key: KA, newKey: KD, move: { to, unregister } })
  test.each([...plain, ...registrantsOnly])('hands type %i to who was not registered', (type) => {
    const o = out(held(type), A, 'REGISTER AND MOVE', move(D))
    expect(o.state.reservation).toEqual({ type, holder: idOf(D) })
    expect(keysOf(o.state)).toEqual([KA, KB, KC, KD])
    expect(o.state.generation).toBe(registered.generation + 1)
  })
  test('UNREG takes the old registration away', () => expect(keysOf(after(held(1), [A, 'REGISTER AND MOVE', move(D, true)]))).toEqual([KB, KC, KD]))
  test('gives a new key to who was registered', () => expect(keysOf(after(held(1), [A, 'REGISTER AND MOVE', move(B)]))).toEqual([KA, KD, KC]))
  test('to oneself, or with key zero, is invalid', () => {
    refused(out(held(1), A, 'REGISTER AND MOVE', move(A)), held(1), Status.INVALID_PARAM_LIST)
    refused(out(held(1), A, 'REGISTER AND MOVE', { ...move(D), newKey: NO_KEY }), held(1), Status.INVALID_PARAM_LIST)
  })
  test('needs a reservation', () => refused(out(registered, A, 'REGISTER AND MOVE', move(D)), registered, Status.INVALID_CDB))
  test('conflicts for who does not hold it', () => refused(out(held(1), B, 'REGISTER AND MOVE', { ...move(D), key: KB }), held(1), Status.RESERVATION_CONFLICT))
  test.each(allRegistrants)('conflicts under type %i', (type) => refused(out(held(type), A, 'REGISTER AND MOVE', move(D)), held(type), Status.RESERVATION_CONFLICT))
})

describe('RESERVE(6), RELEASE(6) beside registrations (CRH)', () => {
  const X: Identity = { ...A, initiator: 'iqn.2026-11.test:x' }
  test.each([['registrations alone', registered, A, false], ['the holder', held(1), A, true], ['a registrant of WE', held(1), B, false],
    ['a registrant of WE RO', held(5), B, true], ['a registrant of EA AR', held(8), B, true], ['nobody', held(8), X, false]] as const)('%s', (_n, state, who, allowed) => {
    for (const f of [reserveUnit, releaseUnit]) {
      const o = f(state, who)
      expect(o.status).toBe(allowed ? Status.OK : Status.RESERVATION_CONFLICT)
      expect(o.state).toBe(state)
    }
  })
})
