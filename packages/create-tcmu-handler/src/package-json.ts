import type { Answers, Language } from './answers'

/** The host that the templates were written for. */
const HOST = '^0.1.0'

interface Build {
  readonly entry: string
  readonly types?: string
  readonly files: readonly string[]
  readonly scripts: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const builds: Readonly<Record<Language, Build>> = {
  typescript: {
    entry: './dist/index.js',
    types: './dist/index.d.ts',
    files: ['dist', '!dist/*.test.*'],
    scripts: { build: 'tsc', test: 'tsc && node --test dist/', prepack: 'tsc', prepublishOnly: 'npm test' },
    devDependencies: { '@types/node': '^20.0.0', typescript: '^5.5.0' },
  },
  javascript: {
    entry: './src/index.js',
    files: ['src', '!src/*.test.js'],
    scripts: { build: 'node --check src/index.js', test: 'node --test src/', prepublishOnly: 'npm test' },
    devDependencies: {},
  },
}

const help = {
  blocks: 'nothing: zeroes; or a number from 1 to 255 that new blocks are filled with',
  commands: 'nothing',
} as const

/** How the package describes itself to the host, and what `npm run conformance` asks. */
function described({ kind, subtype, shape, filter }: Answers): { description: string; keyword: string; conformance: string; manifest: object } {
  if (kind === 'filter') {
    const options = { type: 'object', additionalProperties: false, properties: { key: { type: 'integer', minimum: 1, maximum: 255, description: 'What bytes are combined with (XOR); 255 when left out.' } } }
    return { description: `TCMU filter ${filter}`, keyword: 'tcmu-filter', conformance: 'tcmu-host test .', manifest: { tcmuFilter: { apiVersion: '^1.0', name: filter, summary: 'the medium holds other bits', options } } }
  }
  return {
    description: `TCMU handler ${subtype}`, keyword: 'tcmu-handler', conformance: `tcmu-host test . --cfg ''${shape === 'blocks' ? ' --volatile' : ''}`,
    manifest: { tcmuHandler: { apiVersion: '^1.0', subtype, shape, configHelp: help[shape] } },
  }
}

/** package.json of a new package. */
export function packageJson(answers: Answers): object {
  const { name, language } = answers
  const { description, keyword, conformance, manifest } = described(answers)
  const { entry, types, files, scripts, devDependencies } = builds[language]
  return {
    name,
    version: '0.1.0',
    description,
    license: 'Apache-2.0',
    keywords: [keyword],
    engines: { node: '>=20' },
    type: 'module',
    exports: { '.': types ? { types, default: entry } : entry, './package.json': './package.json' },
    files,
    scripts: { ...scripts, conformance, bench: 'node bench.mjs' },
    peerDependencies: { '@tcmu/host': HOST },
    devDependencies: { '@tcmu/host': HOST, ...devDependencies },
    ...manifest,
  }
}
