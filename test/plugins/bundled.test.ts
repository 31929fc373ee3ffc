import { readdirSync, readFileSync } from 'node:fs'
import { compileOptions } from '../../packages/host/src/plugins/options'
import { inRepository } from '../lib/repository'

interface Manifest { readonly subtype?: string; readonly name?: string; readonly options?: Record<string, unknown> }

/** Every manifest of the packages here that declares options, by package. */
const declared = readdirSync(inRepository('packages')).flatMap((folder): [string, Record<string, unknown>][] => {
  const json = JSON.parse(readFileSync(inRepository('packages', folder, 'package.json'), 'utf8')) as Record<string, Manifest | Manifest[] | undefined>
  return [json['tcmuHandler'], json['tcmuFilter']].flat()
    .flatMap((m) => (m?.options ? [[`${folder}: ${m.subtype ?? m.name}`, m.options] as [string, Record<string, unknown>]] : []))
})

test('there are some', () => expect(declared.length).toBeGreaterThan(10))

// The host takes the schemas of its own packages for good when it starts.
test.each(declared)('the options of %s are a JSON Schema of 2020-12', (_name, schema) => {
  expect(compileOptions(schema)).toBeInstanceOf(Function)
})
