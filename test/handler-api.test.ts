import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { handlerMembers } from '../packages/host/src/handler/members'
import { inRepository } from './lib/repository'

/** The table of docs/handler-api.md is made of members.ts; here members.ts is held against the types that handlers are compiled with. */
const file = 'packages/host/src/handler/types.ts'
const source = ts.createSourceFile(file, readFileSync(inRepository(file), 'utf8'), ts.ScriptTarget.ES2022, true)
const page = readFileSync(inRepository('docs/handler-api.md'), 'utf8')

function interfaceOf(name: string): readonly ts.TypeElement[] {
  const found = source.statements.find((s): s is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(s) && s.name.text === name)
  return [...found!.members]
}

interface Declared { readonly name: string; readonly required: boolean; readonly isFunction: boolean; readonly mayBeAsync: boolean; readonly parameters: readonly string[] }
/** Types of answers that may come by promise, as types.ts calls them. */
const later = /^(Maybe<.*>|Answer|Result|Promise<.*>)$/s

const declared = (m: ts.TypeElement): Declared => ({
  name: m.name!.getText(), required: m.questionToken === undefined, isFunction: ts.isMethodSignature(m),
  mayBeAsync: ts.isMethodSignature(m) && later.test(m.type!.getText()),
  parameters: ts.isMethodSignature(m) ? m.parameters.map((p) => p.name.getText()) : [],
})

describe.each([['blocks', 'BlocksHandler'], ['commands', 'CommandsHandler']] as const)('shape %s', (shape, name) => {
  const types = [...interfaceOf('Common'), ...interfaceOf(name)].map(declared)
  const members = handlerMembers[shape]

  test('the table has the members of the type, and no others', () => {
    expect(Object.keys(members).sort()).toEqual([...new Set(types.map((t) => t.name))].sort())
  })

  test.each(types)('$name: required, a function, may be async, arguments, and what absence means', ({ name: member, required, isFunction, mayBeAsync, parameters }) => {
    const { kind, form, absent, later: async, required: must } = members[member]!
    expect({ required: must === true, isFunction: kind === 'function', mayBeAsync: async === true }).toEqual({ required, isFunction, mayBeAsync })
    if (isFunction) expect(form).toBe(`${member}(${parameters.join(', ')})`)
    if (!required && member !== 'summary') expect(absent).toMatch(/\w/)
  })
})

test('the page has every kind of change', () => {
  const change = source.statements.find((s): s is ts.TypeAliasDeclaration => ts.isTypeAliasDeclaration(s) && s.name.text === 'Change')!
  const kinds = [...change.type.getText().matchAll(/kind: '(\w+)'/g)].map((m) => m[1]!)
  const rows = [...page.slice(page.indexOf('## `change`')).matchAll(/^\| `(\w+)` \|/gm)].map((m) => m[1]!)
  expect(kinds.length).toBeGreaterThan(3)
  expect(rows).toEqual(expect.arrayContaining(kinds))
})

test('the page has every member of what callbacks are given', () => {
  const lun = ts.createSourceFile('lun.ts', readFileSync(inRepository('packages/host/src/scsi/lun.ts'), 'utf8'), ts.ScriptTarget.ES2022, true)
  const members = ['BlockIo', 'BlockRange', 'Space'].flatMap((name) => {
    const found = lun.statements.find((s): s is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(s) && s.name.text === name)!
    return found.members.map((m) => m.name!.getText())
  })
  expect(members.filter((m) => !new RegExp(`\\b${m}\\b`).test(page))).toEqual([])
})
