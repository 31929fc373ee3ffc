import type { Ajv2020, ValidateFunction } from 'ajv/dist/2020'
import { quote, reasonOf, tcmuError } from '../errors'
import { faultOf, schemaCompiler } from '../input'

/** A schema of a package's options is someone else's text that code is made from: it is kept small. */
const MAX_SCHEMA_BYTES = 64 * 1024
const MAX_SCHEMA_DEPTH = 32
const MAX_PATTERN = 256

export interface BadSchema {
  readonly wanted: string
  readonly found: string
}
export type OptionsCheck = (options: unknown, device: string, subtype: string) => void

/** What about a schema is beyond the limits; undefined when nothing is. */
function excess(node: unknown, depth = 0): BadSchema | undefined {
  if (typeof node !== 'object' || node === null) return undefined
  if (depth > MAX_SCHEMA_DEPTH) return { wanted: `at most ${MAX_SCHEMA_DEPTH} levels`, found: 'more' }
  for (const [key, value] of Object.entries(node as Record<string, unknown>)) {
    if (key === 'pattern' && typeof value === 'string' && value.length > MAX_PATTERN) {
      return { wanted: `patterns of at most ${MAX_PATTERN} characters`, found: `${value.length} characters` }
    }
    const deeper = excess(value, depth + 1)
    if (deeper) return deeper
  }
  return undefined
}

/** Compile the schema of a package's options; `compiler` may be one for many packages. */
export function compileOptions(schema: Readonly<Record<string, unknown>>, compiler: Ajv2020 = schemaCompiler()): ValidateFunction | BadSchema {
  const tooDeep = excess(schema)
  if (tooDeep) return tooDeep
  const bytes = JSON.stringify(schema).length
  if (bytes > MAX_SCHEMA_BYTES) return { wanted: `at most ${MAX_SCHEMA_BYTES} bytes`, found: `${bytes} bytes` }
  if (schema.$async === true) return { wanted: 'a schema without $async', found: '$async' }
  try {
    return compiler.compile(schema)
  } catch (e) {
    return { wanted: 'a JSON Schema (2020-12, strict)', found: reasonOf(e) }
  }
}

/** Throws E_OPTIONS naming the key when the options of a device do not fit the handler's schema. */
export function checkOptions(validate: ValidateFunction | undefined, options: unknown, device: string, subtype: string): void {
  if (options === undefined) {
    if (!validate || validate({})) return
    throw tcmuError('E_OPTIONS', { device, subtype, ...faultOf(validate, {}) })
  }
  if (!validate) throw tcmuError('E_OPTIONS', { device, subtype, key: '(any)', wanted: 'none: this handler takes no options', found: quote(options) })
  if (!validate(options)) throw tcmuError('E_OPTIONS', { device, subtype, ...faultOf(validate, options) })
}
