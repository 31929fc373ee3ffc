import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { posix } from 'node:path'
import { filled, linksOf } from './lib/docs'
import { documents as generated } from './lib/generated-docs'
import { filesBelow, inRepository } from './lib/repository'

const documents = [...filesBelow('', (n) => n.endsWith('.md')).filter((f) => !f.startsWith('.'))]
const textOf = (file: string): string => readFileSync(inRepository(file), 'utf8')

test('there are documents', () => {
  expect(documents).toEqual(expect.arrayContaining(['README.md', 'CONTRIBUTING.md', 'docs/README.md', 'docs/testing.md', 'docs/performance.md']))
})

describe.each(documents)('%s', (file) => {
  test('its examples are the files, its tables those of the code (UPDATE_DOCS=1 makes them so)', () => {
    const text = textOf(file)
    if (process.env['UPDATE_DOCS']) writeFileSync(inRepository(file), filled(text))
    else expect(text).toBe(filled(text))
  })

  test('its links lead somewhere', () => {
    const lost = linksOf(textOf(file)).filter((l) => !existsSync(inRepository(posix.join(posix.dirname(file), l.replace(/#.*$/, '')))))
    expect(lost).toEqual([])
  })
})

test.each(Object.entries(generated()))('%s is what the tables give', (file, text) => {
  if (process.env['UPDATE_DOCS']) writeFileSync(inRepository(file), text)
  else expect(textOf(file)).toBe(text)
})

test('the README needs exactly two commands', () => {
  const commands = new Set([...textOf('README.md').matchAll(/^ {4}(npm \S+(?: \S+)?)/gm)].map((m) => m[1]!.replace(/ +#.*$/, '').trim()))
  expect([...commands].filter((c) => /^npm (start|test)$/.test(c)).sort()).toEqual(['npm start', 'npm test'])
  expect([...commands].filter((c) => /^npm (i|install|ci|run)\b/.test(c))).toEqual([])
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }
  for (const name of ['start', 'test']) expect(existsSync(inRepository(scripts[name]!.replace('node ', '')))).toBe(true)
})

test('the documentation index names every page', () => {
  const pages = filesBelow('docs', (n) => n.endsWith('.md')).filter((f) => f !== 'docs/README.md')
  const named = new Set(linksOf(textOf('docs/README.md')).map((l) => posix.join('docs', l)))
  expect(pages.filter((p) => !named.has(p))).toEqual([])
})
