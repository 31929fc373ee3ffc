/** States of a device and the only ways between them (DESIGN §11). */
export const lifecycle = {
  added: { opened: 'running', failed: 'closed' },
  running: { connectionLost: 'recovering', remove: 'draining' },
  recovering: { reopened: 'running', remove: 'draining' },
  draining: { idle: 'closing' },
  closing: { closed: 'closed' },
  closed: {},
} as const

export type State = keyof typeof lifecycle
export type Event = { [S in State]: keyof (typeof lifecycle)[S] }[State]

/** The state that follows; throws naming state, event and device when the move is not allowed. */
export function move(state: State, event: Event, device: string): State {
  const next = (lifecycle[state] as Partial<Record<Event, State>>)[event]
  if (!next) throw new Error(`device ${device}: no event ${event} in state ${state}`)
  return next
}
