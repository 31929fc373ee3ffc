import { quote, reasonOf } from '../errors'
import { checkFilter, type Filter, type FilterManifest } from '../filter'
import { refusal } from './candidate'
import { type ImportModule, importPackage } from './load'
import type { Accepted } from './validate'

/** The filter of this name in what a module exports by default; CommonJS modules made from TypeScript keep it one level down. */
function definitionIn(namespace: unknown, name: string): unknown {
  const exported = (namespace as { default?: unknown } | null)?.default
  const nested = typeof exported === 'object' && exported !== null && 'default' in exported ? exported.default : exported
  return Array.isArray(nested) ? nested.find((f: unknown) => (f as { name?: unknown } | null)?.name === name) : nested
}

/** Run the package's code and check that it has the filter that the manifest says. Rejects with E_HANDLER_IMPORT or E_HANDLER_MISMATCH. */
export async function loadFilter(accepted: Accepted, load: ImportModule, deadlineMs?: number): Promise<Filter> {
  const { candidate } = accepted
  const { name } = accepted.manifest as unknown as FilterManifest
  const definition = definitionIn(await importPackage(accepted, load, deadlineMs), name)
  if (definition === undefined) throw refusal('E_HANDLER_MISMATCH', candidate, 'module', `a default export made by defineFilter(), or a list with the filter ${name}`, 'none')
  let filter: Filter
  try {
    filter = checkFilter(definition)
  } catch (e) {
    throw refusal('E_HANDLER_MISMATCH', candidate, 'module', 'a filter', reasonOf(e))
  }
  if (filter.name !== name) throw refusal('E_HANDLER_MISMATCH', candidate, 'name', quote(name), quote(filter.name))
  return filter
}
