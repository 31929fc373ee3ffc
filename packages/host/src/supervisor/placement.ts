import { quote, tcmuError } from '../errors'
import type { Origin } from '../plugins'

/** Which process runs a device (DESIGN §11a). */
export const placements = ['inline', 'worker', 'process'] as const
export type Placement = (typeof placements)[number]

/** What the operator said: by subtype. */
export type PlacementChoices = Readonly<Record<string, Placement>>

/** Handlers that come with the host run in it; code of others has a process of its own. */
const byOrigin: Readonly<Record<Origin, Placement>> = { bundled: 'inline', root: 'process', path: 'process', program: 'inline' }

/** `libraries`: shared libraries that the handler opens, as its manifest names them. A crash of one takes its process along. */
export function placementOf(subtype: string, origin: Origin, choices: PlacementChoices = {}, libraries: readonly string[] = []): Placement {
  if (Object.hasOwn(choices, subtype)) return choices[subtype]!
  return origin === 'bundled' && libraries.length > 0 ? 'process' : byOrigin[origin]
}

/** `SUBTYPE=PLACEMENT`, as a flag has it. Throws E_PLACEMENT. */
export function parsePlacement(text: string): readonly [subtype: string, placement: Placement] {
  const [subtype = '', name = '', ...more] = text.split('=')
  const placement = placements.find((p) => p === name)
  if (subtype === '' || placement === undefined || more.length) throw tcmuError('E_PLACEMENT', { text: quote(text), known: placements.join(', ') })
  return [subtype, placement]
}
