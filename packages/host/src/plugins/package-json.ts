import { join } from 'node:path'
import { quote, reasonOf } from '../errors'
import { readBounded } from '../input'

/** npm's own packages stay far below; a larger file is not read. */
export const MAX_PACKAGE_JSON = 1024 * 1024

export type PackageJson =
  | { readonly kind: 'none' }
  | { readonly kind: 'bad'; readonly field: string; readonly wanted: string; readonly found: string }
  | { readonly kind: 'ok'; readonly json: Readonly<Record<string, unknown>> }

const bad = (wanted: string, found: string): PackageJson => ({ kind: 'bad', field: 'package.json', wanted, found })
const absent: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR'])

/** The package.json of a folder. Never throws. */
export function readPackageJson(folder: string): PackageJson {
  let text: string
  try {
    const file = readBounded(join(folder, 'package.json'), MAX_PACKAGE_JSON)
    if ('wanted' in file) return bad(file.wanted, file.found)
    text = file.text
  } catch (e) {
    return absent.has((e as NodeJS.ErrnoException).code) ? { kind: 'none' } : bad('a file that can be read', reasonOf(e))
  }
  try {
    const json: unknown = JSON.parse(text.replace(/^\uFEFF/, ''))
    if (typeof json !== 'object' || json === null || Array.isArray(json)) return bad('a JSON object', quote(json))
    return { kind: 'ok', json: json as Record<string, unknown> }
  } catch (e) {
    return bad('JSON', reasonOf(e))
  }
}
