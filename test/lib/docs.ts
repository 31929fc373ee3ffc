import { readFileSync } from 'node:fs'
import { errorTable } from '../../packages/host/src/errors'
import { filterManifestSchema, filterMembers } from '../../packages/host/src/filter'
import { manifestSchema } from '../../packages/host/src/handler/manifest'
import { handlerMembers, type Members } from '../../packages/host/src/handler/members'
import { handlerApiChanges } from '../../packages/host/src/handler/version'
import { handlerPromises } from '../../packages/host/src/testing/conformance'
import { operatorTables } from './docs-tables'
import { table } from './markdown'
import { inRepository } from './repository'

interface Property { readonly type?: string; readonly description?: string; readonly enum?: readonly string[]; readonly properties?: Readonly<Record<string, Property>> }

function properties(of: Readonly<Record<string, Property>>, required: readonly string[], prefix = ''): string[][] {
  return Object.entries(of).flatMap(([name, p]) => [
    [`\`${prefix}${name}\``, p.enum ? p.enum.map((v) => `\`${v}\``).join(', ') : (p.type ?? ''), required.includes(name) ? 'yes' : '', p.description ?? ''],
    ...(p.properties ? properties(p.properties, [], `${prefix}${name}.`) : []),
  ])
}

interface FilterOf { readonly name: string; readonly options?: { readonly properties?: Readonly<Record<string, Property>>; readonly required?: readonly string[] } }
/** Options of the filters that come with the host, from their manifest. */
function filterOptions(): string[][] {
  const { tcmuFilter } = JSON.parse(readFileSync(inRepository('packages/filters/package.json'), 'utf8')) as { tcmuFilter: readonly FilterOf[] }
  return tcmuFilter.flatMap(({ name, options: { properties: own = {}, required = [] } = {} }) =>
    properties(own, required).map(([key, value, must, meaning], i) => [i === 0 ? `\`${name}\`` : '', key!, value!, must!, meaning!]))
}
const filterMemberRows = (): string[][] => Object.values(filterMembers).map((m) => [m.form, m.required ? 'yes' : '', m.later ? 'yes' : '', m.when, m.absent])

const members = (of: Members): string =>
  table(['Member', 'Required', 'May be async', 'When, or what it means', 'Left out'], Object.entries(of).map(([name, m]) => [
    m.kind === 'function' ? `\`${m.form}\`` : `\`${name}\`: ${m.form}`, m.required ? 'yes' : '', m.later ? 'yes' : '', m.when, m.absent ?? '',
  ]))

/** Tables that the code knows, by the name documents call them with. */
const tables: Readonly<Record<string, () => string>> = {
  manifest: () => table(['Field', 'Value', 'Required', 'Meaning'], properties(manifestSchema.properties as Readonly<Record<string, Property>>, manifestSchema.required)),
  'blocks-members': () => members(handlerMembers.blocks),
  'commands-members': () => members(handlerMembers.commands),
  filters: () => table(['Filter', 'Option', 'Value', 'Required', 'Meaning'], filterOptions()),
  'filter-manifest': () => table(['Field', 'Value', 'Required', 'Meaning'], properties(filterManifestSchema.properties as Readonly<Record<string, Property>>, filterManifestSchema.required)),
  'filter-members': () => table(['Member', 'Required', 'May be async', 'When, or what it means', 'Left out'], filterMemberRows()),
  'api-changes': () => table(['Version', 'Change'], handlerApiChanges.map(([version, change]) => [version, change])),
  promises: () => table(['A handler', 'Applies to'], handlerPromises.map((p) => [p.name, p.scope])),
  ...operatorTables,
  errors: () => table(['Code', 'Says'], Object.entries(errorTable).map(([code, text]) => [`\`${code}\``, text])),
}

const fileBlock = /<!-- file: (\S+) -->\n```(\w*)\n[^]*?```/g
const tableBlock = /<!-- table: (\S+) -->\n[^]*?<!-- end -->/g

/** A document with its code blocks taken from files and its tables from the code. */
export function filled(text: string): string {
  return text
    .replace(fileBlock, (_, path: string, language: string) => `<!-- file: ${path} -->\n\`\`\`${language}\n${readFileSync(inRepository(path), 'utf8')}\`\`\``)
    .replace(tableBlock, (_, name: string) => {
      if (!tables[name]) throw new Error(`no table ${name}; there are ${Object.keys(tables).join(', ')}`)
      return `<!-- table: ${name} -->\n${tables[name]()}\n<!-- end -->`
    })
}

/** Relative links of a document. */
export const linksOf = (text: string): string[] =>
  [...text.replace(/```[^]*?```/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map((m) => m[1]!).filter((l) => !/^(https?:|mailto:|#)/.test(l))
