import { quote, tcmuError } from '../errors'
import { filterMembers } from './members'
import type { Filter } from './types'

/** Check a value that claims to be a filter. Throws E_FILTER naming the member. */
export function checkFilter(value: unknown): Filter {
  const wrong = (name: unknown, reason: string): Error => tcmuError('E_FILTER', { filter: quote(name), reason })
  if (typeof value !== 'object' || value === null) throw wrong(value, 'a filter is an object; export default defineFilter({ … })')
  const definition = value as Record<string, unknown>
  const { name: called } = definition
  const missing = Object.entries(filterMembers).find(([name, { required }]) => required && definition[name] === undefined)
  if (missing) throw wrong(called, `\`${missing[0]}\` is missing`)
  for (const [name, v] of Object.entries(definition)) {
    if (!Object.hasOwn(filterMembers, name)) throw wrong(called, `\`${name}\` is no member of the filter API; it knows ${Object.keys(filterMembers).join(', ')}`)
    if (v !== undefined && !filterMembers[name as keyof Filter].is(v)) throw wrong(called, `\`${name}\` is not what it must be`)
  }
  const promised = (definition['provides'] as readonly string[] | undefined)?.find((name) => definition[name] === undefined)
  if (promised !== undefined) throw wrong(called, `it provides \`${promised}\` and has none`)
  return value as Filter
}

/** Declare a filter: checked, and frozen. Throws E_FILTER. */
export function defineFilter<S, O = unknown>(definition: Filter<S, O>): Filter<S, O> {
  return Object.freeze(checkFilter(definition) as Filter<S, O>)
}
