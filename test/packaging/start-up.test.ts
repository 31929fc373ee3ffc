import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bench, cli } from '../lib/serve'
import { run } from '../lib/run'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-start-'))
afterAll(() => rmSync(folder, { recursive: true }))
const b = bench()
/** Tells what was loaded when the process ends. */
const lister = join(folder, 'lister.cjs')
const told = join(folder, 'loaded.json')
writeFileSync(lister, `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(told)}, JSON.stringify(Object.keys(require('node:module')._cache))))`)

const read = (): string[] => JSON.parse(readFileSync(told, 'utf8')) as string[]
const libraries = (files: readonly string[]): Set<string> => new Set(files.map((f) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(f)?.[1] ?? '').filter(Boolean))

test.each([['--version'], ['--help'], ['version'], ['devices']])('%s loads no library but the parser of command lines', async (...args) => {
  await run(process.execPath, ['-r', lister, cli, ...args], { env: { ...process.env, ...b.environment } })
  expect([...libraries(read())]).toEqual(['commander'])
  expect(read().length).toBeLessThan(40)
})

test('serve compiles no schema of its own, and is on no bus that nobody asked for', async () => {
  const host = await b.start({ env: { NODE_OPTIONS: `-r ${lister}` } })
  await host.end('SIGTERM')
  const loaded = read()
  expect([...libraries(loaded)]).not.toContain('dbus-next')
  expect(loaded.filter((f) => f.includes('/ajv/') && !f.includes('/ajv/dist/runtime/'))).toEqual([])
  expect(loaded.filter((f) => f.includes('/dist/testing/') || f.includes('/dist/supervisor/supervisor'))).toEqual([])
})
