import { Status } from '@tcmu/host/scsi'
import { concernsRegistrants, type Identity, idOf, isAllRegistrants, type Notice, type Outcome, type Registration, type State } from './types'

/** Registrations of one logical unit; one more is INSUFFICIENT REGISTRATION RESOURCES. */
export const MOST_REGISTRATIONS = 1024

export const emptyState: State = Object.freeze({
  generation: 0, aptpl: false, registrations: new Map<string, Registration>(), reservation: undefined, legacy: undefined,
})

export const refuse = (state: State, status: Status): Outcome => ({ state, status, notices: [], preempted: [] })
export const done = (state: State, notices: readonly Notice[] = [], preempted: readonly string[] = []): Outcome =>
  ({ state, status: Status.OK, notices, preempted })

/** `state` with `changes`, one generation on (SPC-4 table 211: all service actions but RESERVE and RELEASE count). */
export const next = (state: State, changes: Partial<State>): State => ({ ...state, ...changes, generation: (state.generation + 1) >>> 0 })

/** The registration that covers `who`: its own, or the one of its initiator without an ISID. */
export function registrationOf(state: State, who: Identity): Registration | undefined {
  return state.registrations.get(idOf(who)) ?? (who.isid ? state.registrations.get(idOf({ ...who, isid: '' })) : undefined)
}

/** Whether the registration `id` holds the reservation (SPC-4 5.13.10). */
export const isHolder = (state: State, id: string): boolean =>
  state.reservation !== undefined && (isAllRegistrants(state.reservation.type) ? state.registrations.has(id) : state.reservation.holder === id)

/** `status` for every registrant but `own`. */
export const others = (state: State, own: string, status: Status): Notice[] =>
  [...state.registrations.keys()].filter((id) => id !== own).map((id) => ({ id, status }))

/** Registrations without `ids`; the reservation ends with its last holder (SPC-4 5.13.11.3). */
export function remove(state: State, ids: ReadonlySet<string>): Pick<State, 'registrations' | 'reservation'> {
  const registrations = new Map([...state.registrations].filter(([id]) => !ids.has(id)))
  const held = state.reservation
  const stays = held !== undefined && (isAllRegistrants(held.type) ? registrations.size > 0 : registrations.has(held.holder))
  return { registrations, reservation: stays ? held : undefined }
}

/** Who is told when `before` loses its reservation by `after`: the registrants that are left, for the types that concern them. */
export function releaseNotices(before: State, after: Pick<State, 'registrations' | 'reservation'>): Notice[] {
  if (!before.reservation || after.reservation || !concernsRegistrants(before.reservation.type)) return []
  return [...after.registrations.keys()].map((id) => ({ id, status: Status.RESERVATIONS_RELEASED }))
}
