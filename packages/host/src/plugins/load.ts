import { pathToFileURL } from 'node:url'
import { quote, reasonOf, TcmuError } from '../errors'
import { checkHandler, shapeOf } from '../handler/define'
import type { Handler } from '../handler/types'
import { refusal } from './candidate'
import type { Accepted } from './validate'

/** Imports a module by URL and gives its namespace; tests bring their own where `import()` is not to be had. */
export type ImportModule = (url: string) => Promise<unknown>
export const importModule: ImportModule = (url) => import(url) as Promise<unknown>

/** A package whose module has not settled by then (a top level await) is named instead of waited for. */
export const IMPORT_DEADLINE_MS = 20_000

function deadline(ms: number): { expired: Promise<never>; clear: () => void } {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not finish loading within ${ms / 1000} s`)), ms)
  })
  return { expired, clear: () => clearTimeout(timer) }
}

/** The default export; CommonJS modules made from TypeScript keep it one level down. Of a list, the one of the subtype. */
function definitionIn(namespace: unknown, subtype: string): unknown {
  const exported = (namespace as { default?: unknown } | null)?.default
  const nested = typeof exported === 'object' && exported !== null && !Array.isArray(exported) && shapeOf(exported) === undefined && 'default' in exported
  const found = nested ? exported.default : exported
  return Array.isArray(found) ? found.find((h: unknown) => (h as { subtype?: unknown } | null)?.subtype === subtype) : found
}

function importFailure({ candidate, manifest }: Accepted, error: unknown): TcmuError {
  const libraries = manifest.requires?.libraries
  const hint = libraries?.length ? ` (it requires ${libraries.join(', ')})` : ''
  const failed = refusal('E_HANDLER_IMPORT', candidate, 'module', 'a module that loads', `${reasonOf(error)}${hint}`)
  return new TcmuError(failed.code, failed.message.slice(failed.code.length + 2), failed.facts, { cause: error })
}

/** Run the package's code; its namespace. Rejects with E_HANDLER_IMPORT. */
export async function importPackage(accepted: Accepted, load: ImportModule, deadlineMs = IMPORT_DEADLINE_MS): Promise<unknown> {
  const limit = deadline(deadlineMs)
  try {
    return await Promise.race([load(pathToFileURL(accepted.entry).href), limit.expired])
  } catch (e) {
    throw importFailure(accepted, e)
  } finally {
    limit.clear()
  }
}

/**
 * Run the package's code and check that it is what the manifest said. Rejects with E_HANDLER_IMPORT, E_HANDLER_SHAPE or
 * E_HANDLER_MISMATCH.
 */
export async function loadHandler(accepted: Accepted, load: ImportModule, deadlineMs?: number): Promise<Handler> {
  const { candidate, manifest } = accepted
  const namespace = await importPackage(accepted, load, deadlineMs)
  const definition = definitionIn(namespace, manifest.subtype)
  if (definition === undefined) throw refusal('E_HANDLER_MISMATCH', candidate, 'module', `a default export made by defineHandler(), or a list with the handler ${manifest.subtype}`, 'no default export')
  let handler: Handler
  try {
    handler = checkHandler(definition)
  } catch (e) {
    throw refusal('E_HANDLER_MISMATCH', candidate, 'module', 'a handler', reasonOf(e))
  }
  if (handler.subtype !== manifest.subtype) {
    throw refusal('E_HANDLER_MISMATCH', candidate, 'subtype', quote(manifest.subtype), quote(handler.subtype))
  }
  const shape = shapeOf(handler)
  if (shape !== manifest.shape) throw refusal('E_HANDLER_MISMATCH', candidate, 'shape', quote(manifest.shape), quote(shape))
  return handler
}
