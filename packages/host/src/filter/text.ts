import { quote, tcmuError } from '../errors'

/** A filter by name, and options as they were written. */
export interface FilterText {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
}

const namePattern = /^[a-z][a-z0-9-]{0,63}$/

function optionsOf(name: string, text: string): Record<string, unknown> {
  if (text === '') return {}
  const wrong = (reason: string): Error => tcmuError('E_FILTER', { filter: quote(name), reason })
  const found: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const piece of text.split(';')) {
    const equals = piece.indexOf('=')
    const key = equals < 0 ? piece : piece.slice(0, equals)
    if (key === '' || key in found) throw wrong(key === '' ? 'an option without a name' : `option ${quote(key)} is there twice`)
    found[key] = equals < 0 ? true : piece.slice(equals + 1)
  }
  return { ...found }
}

/** `NAME[:KEY=VALUE;...]`, several joined by `+`; the first is asked first. Throws E_FILTER. */
export function parseFilters(text: string): FilterText[] {
  if (text === '') return []
  return text.split('+').map((piece) => {
    const colon = piece.indexOf(':')
    const name = colon < 0 ? piece : piece.slice(0, colon)
    if (!namePattern.test(name)) throw tcmuError('E_FILTER', { filter: quote(name), reason: 'a name is small letters, digits and dashes' })
    return { name, options: optionsOf(name, colon < 0 ? '' : piece.slice(colon + 1)) }
  })
}

/** The same text again, for lists. */
export const formatFilters = (uses: readonly FilterText[]): string =>
  uses.map(({ name, options }) => {
    const pairs = Object.entries(options).map(([k, v]) => (v === true ? k : `${k}=${String(v)}`))
    return pairs.length ? `${name}:${pairs.join(';')}` : name
  }).join('+')
