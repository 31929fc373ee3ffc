import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseFilters } from '@tcmu/host/filter'
import type { Handler } from '@tcmu/host/handler'
import { loadConfig } from '../../packages/host/src/control'
import { DeviceFilters, PathGuard } from '../../packages/host/src/plugins'
import { Sandbox } from './cli'
import { blocksCjs, handlerRoot, type Json, manifest, marker, markersIn, packageJson, put, putPackage, repository, scratch } from './packages'

/** Filters of others and ours, seen by the host as it is shipped: in a process of its own, from dist. */
const temp = scratch()
const box = new Sandbox(temp.path)
const root = handlerRoot(temp.path)
const modules = join(root, 'node_modules')
afterAll(async () => {
  await box.close()
  temp.remove()
})

const filterJson = (name: string, filter: Json | Json[], more: Json = {}): Json => ({ name, version: '1.0.0', keywords: ['tcmu-filter'], exports: './index.js', tcmuFilter: filter, ...more })
const described = (more: Json = {}): Json => ({ apiVersion: '^1.0', name: 'invert', summary: 'every bit is another one', ...more })
const code = (name: string, markAt: string, more = ''): string => `
require('node:fs').writeFileSync(${JSON.stringify(markAt)}, '')
const { defineFilter } = require('@tcmu/host/filter')
module.exports = [defineFilter({ name: '${name}', summary: 'every bit is another one', ${more} })]
`
const options = { type: 'object', additionalProperties: false, properties: { level: { type: 'integer', minimum: 1, description: 'How much.' }, quiet: { type: 'boolean' } } }
putPackage(modules, {
  name: 'invert', json: filterJson('invert', described({ options })),
  files: { 'index.js': code('invert', marker(temp.path, 'invert'), "open: ({ options, log }) => log.info('options ' + JSON.stringify(options)), ") },
})
/** Of a path that was named, so that it is enabled. */
const ram = putPackage(temp.path, { name: 'ram', json: packageJson('ram', { tcmuHandler: manifest({ subtype: 'ram' }) }), files: { 'index.js': blocksCjs('ram', marker(temp.path, 'ram')) } })

interface Bad { readonly name: string; readonly json: Json; readonly code: string; readonly field: string }
const bad: readonly Bad[] = [
  { name: 'api-two', json: filterJson('api-two', described({ apiVersion: '^2.0' })), code: 'E_HANDLER_API', field: 'tcmuFilter.apiVersion' },
  { name: 'bad-name', json: filterJson('bad-name', [described({ name: 'Two Words' })]), code: 'E_HANDLER_MANIFEST', field: 'tcmuFilter[0].name' },
  { name: 'extra', json: filterJson('extra', described({ subtype: 'x' })), code: 'E_HANDLER_MANIFEST', field: 'tcmuFilter.subtype' },
  { name: 'no-entry', json: filterJson('no-entry', described({ name: 'no-entry' }), { exports: './none.js' }), code: 'E_HANDLER_ENTRY', field: 'exports' },
  { name: 'no-keyword', json: filterJson('no-keyword', described({ name: 'x' }), { keywords: [] }), code: 'E_HANDLER_NO_KEYWORD', field: 'keywords' },
  { name: 'schema', json: filterJson('schema', described({ name: 'schema', options: { type: 'objekt' } })), code: 'E_HANDLER_OPTIONS_SCHEMA', field: 'tcmuFilter.options' },
  { name: 'shadow', json: filterJson('shadow', described({ name: 'delay' })), code: 'E_HANDLER_DUPLICATE', field: 'tcmuFilter.name' },
]
for (const { name, json } of bad) putPackage(modules, { name, json, files: { 'index.js': code(name, marker(temp.path, name)) } })
const liars = [['liar-other', 'another', /filter liar-other, found none|found "another"/], ['liar-throws', 'throws', /oh no/], ['liar-shape', 'liar-shape', /`read` is not what it must be/]] as const
for (const [name, exported] of liars) {
  const text = exported === 'throws' ? "throw new Error('oh no')" : `exports.default = { name: '${exported}', summary: 'x', read: ${name === 'liar-shape' ? 1 : '() => 0'} }`
  putPackage(modules, { name, json: filterJson(name, described({ name })), files: { 'index.js': text } })
}

const at = ['--handler-root', root, '--handler-path', ram]
interface Listed { name: string; package: string; origin: string; allowed: boolean; loaded: boolean; options?: unknown }
interface Refused { code: string; field: string; path: string; message: string }
const serve = (...more: string[]): ReturnType<Sandbox['start']> => box.start(['serve', '--frontend', 'iscsi', '--portal', '127.0.0.1:0', '--socket', join(temp.path, 'socket'), ...at, ...more])
const lun = (filters: string): string[] => ['--lun', `name=d,size=1M,filters=${filters},cfgstring=ram/`]

test('filters are listed, the bad refused with all that is wanted, and none of them runs', async () => {
  const { code, stdout } = await box.run('filters', '--json', '--config', box.config, ...at)
  const { filters, refused } = JSON.parse(stdout) as { filters: Listed[]; refused: Refused[] }
  expect(filters.filter((f) => f.origin === 'bundled').map((f) => f.name)).toEqual(['cache', 'cow', 'delay', 'encrypt', 'error', 'log', 'offset', 'rate', 'readonly', 'retry', 'stats'])
  expect(filters.find((f) => f.name === 'invert')).toMatchObject({ package: 'invert', origin: 'root', allowed: false, loaded: false, options })
  const mine = refused.filter((r) => r.path.startsWith(modules))
  expect(mine.map((r) => [r.path, r.code, r.field]).sort()).toEqual(bad.map((b) => [join(modules, b.name), b.code, b.field]))
  for (const { message } of mine) expect(message).toMatch(/^E_HANDLER_\w+: package \S+ in \S+: /)
  expect([code, markersIn(temp.path)]).toEqual([0, []])
})

test('handlers know nothing of packages that are filters only', async () => {
  const { stdout } = await box.run('handlers', '--json', ...at)
  expect(stdout).not.toMatch(/invert|tcmuFilter/)
})

test('for people: each with its options, and whether it may run here', async () => {
  const { stdout } = await box.run('filters', '--config', box.config, '--inline-filter', 'liar-other', ...at)
  expect(stdout).toMatch(/^delay +@tcmu\/filters@\S+ +each operation takes longer\n {4}all +How much longer: 10ms, 2s\.$/m)
  expect(stdout).toMatch(/^cow .*\n {4}overlay \(required\) /m)
  expect(stdout).toMatch(/^invert +invert@1\.0\.0 +every bit is another one; not allowed here \(--inline-filter invert\)\n {4}level +How much\.$/m)
  expect(stdout).toMatch(/^liar-other .*one$/m)
  expect(stdout).toMatch(/^refused: E_HANDLER_API/m)
})

/** In this process, which loads CommonJS only. */
const here = (more: Partial<ConstructorParameters<typeof DeviceFilters>[0]> = {}): DeviceFilters => new DeviceFilters({
  hostPackage: join(repository, 'packages/host'), handlerRoot: root, ...more,
  parts: {
    guard: new PathGuard({ uid: 1000, stat: () => ({ uid: 0, mode: 0 }) }),
    loadModule: async (url) => ({ default: jest.requireActual<object>(fileURLToPath(url)) }),
  },
})
const blocks: Handler = { subtype: 'x', open: () => 0, read: () => 0, write: () => 0 }

describe('what cannot be is refused with the key, and nothing of others runs', () => {
  test.each([
    ['delay:raed=5ms', /^E_FILTER_OPTIONS: device d: filter delay: filters\.0\.raed: wanted one of all, read, write, flush, unmap, found "raed"/],
    ['log+delay:read=soon', /filters\.1\.read: wanted text like .*, found "soon"/],
    ['retry:times=many', /filters\.0\.times: wanted an integer, found "many"/],
    ['readonly:now', /filters\.0\.now: wanted no such key, found "now"/],
    ['cow', /filters\.0\.overlay: wanted a value, found nothing/],
    ['deley', /^E_FILTER: filter "deley": there is none of this name; this host has cache, cow, delay/],
    ['invert', /^E_FILTER: filter "invert": the code of invert in .*would run in the host's own process, which nobody has allowed: give --inline-filter invert/],
  ])('%s', async (filters, says) => {
    await expect(here().over(blocks, { name: 'd', subtype: 'x', filters: parseFilters(filters) })).rejects.toThrow(says)
    expect(markersIn(temp.path)).toEqual([])
  })
  test('a handler that answers commands itself', async () => {
    await expect(here().over({ subtype: 'raw', open: () => 0, handleCmd: () => 0 }, { name: 'd', subtype: 'raw', filters: parseFilters('log') })).rejects.toThrow(/^E_FILTER: filter log: raw answers SCSI commands itself, past any filter/)
  })
  test.each(liars)('a package whose code is not what its manifest says: %s', async (name, _, says) => {
    const filters = here({ inlineFilters: [name] })
    await expect(filters.over(blocks, { name: 'd', subtype: 'x', filters: parseFilters(name) })).rejects.toThrow(says)
    expect(filters.registry.inventory().filters.find((f) => f.name === name)).toMatchObject({ loaded: false, failure: expect.stringMatching(says) })
  })
  test.each([
    [{ luns: [{ name: 'd', cfgstring: 'ram/', filters: [{ read: 1 }] }] }, /^E_CONFIG: .*luns\.0\.filters: .*a name is small letters/],
    [{ luns: [{ name: 'd', cfgstring: 'ram/', filters: 'delay:' }] }, /^E_CONFIG: .*: luns\.0\.filters: wanted a value that can be used \("" is no name of an option\)/],
    [{ devices: { x: { filters: [], size: 1 } } }, /^E_CONFIG: .*devices\.x\.size: wanted one of filters/],
    [{ devices: { x: { filters: 'deley' } } }, /^E_FILTER: .*"deley"/],
    [{ devices: { 'ram/': { filters: ['delay:read=soon'] } } }, /^E_FILTER_OPTIONS: .*devices\.ram\/\.filters\.0\.read/],
  ])('a configuration file with %j', (config, says) => {
    const file = join(temp.path, 'bad.json')
    put(file, JSON.stringify(config))
    expect(() => here(loadConfig(file, {})).check()).toThrow(says)
  })
})

test('a host does not start with them, and says why', async () => {
  const wrong = await Promise.all(['delay:read=soon', 'invert', 'Delay'].map((filters) => serve(...lun(filters)).ended))
  expect(wrong.map((w) => [w.code, w.stdout])).toEqual([[1, ''], [1, ''], [2, '']])
  expect(wrong.map((w) => /E_[A-Z_]+: .*/.exec(w.stderr)![0])).toEqual([
    expect.stringMatching(/^E_FILTER_OPTIONS: device d: filter delay: filters\.0\.read/), expect.stringMatching(/^E_FILTER: device d .*filter "invert": the code of invert/),
    expect.stringMatching(/^E_LUN_TEXT: .*filter "Delay": a name is small letters/),
  ])
})

test('filters of the configuration stand before their devices; lists show the way of each callback', async () => {
  const config = join(temp.path, 'good.json')
  put(config, JSON.stringify({
    inlineFilters: ['invert'],
    devices: { 'ram/': { filters: 'readonly' }, b: { filters: [{ name: 'delay', read: '1ms' }, 'stats'] } },
    luns: [
      { name: 'a', size: '1M', cfgstring: 'ram/' }, { name: 'b', size: '1M', cfgstring: 'ram/' },
      { name: 'c', size: '1M', cfgstring: 'ram/', filters: [{ name: 'invert', level: '3', quiet: 'true' }] }, { name: 'd', size: '1M', cfgstring: 'ram/', filters: [] },
    ],
  }))
  const host = serve('--config', config)
  await host.until(/^ready /)
  const socket = ['--socket', join(temp.path, 'socket')]
  const devices = JSON.parse((await box.run('devices', '--json', ...socket)).stdout) as { name: string; filters: string; routes: unknown; readOnly: boolean }[]
  expect(devices.map((d) => [d.name, d.filters, d.readOnly])).toEqual([['a', 'readonly', true], ['b', 'delay:read=1ms+stats', false], ['c', 'invert:level=3:quiet', false], ['d', '', false]])
  expect(devices.map((d) => d.routes)).toEqual([
    { read: ['ram'], write: ['readonly'] }, { read: ['delay', 'stats', 'ram'], write: ['delay', 'stats', 'ram'] }, { read: ['ram'], write: ['ram'] }, {},
  ])
  const { stdout } = await box.run('devices', '--verbose', ...socket)
  expect(stdout).toMatch(/^1 +b .*\n {5}filters: delay:read=1ms\+stats\n {5}read: delay > stats > ram\n {5}write: delay > stats > ram\n2 /m)
  expect(stdout).toMatch(/^3 +d .*\n {5}no filters$/m)
  expect((await host.end()).stderr).toContain('options {\\"level\\":3,\\"quiet\\":true}')
  expect(markersIn(temp.path)).toContain('invert')
})

test('a filter before a handler in a process of its own is outside of that process', async () => {
  const host = serve('--placement', 'ram=process', ...lun('readonly'))
  const [, url] = await host.until(/^ready (\S+)/)
  const [device] = JSON.parse((await box.run('devices', '--json', '--socket', join(temp.path, 'socket'))).stdout) as { readOnly: boolean; filters: string }[]
  expect([url, device]).toEqual([expect.stringMatching(/^iscsi:/), expect.objectContaining({ readOnly: true, filters: 'readonly' })])
  expect((await host.end()).code).toBe(0)
})

test('root loads filters from files only that nobody else can change', () => {
  const entry = join(modules, 'invert/index.js')
  const guard = new PathGuard({ uid: 0, stat: (path) => ({ uid: 0, mode: path === entry ? 0o100666 : 0o40755 }) })
  const { filters, refused } = new DeviceFilters({ handlerRoot: root, parts: { guard } }).registry.inventory()
  expect(filters.map((f) => f.name)).not.toContain('invert')
  expect(refused.find((r) => r.package === 'invert')).toMatchObject({ code: 'E_HANDLER_UNSAFE_PATH', field: entry })
})
