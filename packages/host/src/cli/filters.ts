import { createHost } from '../host'
import type { FilterRecord } from '../plugins'
import type { ListFlags } from './handlers'
import { handlerOptions, type Surroundings } from './options'
import { table } from './table'

interface Property {
  readonly description?: string
}

/** One line for each option: its name, and what its schema says of it. */
function optionLines({ options }: FilterRecord): string[] {
  const { properties = {}, required = [] } = (options ?? {}) as { properties?: Readonly<Record<string, Property>>; required?: readonly string[] }
  return table(Object.entries(properties).map(([key, { description = '' }]) => [`    ${key}${required.includes(key) ? ' (required)' : ''}`, description]))
}

/** What filters this machine has, and what was refused and why. Runs no code of theirs. */
export function listFilters(flags: ListFlags, at: Surroundings, print: (line: string) => void): void {
  const inventory = createHost(handlerOptions(flags, at)).filters.registry.inventory()
  if (flags.json) {
    print(JSON.stringify(inventory, undefined, 2))
    return
  }
  const { filters, refused } = inventory
  const heads = table(filters.map((f) => [f.name, `${f.package}@${f.version}`, f.summary + (f.allowed ? '' : `; not allowed here (--inline-filter ${f.name})`)]))
  for (const [i, head] of heads.entries()) {
    print(head)
    optionLines(filters[i]!).forEach(print)
  }
  if (!filters.length) print('no filters')
  for (const r of refused) print(`refused: ${r.message}`)
}
