import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Answers, Language } from './answers'
import { packageJson } from './package-json'

export interface NewFile {
  /** Relative to the new package. */
  readonly path: string
  readonly text: string
}

const extension: Readonly<Record<Language, string>> = { typescript: 'ts', javascript: 'js' }
const templates = join(__dirname, '../templates')

/** Templates and where they go. npm leaves files called .gitignore out of packages, so ours has no dot. */
const rows = ({ kind, language, shape }: Answers): readonly (readonly [template: string, path: string])[] => {
  const end = extension[language]
  const what = kind === 'filter' ? kind : shape
  return [
    [`${language}/${what}.${end}`, `src/index.${end}`],
    [`${language}/${what}.test.${end}`, `src/index.test.${end}`],
    ...(language === 'typescript' ? [['typescript/tsconfig.json', 'tsconfig.json'] as const] : []),
    [`common/bench-${what}.mjs`, 'bench.mjs'],
    [kind === 'filter' ? 'common/README-filter.md' : 'common/README.md', 'README.md'],
    ['common/LICENSE', 'LICENSE'],
    ['common/gitignore', '.gitignore'],
    ['common/ci.yml', '.github/workflows/ci.yml'],
  ]
}

/** `__NAME__` and its like in a template. */
function fill(text: string, answers: Answers): string {
  const values: Readonly<Record<string, string>> = {
    NAME: answers.name,
    SUBTYPE: answers.subtype,
    FILTER: answers.filter,
    // INQUIRY has room for so much (SPC-4 6.6.2).
    PRODUCT: (answers.subtype ?? '').slice(0, 16),
    ENTRY: answers.language === 'typescript' ? './dist/index.js' : './src/index.js',
    CONFIG: answers.shape === 'blocks' ? 'zeroes' : 'nothing',
    YEAR: String(new Date().getFullYear()),
  }
  return text.replace(/__([A-Z]+)__/g, (all, key: string) => values[key] ?? all)
}

/** Every file of the new package. */
export function filesOf(answers: Answers): readonly NewFile[] {
  const made = rows(answers).map(([template, path]) => ({ path, text: fill(readFileSync(join(templates, template), 'utf8'), answers) }))
  return [{ path: 'package.json', text: `${JSON.stringify(packageJson(answers), undefined, 2)}\n` }, ...made]
}
