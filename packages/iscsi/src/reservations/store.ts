import path from 'node:path'
import { StateFile, StateFileError } from '@tcmu/host/state'
import { idOf, isAllRegistrants, isReservationType, type Key, NO_KEY, type Registration, type State } from './types'
import { emptyState, MOST_REGISTRATIONS } from './value'

/** What of a state outlives the process (APTPL, SPC-4 5.13.5). */
export interface PersistentState {
  readonly registrations: readonly { readonly initiator: string; readonly isid: string; readonly port: number; readonly key: Key }[]
  /** `holder`: index into `registrations`, −1 when all registrants hold it. */
  readonly reservation?: { readonly type: number; readonly holder: number }
}

/** Where the state of one logical unit is kept. `save` resolves when it would outlive a loss of power. */
export interface ReservationStore {
  /** Throws a ReservationStoreError when there is a state that cannot be read. */
  load(): PersistentState | undefined
  /** `undefined`: there is nothing to keep any more. */
  save(state: PersistentState | undefined): Promise<void>
}

/** The kept reservations of a device cannot be used: `message` is `E_RESERVATION_STATE: what, where, what to do`. */
export class ReservationStoreError extends Error {
  readonly code = 'E_RESERVATION_STATE'
  constructor(readonly file: string, reason: string, options?: ErrorOptions) {
    super(`E_RESERVATION_STATE: ${file}: ${reason}. Without it reservations would be lost; restore the file, or remove it to start with none`, options)
    this.name = 'ReservationStoreError'
  }
}

/** The persistent part of a state. */
export function persistentOf(state: State): PersistentState | undefined {
  if (!state.aptpl) return undefined
  const all = [...state.registrations.values()]
  const held = state.reservation
  return {
    registrations: all.map(({ initiator, isid, port, key }) => ({ initiator, isid, port, key })),
    ...(held && { reservation: { type: held.type, holder: all.findIndex((r) => r.id === held.holder) } }),
  }
}

const fail = (reason: string): never => {
  throw new TypeError(reason)
}

function registrationFrom(value: Partial<Registration> | null): Registration {
  const { initiator, isid, port, key } = value ?? {}
  if (typeof initiator !== 'string' || !initiator) fail('a registration has no initiator name')
  if (typeof isid !== 'string' || !/^([0-9a-f]{12})?$/.test(isid)) fail(`${initiator} has an ISID that is not 12 hexadecimal digits`)
  if (!Number.isInteger(port) || port! < 0 || port! > 0xffff) fail(`${initiator} has no relative target port`)
  if (typeof key !== 'string' || !/^[0-9a-f]{16}$/.test(key) || key === NO_KEY) fail(`${initiator} has a key that is not 16 hexadecimal digits`)
  const who = { initiator: initiator!, isid: isid!, port: port! }
  return { ...who, key: key!, id: idOf(who) }
}

/** The state to start with. Throws a TypeError that says what is wrong with `kept`. */
export function stateFrom(kept: PersistentState | undefined): State {
  if (kept === undefined) return emptyState
  if (typeof kept !== 'object' || kept === null || !Array.isArray(kept.registrations)) return fail('it holds no registrations')
  if (kept.registrations.length > MOST_REGISTRATIONS) fail(`more than ${MOST_REGISTRATIONS} registrations`)
  const all = kept.registrations.map((r: Partial<Registration> | null) => registrationFrom(r))
  const registrations = new Map(all.map((r) => [r.id, r]))
  if (registrations.size !== all.length) fail('a registration is there twice')
  const state: State = { ...emptyState, aptpl: true, registrations }
  if (kept.reservation === undefined) return state
  const { type, holder } = kept.reservation ?? {}
  if (!isReservationType(type) || !all.length) return fail('its reservation has no type or no registrant')
  if (isAllRegistrants(type)) return { ...state, reservation: { type, holder: '' } }
  return { ...state, reservation: { type, holder: (all[holder] ?? fail('its reservation has no holder')).id } }
}

const KIND = 'persistent reservations'
const VERSION = 2

/** One file for each logical unit in `directory`: after a crash the old or the new state is there. */
export function fileReservationStore(directory: string, lunName: string): ReservationStore {
  const state = new StateFile(path.join(directory, `${encodeURIComponent(lunName)}.reservations.json`), KIND, VERSION)
  const refuse = (e: unknown): never => {
    throw new ReservationStoreError(state.file, e instanceof StateFileError ? e.reason : (e as Error).message, { cause: e })
  }
  return {
    load() {
      try {
        const kept = state.read() as PersistentState | undefined
        stateFrom(kept)
        return kept
      } catch (e) {
        return refuse(e)
      }
    },
    save: (kept) => (kept ? state.write(kept) : state.remove()),
  }
}
