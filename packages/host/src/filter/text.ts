import { quote, tcmuError } from '../errors'
import { FILTER_NAME_PATTERN } from './manifest'

/** A filter by name, and its options as they were written. */
export interface FilterText {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
}

/** Filters before one device; more are a mistake. */
export const MOST_FILTERS = 16
const namePattern = new RegExp(FILTER_NAME_PATTERN)
const keyPattern = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/
/** What ends a value here or in the text of a LUN, and what stands for others. */
const special = /[%,:+\p{Cc}]/gu
const encoded = (text: string): string => text.replace(special, (c) => encodeURIComponent(c))

const wrong = (filter: unknown, reason: string): Error => tcmuError('E_FILTER', { filter: quote(filter), reason })

function valueOf(name: string, key: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrong(name, `option ${quote(key)} has a percent sign that begins no code; write %25 for one`)
  }
}

function optionsOf(name: string, pieces: readonly string[]): Record<string, unknown> {
  const found = new Map<string, unknown>()
  for (const piece of pieces) {
    const equals = piece.indexOf('=')
    const key = equals < 0 ? piece : piece.slice(0, equals)
    if (!keyPattern.test(key)) throw wrong(name, `${quote(key)} is no name of an option`)
    if (found.has(key)) throw wrong(name, `option ${quote(key)} is there twice`)
    found.set(key, equals < 0 ? true : valueOf(name, key, piece.slice(equals + 1)))
  }
  return Object.fromEntries(found)
}

function checkName(name: unknown): string {
  if (typeof name !== 'string' || !namePattern.test(name)) throw wrong(name, 'a name is small letters, digits and dashes')
  return name
}
function atMost<T>(list: readonly T[]): readonly T[] {
  if (list.length > MOST_FILTERS) throw wrong('(any)', `at most ${MOST_FILTERS} filters stand before a device, not ${list.length}`)
  return list
}

/**
 * `NAME[:KEY[=VALUE]]...`, several joined by `+`; the first is asked first. In a value `%` and two hexadecimal digits stand for a
 * character, as they must for `,` `:` `+` and `%`. Throws E_FILTER.
 */
export function parseFilters(text: string): FilterText[] {
  if (text === '') return []
  return atMost(text.split('+')).map((piece) => {
    const [name = '', ...options] = piece.split(':')
    return { name: checkName(name), options: optionsOf(name, options) }
  })
}

/** Filters as a configuration file has them: one text, or a list of texts and of objects with `name` and options. Throws E_FILTER. */
export function readFilters(value: unknown): FilterText[] {
  if (typeof value === 'string') return parseFilters(value)
  if (!Array.isArray(value)) throw wrong(value, 'filters are a text, or a list')
  const all = value.flatMap((item: unknown) => {
    if (typeof item === 'string') return parseFilters(item)
    if (typeof item !== 'object' || item === null || Array.isArray(item)) throw wrong(item, 'a filter is a text, or an object with `name` and its options')
    const { name, ...options } = item as Record<string, unknown>
    return [{ name: checkName(name), options }]
  })
  return [...atMost(all)]
}

const valueText = (value: unknown): string => encoded(typeof value === 'string' ? value : JSON.stringify(value))

/** The same text again, for lists. */
export const formatFilters = (uses: readonly FilterText[]): string =>
  uses.map(({ name, options }) => [name, ...Object.entries(options).map(([k, v]) => (v === true ? k : `${k}=${valueText(v)}`))].join(':')).join('+')
