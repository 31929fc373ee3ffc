import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import * as ts from 'typescript'
import { AnswerError, type Answers, filesOf, languages, questions, shapes, writePackage } from '.'

const folder = mkdtempSync(join(tmpdir(), 'create-tcmu-handler-'))
afterAll(() => rmSync(folder, { recursive: true }))
const variants = languages.flatMap((language) => [...shapes.map((shape) => ({ kind: 'handler' as const, shape, language, filter: undefined as never })), { kind: 'filter' as const, shape: 'filter' as never, language, filter: 'x' }])
const answers = (more: Partial<Answers> = {}): Answers => ({ folder: 'x', name: 'tcmu-handler-x', kind: 'handler', filter: undefined as never, subtype: 'x', shape: 'blocks', language: 'typescript', ...more })
const textOf = (a: Answers, path: string): string => filesOf(a).find((f) => f.path === path)!.text

test.each(variants)('$language, $shape: manifest, sources, tests, benchmark, README, licence, CI file', (variant) => {
  const files = filesOf(answers(variant)).map((f) => f.path)
  const end = variant.language === 'typescript' ? 'ts' : 'js'
  expect(files).toEqual(expect.arrayContaining([
    'package.json', `src/index.${end}`, `src/index.test.${end}`, 'bench.mjs', 'README.md', 'LICENSE', '.gitignore', '.github/workflows/ci.yml',
  ]))
  for (const { text } of filesOf(answers(variant))) expect(text).not.toMatch(/__[A-Z]+__/)
})

test.each([...shapes, 'filter'] as const)('%s: the JavaScript is the TypeScript without its types', (what) => {
  const of: Partial<Answers> = what === 'filter' ? { kind: 'filter', filter: 'x' } : { shape: what }
  const strip = (code: string): string => ts.transpileModule(code, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } }).outputText
  for (const part of ['index', 'index.test']) {
    expect(strip(textOf(answers({ ...of, language: 'javascript' }), `src/${part}.js`))).toBe(strip(textOf(answers(of), `src/${part}.ts`)))
  }
})

test.each(languages)('%s: the README shows the whole way, by scripts that there are', (language) => {
  const readme = textOf(answers({ language }), 'README.md')
  for (const step of ['npm test', 'npm run conformance', 'npm run bench', 'npx tcmu-host dev .', 'npx tcmu-host serve', 'npm publish', 'npm install --prefix', 'enable']) expect(readme).toContain(step)
  const { scripts, license } = JSON.parse(textOf(answers({ language }), 'package.json')) as { scripts: Record<string, string>; license: string }
  const called = [...readme.matchAll(/npm (?:run )?(test|conformance|bench|build)\b/g)].map((m) => m[1]!)
  expect(called.filter((name) => scripts[name] === undefined)).toEqual([])
  expect(scripts['prepublishOnly']).toBe('npm test')
  expect([license, textOf(answers({ language }), 'LICENSE')]).toEqual(['Apache-2.0', expect.stringMatching(/Apache License/)])
})

describe('questions', () => {
  const question = (key: keyof Answers) => questions.find((q) => q.key === key)!
  test('defaults follow from the folder', () => {
    const known = { folder: 'work/tcmu-handler-s3' }
    const name = question('name').initial(known)
    expect([name, question('subtype').initial({ name })]).toEqual(['tcmu-handler-s3', 's3'])
    expect(question('subtype').initial({ name: '@acme/tcmu-handler-my-disk' })).toBe('my_disk')
    expect([question('folder').initial({ kind: 'filter' }), question('filter').initial({ name: '@acme/tcmu-filter-My_slow' })]).toEqual(['tcmu-filter-example', 'my-slow'])
  })
  test.each([['name', 'UPPER'], ['name', ''], ['name', '.x'], ['subtype', 'a-b'], ['subtype', ''], ['subtype', 'HandlerManager1'], ['filter', 'Slow'], ['filter', ''], ['kind', 'plugin'], ['shape', 'round'], ['language', 'cobol'], ['folder', ' ']] as const)('%s %j is refused by name', (key, text) => {
    expect(() => question(key).take(text)).toThrow(AnswerError)
    expect(() => question(key).take(text)).toThrow(new RegExp(key))
  })
  test('any folder leads to a name and a subtype that are taken', () => {
    fc.assert(fc.property(fc.string(), (text) => {
      const name = question('name').initial({ folder: text })
      expect(question('name').take(name.slice(0, 200))).toBe(name.slice(0, 200))
      for (const key of ['subtype', 'filter'] as const) question(key).take(question(key).initial({ name: name.slice(0, 60) }))
    }))
  })
})

describe('writing', () => {
  test('a folder with something in it stays as it is', () => {
    const there = join(folder, 'there')
    mkdirSync(there)
    writeFileSync(join(there, 'mine'), 'mine')
    expect(() => writePackage(there, filesOf(answers()))).toThrow(/not empty/)
    expect(readdirSync(there)).toEqual(['mine'])
  })
  test('a file in place of a folder is named', () => {
    const path = join(folder, 'file')
    writeFileSync(path, '')
    expect(() => writePackage(path, filesOf(answers()))).toThrow(new RegExp(path))
  })
  test('all files are there', () => {
    const path = join(folder, 'new/deep')
    const files = filesOf(answers())
    writePackage(path, files)
    for (const f of files) expect(readFileSync(join(path, f.path), 'utf8')).toBe(f.text)
    expect(existsSync(join(path, '.gitignore'))).toBe(true)
  })
})
