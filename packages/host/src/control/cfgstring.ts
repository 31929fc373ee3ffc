import { quote, tcmuError } from '../errors'
import { SUBTYPE_MAX, SUBTYPE_PATTERN } from '../handler/manifest'

/** Longer than any path (PATH_MAX) with room for options. */
const MAX_CFGSTRING = 8192
const subtypePattern = new RegExp(SUBTYPE_PATTERN)

export interface Cfgstring {
  readonly subtype: string
  /** All that follows the first slash, as it was written; may be empty. */
  readonly config: string
}

/** Take `SUBTYPE/REST` apart. The subtype is exact, the rest is the handler's business. Throws E_CFGSTRING. */
export function parseCfgstring(text: string): Cfgstring {
  const wrong = (reason: string): Error => tcmuError('E_CFGSTRING', { text: quote(text), reason })
  if (text.length > MAX_CFGSTRING) throw wrong(`it is longer than ${MAX_CFGSTRING} characters`)
  if (/\p{Cc}/u.test(text)) throw wrong('it has control characters')
  const slash = text.indexOf('/')
  if (slash < 0) throw wrong('it has no slash')
  const subtype = text.slice(0, slash)
  if (!subtypePattern.test(subtype) || subtype.length > SUBTYPE_MAX) throw wrong(`${quote(subtype)} is no subtype: letters, digits and underscores`)
  return { subtype, config: text.slice(slash + 1) }
}
