/**
 * States of the drive and the only ways between them. `open`: the tray is out. `empty`: the tray is in without a disc that can
 * be read. The two other conditions of a drive are no states of it: removal may be prevented by initiators in any state, and a
 * changed medium is news to each of them until they were told.
 */
export const transitions = {
  open: { close: 'loading' },
  empty: { eject: 'open', close: 'loading' },
  loading: { found: 'present', nothing: 'empty' },
  present: { eject: 'open' },
} as const

export type DriveState = keyof typeof transitions
export type DriveEvent = { [S in DriveState]: keyof (typeof transitions)[S] }[DriveState]

/** What does not happen while an initiator prevents the removal of the medium. */
export const guarded: ReadonlySet<DriveEvent> = new Set<DriveEvent>(['eject'])

/** The state that follows; undefined when the event means nothing in this state. */
export const next = (state: DriveState, event: DriveEvent): DriveState | undefined =>
  (transitions[state] as Partial<Record<DriveEvent, DriveState>>)[event]
