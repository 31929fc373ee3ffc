import { realpathSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { quote, reasonOf } from '../errors'

export interface BadEntry {
  readonly field: string
  readonly wanted: string
  readonly found: string
}

/** Conditions of package `exports` under which the host imports, as Node.js has them. */
const conditions: ReadonlySet<string> = new Set(['node', 'import', 'module-sync', 'default'])
const MAX_NESTING = 8

/** The target of "." in an `exports` field: the first that applies, in the order written. */
function exportTarget(exports: unknown, depth = 0): unknown {
  if (typeof exports === 'string' || depth > MAX_NESTING) return exports
  if (Array.isArray(exports)) return exports.map((e) => exportTarget(e, depth + 1)).find((t) => t !== undefined)
  if (typeof exports !== 'object' || exports === null) return undefined
  for (const [key, value] of Object.entries(exports)) {
    if (!(depth === 0 && key === '.') && !conditions.has(key)) continue
    const target = exportTarget(value, depth + 1)
    if (target !== undefined) return target
  }
  return undefined
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true

/** Paths a `main` may mean (Node.js: as is, with .js, a folder's index.js). */
const mainPaths = (main: string): string[] => [main, `${main}.js`, join(main, 'index.js')]

function inside(folder: string, relative: string, field: string): string | BadEntry | undefined {
  const path = join(folder, relative)
  if (!isFile(path)) return undefined
  const real = realpathSync(path)
  const root = realpathSync(folder)
  return real.startsWith(root + sep) ? real : { field, wanted: 'a file inside the package', found: real }
}

/**
 * The file that importing the package would run, found without running anything: an absolute path with its links
 * resolved, inside the package. Never throws.
 */
export function entryOf(folder: string, json: Readonly<Record<string, unknown>>): string | BadEntry {
  const declared = json.exports !== undefined && json.exports !== null
  const field = declared ? 'exports' : 'main'
  const target = declared ? exportTarget(json.exports) : (json.main ?? 'index.js')
  if (typeof target !== 'string' || (declared && !target.startsWith('./')) || target.includes('\0')) {
    return { field, wanted: declared ? 'a path of "." that begins with ./' : 'a path', found: quote(target ?? json[field]) }
  }
  try {
    for (const path of declared ? [target] : [...mainPaths(target), 'index.js']) {
      const found = inside(folder, path, field)
      if (found !== undefined) return found
    }
  } catch (e) {
    return { field, wanted: 'a file that can be read', found: reasonOf(e) }
  }
  return { field, wanted: 'a file that exists', found: quote(target) }
}
