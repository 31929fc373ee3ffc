import { Status } from '@tcmu/host/scsi'
import { enrol } from './register'
import {
  concernsRegistrants, type Identity, idOf, isAllRegistrants, isReservationType, NO_KEY, type Notice, type OutAction, type Outcome, type OutRequest,
  type Registration, type Reservation, type ReservationType, type State,
} from './types'
import { done, isHolder, MOST_REGISTRATIONS, next, others, refuse, registrationOf, remove } from './value'

type Transition = (state: State, who: Identity, request: OutRequest) => Outcome
/** A service action that only registrants who know their key may use (SPC-4 table 67: conflict for others). */
type Owned = (state: State, own: Registration, request: OutRequest) => Outcome

const owned = (transition: Owned): Transition => (state, who, request) => {
  const own = registrationOf(state, who)
  return own && own.key === request.key ? transition(state, own, request) : refuse(state, Status.RESERVATION_CONFLICT)
}

const LU_SCOPE = 0
const isValid = (r: OutRequest): r is OutRequest & { readonly type: ReservationType } => r.scope === LU_SCOPE && isReservationType(r.type)
const heldBy = (own: Registration, type: ReservationType): Reservation => ({ type, holder: isAllRegistrants(type) ? '' : own.id })

/** SPC-4 5.13.9. */
const reserve: Owned = (state, own, r) => {
  if (!isValid(r)) return refuse(state, Status.INVALID_CDB)
  if (!state.reservation) return done({ ...state, reservation: heldBy(own, r.type) })
  const same = isHolder(state, own.id) && state.reservation.type === r.type
  return same ? done(state) : refuse(state, Status.RESERVATION_CONFLICT)
}

/** SPC-4 5.13.11.2. */
const release: Owned = (state, own, r) => {
  if (!isValid(r)) return refuse(state, Status.INVALID_CDB)
  const held = state.reservation
  if (!held || !isHolder(state, own.id)) return done(state)
  if (held.type !== r.type) return refuse(state, Status.INVALID_RELEASE)
  const notices = concernsRegistrants(held.type) ? others(state, own.id, Status.RESERVATIONS_RELEASED) : []
  return done({ ...state, reservation: undefined }, notices)
}

/** SPC-4 5.13.11.6. */
const clear: Owned = (state, own) =>
  done(next(state, { registrations: new Map(), reservation: undefined }), others(state, own.id, Status.RESERVATIONS_PREEMPTED))

/** SPC-4 5.13.11.4 and figure 10. */
const preempt: Owned = (state, own, r) => {
  const held = state.reservation
  const everybody = held !== undefined && isAllRegistrants(held.type)
  if (r.newKey === NO_KEY) {
    if (!everybody) return refuse(state, Status.INVALID_PARAM_LIST)
    return seize(state, own, r, new Set([...state.registrations.keys()].filter((id) => id !== own.id)))
  }
  const named = new Set([...state.registrations.values()].filter((x) => x.key === r.newKey).map((x) => x.id))
  if (held && !everybody && named.has(held.holder)) {
    named.delete(own.id)
    return seize(state, own, r, named)
  }
  if (named.size === 0) return refuse(state, Status.RESERVATION_CONFLICT)
  const lost = [...named].filter((id) => id !== own.id)
  const notices = lost.map((id): Notice => ({ id, status: Status.REGISTRATIONS_PREEMPTED }))
  return done(next(state, remove(state, named)), notices, lost)
}

/** Take the reservation over, and the registrations in `lost` away (SPC-4 5.13.11.4.3). */
function seize(state: State, own: Registration, r: OutRequest, lost: ReadonlySet<string>): Outcome {
  if (!isValid(r)) return refuse(state, Status.INVALID_CDB)
  const registrations = new Map([...state.registrations].filter(([id]) => !lost.has(id)))
  const changed = state.reservation!.type !== r.type
  const notices = others(state, own.id, Status.RESERVATIONS_RELEASED)
    .map(({ id, status }): Notice => ({ id, status: lost.has(id) ? Status.REGISTRATIONS_PREEMPTED : status }))
    .filter(({ id }) => changed || lost.has(id))
  return done(next(state, { registrations, reservation: heldBy(own, r.type) }), notices, [...lost])
}

/** SPC-4 5.13.8. */
const move: Owned = (state, own, r) => {
  const held = state.reservation
  const { to, unregister } = r.move!
  if (!held) return refuse(state, Status.INVALID_CDB)
  if (isAllRegistrants(held.type) || held.holder !== own.id) return refuse(state, Status.RESERVATION_CONFLICT)
  const known = registrationOf(state, to)
  if (r.newKey === NO_KEY || known?.id === own.id) return refuse(state, Status.INVALID_PARAM_LIST)
  if (!known && state.registrations.size >= MOST_REGISTRATIONS) return refuse(state, Status.INSUFFICIENT_REGISTRATION)
  const target: Registration = { ...(known ?? { ...to, id: idOf(to) }), key: r.newKey }
  const registrations = new Map(state.registrations).set(target.id, target)
  if (unregister) registrations.delete(own.id)
  return done(next(state, { registrations, reservation: { ...held, holder: target.id }, aptpl: r.aptpl }))
}

/** SPC-4 5.13.7: a nexus that is not registered has the key zero. */
const register: Transition = (state, who, r) => {
  const own = registrationOf(state, who)
  return (own?.key ?? NO_KEY) === r.key ? enrol(state, who, own, r) : refuse(state, Status.RESERVATION_CONFLICT)
}

const transitions: Readonly<Record<OutAction, Transition>> = {
  REGISTER: register,
  RESERVE: owned(reserve),
  RELEASE: owned(release),
  CLEAR: owned(clear),
  PREEMPT: owned(preempt),
  'PREEMPT AND ABORT': owned(preempt),
  'REGISTER AND IGNORE EXISTING KEY': (state, who, r) => enrol(state, who, registrationOf(state, who), r),
  'REGISTER AND MOVE': owned(move),
}

/** What a PERSISTENT RESERVE OUT of `who` makes of `state`. An SPC-2 reservation shuts it out (SPC-2 5.5.1). */
export function persistentReserveOut(state: State, who: Identity, request: OutRequest): Outcome {
  return state.legacy === undefined ? transitions[request.action](state, who, request) : refuse(state, Status.RESERVATION_CONFLICT)
}
