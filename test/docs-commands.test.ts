import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { program } from '../packages/host/src/cli/program'
import { configSchema } from '../packages/host/src/control/config-schema'
import { loadConfig } from '../packages/host/src/control/config-file'
import { parseLun } from '../packages/host/src/control/lun'
import { FILTER_API_VERSION, parseFilters } from '../packages/host/src/filter'
import { errorTable } from '../packages/host/src/errors'
import { portalErrors } from '../packages/iscsi/src/errors'
import { taskManagement } from '../packages/iscsi/src/task-management'
import { operatorTables } from './lib/docs-tables'
import { filesBelow, inRepository } from './lib/repository'

/** What documents say to type, and what they say there is. */
const textOf = (file: string): string => readFileSync(inRepository(file), 'utf8')
const documents = filesBelow('', (n) => n.endsWith('.md')).filter((f) => !f.startsWith('.'))
const root = program({ env: {}, uid: 0 }, () => undefined)
const flagsOf = (name: string): string[] => [...root.commands.find((c) => c.name() === name)!.options.map((o) => o.long!), '--help']

/** Lines to type that call `tcmu-host`, with the file they are in. */
const calls = [...documents, 'packages/host/src/cli/help.ts', 'packages/host/man/tcmu-host.8'].flatMap((file) =>
  [...textOf(file).replaceAll('\\-', '-').matchAll(/^ *(?:PORT=\d+ )?tcmu-host ([a-z-]+)\b(.*)$/gm)].map((m) => [file, m[1]!, m[2]!.replace(/\s#.*$/, '')] as const))

test('there are calls in the documents', () => expect(calls.length).toBeGreaterThan(20))

test.each(calls)('%s: tcmu-host %s%s', (_, name, rest) => {
  expect(root.commands.map((c) => c.name())).toContain(name)
  const flags = (rest.match(/(?<=\s)--[a-z-]+/g) ?? []).filter((f) => !flagsOf(name).includes(f))
  expect(flags).toEqual([])
  for (const [, text] of rest.matchAll(/--lun (name=\S+)/g)) expect(parseLun(text!)).toMatchObject({ subtype: expect.any(String) as string })
})

test('the example of a configuration holds, and the unit calls what there is', () => {
  expect(loadConfig(inRepository('test/docs-examples/host.yaml'), {}).luns.map((l) => l.name)).toEqual(['disk0', 'archive'])
  const [, name, rest] = /cli\.js (\w+) (.*)/.exec(textOf('test/docs-examples/tcmu-host.service'))!
  expect((rest!.match(/--[a-z-]+/g) ?? []).filter((f) => !flagsOf(name!).includes(f))).toEqual([])
})

test('the example of filters holds, every filter has an example or a row, and its version is the present one', () => {
  const said = textOf('docs/filters.md')
  const { devices, luns, inlineFilters } = loadConfig(inRepository('test/docs-examples/filters.yaml'), {})
  const used = [...Object.values(devices!), ...luns].flatMap(({ filters = [] }) => filters.map((f) => f.name))
  const { tcmuFilter } = JSON.parse(textOf('packages/filters/package.json')) as { tcmuFilter: { name: string }[] }
  const known = tcmuFilter.map((f) => f.name)
  expect(used.filter((name) => !known.includes(name))).toEqual(inlineFilters)
  for (const name of known) expect(said).toContain(`| \`${name}\` |`)
  for (const [, text] of said.matchAll(/^ {4}filters=(\S+)/gm)) expect(known).toEqual(expect.arrayContaining(parseFilters(text!).map((f) => f.name)))
  expect(said).toContain(FILTER_API_VERSION)
})

test('operations.md says what to do about every error', () => {
  const said = textOf('docs/operations.md')
  // What a program meets that embeds the portal, and faults of the other side of a ring.
  const elsewhere = /^E_(RING_|LUN_(NUMBER|TAKEN)|PORTAL_CLOSED)/
  expect([...Object.keys(errorTable), ...Object.keys(portalErrors)].filter((c) => !elsewhere.test(c) && !said.includes(`\`${c}`))).toEqual([])
})

test('every code in the sources is in the documents', () => {
  const sources = [...filesBelow('packages', (n) => n.endsWith('.ts') && !n.endsWith('.test.ts'))].map(textOf).join('\n')
  const said = documents.map(textOf).join('\n')
  expect([...new Set(sources.match(/(?<=['"`])E_[A-Z]+(_[A-Z]+)*(?=['"`:])/g))].filter((c) => c !== 'E_CODE' && !said.includes(c))).toEqual([])
})

/** Members of an interface, as written. */
function membersOf(file: string, name: string): string[] {
  const found = ts.createSourceFile(file, textOf(file), ts.ScriptTarget.ES2022, true).statements.find((s) => ts.isInterfaceDeclaration(s) && s.name.text === name)
  return (found as ts.InterfaceDeclaration).members.map((m) => m.name!.getText())
}

test.each(['IoFile', 'OpenFile', 'DeviceInfo', 'DeviceProperties', 'HandlerLog'])('handler-api.md has every member of %s', (name) => {
  const said = textOf('docs/handler-api.md')
  expect(membersOf('packages/host/src/handler/types.ts', name).filter((m) => !new RegExp(`\\b${m}\\b`).test(said))).toEqual([])
})

test('tables are complete: every key has a meaning, every function an effect', () => {
  const config = operatorTables['config']!()
  expect(config).not.toMatch(/\| {2}\|$/m)
  expect(config.match(/^\| `/gm)).toHaveLength(Object.keys(configSchema.properties).length + 4 + 8 + 11)
  expect(operatorTables['iscsi-tmf']!()).not.toContain('| ? |')
  expect(operatorTables['iscsi-tmf']!().match(/^\| \d/gm)).toHaveLength(taskManagement.size)
})
