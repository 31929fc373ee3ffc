import type { Ajv2020, ErrorObject, Options, ValidateFunction } from 'ajv/dist/2020'
import { quote } from '../errors'
import { builtValidator } from './built'

/**
 * A compiler of JSON Schema 2020-12. Strict: a misspelt keyword is an error. `format` is an annotation, `$data` is off, and
 * schemas leave nothing behind in it, so that one compiler serves packages that know nothing of each other. `trusted`: the
 * schema is ours and tested, or has been looked at before; looking at it through the meta-schema first takes a third of the
 * host's start.
 */
export const schemaCompiler = (trusted = false, more: Pick<Options, 'code' | 'coerceTypes'> = {}): Ajv2020 => {
  // Loaded when there is something to check.
  const { Ajv2020: Compiler } = require('ajv/dist/2020') as typeof import('ajv/dist/2020')
  return new Compiler({
    strict: true, allErrors: false, verbose: true, addUsedSchema: false, validateFormats: false, logger: false, meta: !trusted, validateSchema: !trusted, ...more,
  })
}

/** The check of a schema of ours: with the compiler, making one takes as long as a third of the host's start. */
export const validatorOf = (schema: object): ValidateFunction => builtValidator(schema)?.() ?? schemaCompiler(true).compile(schema)

/** What is wrong with a value: which part of it, what would be right, what is there. */
export interface Fault {
  readonly key: string
  readonly wanted: string
  readonly found: string
}

/** Read one value out of a document by JSON pointer. */
function at(document: unknown, pointer: string): unknown {
  const steps = pointer.split('/').slice(1).map((s) => s.replace(/~1/g, '/').replace(/~0/g, '~'))
  return steps.reduce<unknown>((v, step) => (typeof v === 'object' && v !== null ? (v as Record<string, unknown>)[step] : undefined), document)
}

const dotted = (...parts: string[]): string => parts.filter((p) => p !== '').join('.')
const path = (pointer: string): string => pointer.split('/').slice(1).join('.').replace(/~1/g, '/').replace(/~0/g, '~')

type Params = Readonly<Record<string, unknown>>
const list = (v: unknown): string => (Array.isArray(v) ? v.map(quote).join(' or ') : quote(v))
const article = (type: string): string => (/^[aeio]/.test(type) ? `an ${type}` : type === 'null' ? type : `a ${type}`)

/** What would have been right, by the keyword that failed. */
const wanted: Readonly<Record<string, (p: Params, e: ErrorObject) => string>> = {
  type: (p) => [p.type].flat().map((t) => article(String(t))).join(' or '),
  enum: (p) => list(p.allowedValues),
  const: (p) => list(p.allowedValue),
  pattern: (p) => `text like ${String(p.pattern)}`,
  not: (_, e) => `anything but ${quote((e.schema as Params | undefined)?.const)}`,
  minLength: (p) => `at least ${String(p.limit)} characters`,
  maxLength: (p) => `at most ${String(p.limit)} characters`,
  minItems: (p) => `at least ${String(p.limit)} items`,
  maxItems: (p) => `at most ${String(p.limit)} items`,
  minimum: (p) => `a number from ${String(p.limit)}`,
  maximum: (p) => `a number up to ${String(p.limit)}`,
}

/** The first fault that a compiled schema found, `prefix` in front of its key. */
export function faultOf(validate: ValidateFunction, document: unknown, prefix = ''): Fault {
  const e = validate.errors?.[0]
  if (!e) return { key: prefix, wanted: 'something else', found: quote(document) }
  const p = e.params as Params
  const where = path(e.instancePath)
  if (e.keyword === 'required' || e.keyword === 'dependentRequired') {
    return { key: dotted(prefix, where, String(p.missingProperty)), wanted: 'a value', found: 'nothing' }
  }
  if (e.keyword === 'additionalProperties' || e.keyword === 'unevaluatedProperties') {
    const name = String(p.additionalProperty ?? p.unevaluatedProperty)
    const known = Object.keys((e.parentSchema as { properties?: object } | undefined)?.properties ?? {})
    return { key: dotted(prefix, where, name), wanted: known.length ? `one of ${known.join(', ')}` : 'no such key', found: quote(name) }
  }
  return {
    key: dotted(prefix, where) || '(the whole)',
    wanted: wanted[e.keyword]?.(p, e) ?? e.message ?? e.keyword,
    found: quote(at(document, e.instancePath)),
  }
}
