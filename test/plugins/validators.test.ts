import { createRequire } from 'node:module'
import fc from 'fast-check'
import { configSchema } from '../../packages/host/src/control/config-schema'
import { filterManifestSchema } from '../../packages/host/src/filter'
import { type HandlerManifest, manifestSchema } from '../../packages/host/src/handler'
import { builtName, faultOf, schemaCompiler } from '../../packages/host/src/input'
import { recordsSchema } from '../../packages/host/src/plugins/trust'
import { inRepository } from '../lib/repository'

const load = createRequire(__filename)
const manifests = ['exec', 'file', 'file-optical', 'glfs', 'qcow', 'rbd', 'zbc'].flatMap((name): HandlerManifest[] => {
  const { tcmuHandler } = load(inRepository('packages', `handler-${name}`, 'package.json')) as { tcmuHandler: HandlerManifest | HandlerManifest[] }
  return [tcmuHandler].flat()
})
const options = manifests.flatMap((m) => (m.options ? [[`options of ${m.subtype}`, m.options] as const] : []))

/** A document with something in it taken out or put in the place of something. */
function spoilt(document: unknown, path: readonly number[], instead: unknown): unknown {
  if (path.length === 0 || typeof document !== 'object' || document === null || Object.keys(document).length === 0) return instead
  const copy = structuredClone(document) as Record<string, unknown>
  const key = Object.keys(copy)[path[0]! % Object.keys(copy).length]!
  const value = spoilt(copy[key], path.slice(1), instead)
  if (value === undefined && !Array.isArray(copy)) delete copy[key]
  else copy[key] = value
  return copy
}
const documents = [
  ...manifests, {}, { logLevel: 3, luns: [{ name: 'a', cfgstring: 'file//x', size: '1M' }], chap: { user: 'joe' } }, { packages: { a: { version: '1.0.0', digest: 'x' } } },
]

const schemas: readonly (readonly [string, object])[] = [
  ['manifest of a handler', manifestSchema], ['manifest of a filter', filterManifestSchema], ['configuration', configSchema], ['enabled packages', recordsSchema], ...options,
]

describe('checks that the build made of schemas', () => {
  test.each(schemas)('%s: the same as one that is compiled now, down to the fault', (_, schema) => {
    const compiled = schemaCompiler(true).compile(schema)
    const built = load(inRepository('packages/host/dist/validators', builtName(schema))) as typeof compiled
    const same = (document: unknown): void => {
      expect(built(document)).toBe(compiled(document))
      expect(faultOf(built, document)).toEqual(faultOf(compiled, document))
    }
    documents.forEach(same)
    fc.assert(fc.property(fc.constantFrom(...documents), fc.array(fc.nat(), { maxLength: 4 }), fc.jsonValue(), (d, path, v) => same(spoilt(d, path, v))))
    fc.assert(fc.property(fc.constantFrom(...documents), fc.array(fc.nat(), { maxLength: 4 }), (d, path) => same(spoilt(d, path, undefined))))
  })
})
