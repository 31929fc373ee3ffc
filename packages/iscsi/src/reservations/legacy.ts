import { Status } from '@tcmu/host/scsi'
import { concernsRegistrants, type Identity, idOf, type Outcome, type State } from './types'
import { done, isHolder, refuse, registrationOf } from './value'

/** SPC-4 5.13.3 compatible reservation handling: GOOD without effect for whom the reservation serves, else a conflict. */
function beside(state: State, who: Identity): Outcome {
  const own = registrationOf(state, who)
  const serves = own && state.reservation && (isHolder(state, own.id) || concernsRegistrants(state.reservation.type))
  return serves ? done(state) : refuse(state, Status.RESERVATION_CONFLICT)
}

/** RESERVE(6), RESERVE(10): the logical unit for one nexus until it lets go, is lost, or a reset (SPC-2 7.21). */
export function reserveUnit(state: State, who: Identity): Outcome {
  if (state.registrations.size) return beside(state, who)
  const id = idOf(who)
  if (state.legacy === id) return done(state)
  return state.legacy === undefined ? done({ ...state, legacy: id }) : refuse(state, Status.RESERVATION_CONFLICT)
}

/** RELEASE(6), RELEASE(10): GOOD from everybody, with effect from the holder (SPC-2 7.16). */
export function releaseUnit(state: State, who: Identity): Outcome {
  if (state.registrations.size) return beside(state, who)
  return done(state.legacy === idOf(who) ? { ...state, legacy: undefined } : state)
}
