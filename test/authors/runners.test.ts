import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { handlerPromises } from '../../packages/host/src/testing/conformance'
import { inRepository } from '../lib/repository'
import { type Ended, run, runOk } from '../lib/run'

/**
 * The conformance kit as authors run it: under jest, node:test and vitest, each in a process of its own, on a handler that keeps its
 * promises and on one that does not.
 */
const VITEST = '4.1.12'
const folder = mkdtempSync(join(tmpdir(), 'tcmu-runners-'))
/** Forty megabytes that nothing else here needs: fetched for this test, and kept with what else is made. */
const cache = inRepository('node_modules/.cache/tcmu', `vitest-${VITEST}`)
const env = { ...process.env, npm_config_loglevel: 'error', npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false' }

function link(name: string, to: string): void {
  const path = join(folder, 'node_modules', name)
  mkdirSync(join(path, '..'), { recursive: true })
  symlinkSync(to, path)
}
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)

const handler = (more: string): string => `{
  subtype: 'ram',
  open: (dev) => Buffer.alloc(dev.sizeBytes),
  read: (m, io) => void io.data.set(m.subarray(io.offset, io.offset + io.length)),
  ${more}
}`
const good = handler('write: (m, io) => void io.data.copyTo(m, io.offset),')
/** Forgets what it writes to the last block. */
const bad = handler('write: (m, io) => void (io.offset + io.length < m.length && io.data.copyTo(m, io.offset)),')
const options = (definition: string): string => `{ handler: ${definition}, config: () => '', geometry: { sizeBytes: 1 << 20 }, volatile: true }`
const esm = (runner: string, definition: string): string => `import { describe, test } from '${runner}'
import { handlerConformance } from '@tcmu/host/testing'
handlerConformance(${options(definition)}, { describe, test })
`
const cjs = (definition: string): string => `const { handlerConformance } = require('@tcmu/host/testing')
handlerConformance(${options(definition)})
`

interface Counts { readonly passed: number; readonly failed: number; readonly skipped: number }
const number = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0)

interface Runner {
  readonly file: (which: 'good' | 'bad') => string
  readonly start: (file: string) => Promise<Ended>
  readonly counts: (text: string) => Counts
}
// What jest tells its own children would make other runners think they are one.
const clean = { env: { ...env, JEST_WORKER_ID: undefined, NODE_ENV: undefined, NODE_OPTIONS: undefined, NODE_TEST_CONTEXT: undefined, VITEST: undefined, NO_COLOR: '1', FORCE_COLOR: undefined }, timeoutMs: 240_000 }
const runners: Readonly<Record<string, Runner>> = {
  jest: {
    file: (which) => `${which}.jest.test.js`,
    start: (file) => run(process.execPath, [inRepository('node_modules/jest/bin/jest.js'), '--rootDir', folder, '--config', '{"testEnvironment":"node"}', '--runInBand', file], { cwd: folder, ...clean }),
    counts: (text) => ({ passed: number(text, /Tests:.* (\d+) passed/), failed: number(text, /Tests: +(\d+) failed/), skipped: number(text, /Tests:.*?(\d+) skipped/) }),
  },
  'node:test': {
    file: (which) => `${which}.node.mjs`,
    start: (file) => run(process.execPath, ['--test', '--test-reporter=tap', file], { cwd: folder, ...clean }),
    counts: (text) => ({ passed: number(text, /^# pass (\d+)/m), failed: number(text, /^# fail (\d+)/m), skipped: number(text, /^# skipped (\d+)/m) }),
  },
  vitest: {
    file: (which) => `${which}.vitest.test.mjs`,
    start: (file) => run(process.execPath, [join(folder, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder, '--testTimeout=60000', file], { cwd: folder, ...clean }),
    counts: (text) => ({ passed: number(text, /Tests .*?(\d+) passed/), failed: number(text, /Tests +(\d+) failed/), skipped: number(text, /Tests .*?(\d+) skipped/) }),
  },
}

beforeAll(async () => {
  if (!existsSync(join(cache, 'node_modules/vitest/vitest.mjs'))) {
    mkdirSync(cache, { recursive: true })
    writeFileSync(join(cache, 'package.json'), '{"private":true}')
    await runOk('npm', ['install', '--prefix', cache, '--prefer-offline', '--ignore-scripts', '--no-package-lock', `vitest@${VITEST}`], { cwd: cache, env, timeoutMs: 240_000 })
  }
  write('package.json', '{"private":true}')
  link('@tcmu/host', inRepository('packages/host'))
  link('vitest', join(cache, 'node_modules/vitest'))
  for (const [which, definition] of [['good', good], ['bad', bad]] as const) {
    write(runners['jest']!.file(which), cjs(definition))
    write(runners['node:test']!.file(which), esm('node:test', definition))
    write(runners['vitest']!.file(which), esm('vitest', definition))
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

const promises = handlerPromises.map((p) => p.name)

describe.each(Object.entries(runners))('%s', (_name, { file, start, counts }) => {
  test('runs each promise as a test, and skips by name what does not apply', async () => {
    const { code, text } = await start(file('good'))
    const { passed, failed, skipped } = counts(text)
    expect([code, failed, passed + skipped]).toEqual([0, 0, promises.length])
    expect(passed).toBeGreaterThan(9)
  })

  test('fails by the name of the promise that is broken, with the reason', async () => {
    const { code, text } = await start(file('bad'))
    expect(code).not.toBe(0)
    expect(counts(text).failed).toBeGreaterThanOrEqual(1)
    expect(text).toContain('handles no blocks, the last block, and nothing beyond')
    expect(text).toContain('the last block does not read back what was written to it')
  })
})
