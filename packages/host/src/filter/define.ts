import { quote, tcmuError } from '../errors'
import { FILTER_NAME_PATTERN } from './manifest'
import { filtered, type Filter, removable } from './types'

const namePattern = new RegExp(FILTER_NAME_PATTERN)
const listOf = (some: readonly string[]) => (v: unknown): boolean => Array.isArray(v) && v.every((n) => some.includes(n as string))

const members: Readonly<Record<string, (v: unknown) => boolean>> = {
  name: (v) => typeof v === 'string' && namePattern.test(v),
  summary: (v) => typeof v === 'string' && v.length > 0,
  without: listOf(removable),
  provides: listOf(filtered),
  fixedSize: (v) => typeof v === 'boolean',
  fua: (v) => v === 'native' || v === 'emulate',
  ...Object.fromEntries(['sizeBehind', 'sizeHere', 'declare', 'open', 'close', 'resized', 'around', ...filtered].map((name) => [name, (v: unknown) => typeof v === 'function'])),
}

/** Check a value that claims to be a filter. Throws E_FILTER naming the member. */
export function checkFilter(value: unknown): Filter {
  const wrong = (name: unknown, reason: string): Error => tcmuError('E_FILTER', { filter: quote(name), reason })
  if (typeof value !== 'object' || value === null) throw wrong(value, 'a filter is an object; export default defineFilter({ … })')
  const definition = value as Record<string, unknown>
  for (const name of ['name', 'summary']) if (definition[name] === undefined) throw wrong(definition['name'], `\`${name}\` is missing`)
  for (const [name, v] of Object.entries(definition)) {
    const is = Object.hasOwn(members, name) ? members[name] : undefined
    if (!is) throw wrong(definition['name'], `\`${name}\` is no member of the filter API; it knows ${Object.keys(members).join(', ')}`)
    if (v !== undefined && !is(v)) throw wrong(definition['name'], `\`${name}\` is not what it must be`)
  }
  const promised = (definition['provides'] as readonly string[] | undefined)?.find((name) => definition[name] === undefined)
  if (promised !== undefined) throw wrong(definition['name'], `it provides \`${promised}\` and has none`)
  return value as Filter
}

/** Declare a filter: checked, and frozen. Throws E_FILTER. */
export function defineFilter<S, O = unknown>(definition: Filter<S, O>): Filter<S, O> {
  return Object.freeze(checkFilter(definition) as Filter<S, O>)
}
