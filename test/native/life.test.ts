import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describeIf } from '../lib/requires'
import { backends, temporaryFolder } from './lib'

const folder = temporaryFolder()
const fixture = resolve(__dirname, 'fixtures/life.ts')

/** The cases of the fixture that a main thread runs. */
const cases = [
  'use', 'workers-one-after-another', 'workers-side-by-side', 'terminated-workers', 'workers-that-exit', 'exit', 'exit-inside',
  'exit-in-callback', 'natural-end', 'idle-engine-does-not-hold-the-process', 'close-with-io-under-way', 'close-inside-the-callback',
  'throwing-callback', 'dropped', 'reported-is-written',
]

const ways = backends.flatMap(({ by, lack }) => (['buffered', 'direct'] as const).map((kind) => ({ by, kind, lack })))

describe.each(ways)('by $by, $kind', ({ by, kind, lack }) => describeIf(lack, 'the addon', () => test.each(cases)('%s', (name) => {
  const at = join(folder, `${name}-${by}-${kind}`)
  const run = spawnSync(process.execPath, ['--expose-gc', resolve(__dirname, '../lib/ts.cjs'), fixture, name, at, kind, by], {
    encoding: 'utf8', timeout: 60_000,
  })
  expect({ status: run.status, signal: run.signal, stderr: run.stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  expect(readFileSync(join(at, 'started'), 'utf8')).toBe(name)
})))
