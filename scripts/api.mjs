#!/usr/bin/env node
// `npm run api`: write what the SDK declares to docs/api/*.api.md, one file for each export of @tcmu/host.
//   npm run api -- --check   write nothing; exit code 1 and a diff when a file is not what the built SDK declares
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { command, inRoot, Refusal, root } from './lib.mjs'

const host = inRoot('packages/host')
const reports = inRoot('docs/api')
/** Types beyond the language: TypeScript 6, which the extractor brings, takes none by itself. */
const compilerOptions = { target: 'es2022', lib: ['es2023'], module: 'nodenext', types: ['node'], typeRoots: [inRoot('node_modules/@types')], strict: true, skipLibCheck: true }
/** Entries that handlers are written against: what their declarations mention without exporting it is promised too. */
const whole = new Set(['handler', 'filter', 'scsi', 'state'])
const silent = { default: { logLevel: 'none' } }

/** Entries of the package's `exports` that have types: `./handler` and its declarations. */
function entries() {
  const { exports } = JSON.parse(readFileSync(join(host, 'package.json'), 'utf8'))
  return Object.entries(exports).filter(([, e]) => e.types).map(([path, e]) => ({ name: path.slice(2) || 'host', module: `@tcmu/host${path.slice(1)}`, types: join(host, e.types) }))
}

/** What the extractor says of one entry, in its own words. */
function extract({ name, types }, folder) {
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: join(host, 'package.json'), configObjectFullPath: undefined,
    configObject: {
      newlineKind: 'lf', projectFolder: host, mainEntryPointFilePath: types,
      compiler: { overrideTsconfig: { compilerOptions, files: [types] } },
      apiReport: { enabled: true, includeForgottenExports: whole.has(name), reportFileName: `${name}.api.md`, reportFolder: folder, reportTempFolder: folder },
      docModel: { enabled: false }, dtsRollup: { enabled: false }, tsdocMetadata: { enabled: false },
      messages: { extractorMessageReporting: silent, tsdocMessageReporting: silent, compilerMessageReporting: { default: { logLevel: 'warning' } } },
    },
  })
  const said = []
  Extractor.invoke(config, { localBuild: true, messageCallback: (m) => {
    if (m.category === 'Compiler') said.push(m.text)
    m.handled = true
  } })
  if (said.length) throw new Refusal(`${name}: ${said.join('\n')}`)
  return readFileSync(join(folder, `${name}.api.md`), 'utf8')
}

/** Without the extractor's own heading, and its marks of tags and texts that this project does not use. */
function reportOf({ name, module }, text) {
  const code = /```ts\n([^]*)\n```/.exec(text)[1].split('\n').filter((line) => !/^\s*\/\/ (\(undocumented\)|@(public|internal)( \(undocumented\))?|\(No @packageDocumentation .*)$/.test(line))
  const rest = whole.has(name) ? ' What is not exported is there because something exported mentions it.' : ''
  return `# ${module}\n\nWhat \`${module}\` declares, by API Extractor; \`npm run api\` writes it, and \`npm test\` compares.${rest}\n\n\`\`\`ts\n${code.join('\n').replace(/\n{3,}/g, '\n\n').trim()}\n\`\`\`\n`
}

function written(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function differenceTo(path, text) {
  const { stdout, error } = spawnSync('diff', ['-u', '--label', relative(root, path), '--label', 'what is declared now', '-N', path, '-'], { input: text, encoding: 'utf8' })
  return error ? `${relative(root, path)} differs\n` : stdout
}

command(async () => {
  const check = process.argv.includes('--check')
  const folder = mkdtempSync(join(tmpdir(), 'tcmu-api-'))
  try {
    const stale = entries().map((entry) => [join(reports, `${entry.name}.api.md`), reportOf(entry, extract(entry, folder))]).filter(([path, text]) => written(path) !== text)
    if (check && stale.length) throw new Refusal(`${stale.map(([path, text]) => differenceTo(path, text)).join('')}The SDK declares something else than docs/api says. If that is meant: npm run api, commit what it writes, and raise HANDLER_API_VERSION where handlers are concerned.`)
    mkdirSync(reports, { recursive: true })
    for (const [path, text] of stale) {
      writeFileSync(path, text)
      process.stdout.write(`${relative(root, path)}\n`)
    }
    return 0
  } finally {
    rmSync(folder, { recursive: true })
  }
})
