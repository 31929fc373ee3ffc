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

/** package.json of a new package. */
export function packageJson({ name, subtype, shape, language }: Answers): object {
  const { entry, types, files, scripts, devDependencies } = builds[language]
  return {
    name,
    version: '0.1.0',
    description: `TCMU handler ${subtype}`,
    license: 'Apache-2.0',
    keywords: ['tcmu-handler'],
    engines: { node: '>=20' },
    type: 'module',
    exports: { '.': types ? { types, default: entry } : entry, './package.json': './package.json' },
    files,
    scripts: { ...scripts, conformance: `tcmu-host test . --cfg ''${shape === 'blocks' ? ' --volatile' : ''}`, bench: 'node bench.mjs' },
    peerDependencies: { '@tcmu/host': HOST },
    devDependencies: { '@tcmu/host': HOST, ...devDependencies },
    tcmuHandler: { apiVersion: '^1.0', subtype, shape, configHelp: help[shape] },
  }
}
