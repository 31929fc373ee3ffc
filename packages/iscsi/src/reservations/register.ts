import { Status } from '@tcmu/host/scsi'
import { type Identity, idOf, NO_KEY, type Outcome, type OutRequest, type Registration, type State } from './types'
import { done, MOST_REGISTRATIONS, next, refuse, registrationOf, releaseNotices, remove } from './value'

/** Whether a request through another target port would have been let through there, as ALL_TG_PT has it made. */
const agrees = (there: Registration | undefined, r: OutRequest): boolean =>
  r.action === 'REGISTER AND IGNORE EXISTING KEY' || (there?.key ?? NO_KEY) === r.key

/** Register, change the key, or unregister, once the key has been checked (SPC-4 tables 63 and 64). */
export function enrol(state: State, who: Identity, own: Registration | undefined, r: OutRequest): Outcome {
  if (r.others && (own || r.newKey === NO_KEY)) return refuse(state, Status.INVALID_PARAM_LIST)
  return r.newKey === NO_KEY ? unregister(state, who, own, r) : register(state, who, r)
}

function unregister(state: State, who: Identity, own: Registration | undefined, r: OutRequest): Outcome {
  if (!own) return done(state)
  const ids = new Set([own.id])
  for (const port of r.ports) {
    const there = registrationOf(state, { ...who, port })
    if (there && agrees(there, r)) ids.add(there.id)
  }
  const after = remove(state, ids)
  return done(next(state, { ...after, aptpl: r.aptpl }), releaseNotices(state, after))
}

function register(state: State, who: Identity, r: OutRequest): Outcome {
  const registrations = new Map(state.registrations)
  const put = (at: Identity, known: Registration | undefined): void => {
    const id = known?.id ?? idOf(at)
    registrations.set(id, { initiator: at.initiator, isid: at.isid, port: at.port, ...known, id, key: r.newKey })
  }
  for (const port of new Set([who.port, ...r.ports])) {
    const at = { ...who, port }
    const known = registrationOf(state, at)
    if (port === who.port || agrees(known, r)) put(at, known)
    for (const other of r.others ?? []) {
      const place = { ...other, port }
      if (!registrationOf({ ...state, registrations }, place)) put(place, undefined)
    }
  }
  if (registrations.size > MOST_REGISTRATIONS) return refuse(state, Status.INSUFFICIENT_REGISTRATION)
  return done(next(state, { registrations, aptpl: r.aptpl }))
}
