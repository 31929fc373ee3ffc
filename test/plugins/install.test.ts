import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Registry } from '../lib/registry'
import { type Ended, Sandbox } from './cli'
import { type Json, manifest, marker, markersIn, packageJson, put, putPackage, scratch } from './packages'

/** `tcmu-host install` and what follows, with npm and a registry of the test's own. */
const temp = scratch()
const box = new Sandbox(temp.path)
const registry = new Registry()
const root = join(temp.path, 'root')
const modules = join(root, 'node_modules')
const at = ['--handler-root', root]
const host = (...args: string[]): Promise<Ended> => box.start([...args, ...at, '--config', box.config], { env: registry.environment }).ended
const json = async <T>(...args: string[]): Promise<T> => JSON.parse((await host(...args, '--json')).stdout) as T

/** A handler that says which version it is when it is asked about a configuration, and leaves a mark when its code runs. */
function source(name: string, version: string, more: Json = {}, files: Record<string, string> = {}): string {
  const subtype = name.replace(/\W/g, '_')
  const path = putPackage(join(temp.path, 'sources', version), {
    name, json: packageJson(name, { version, tcmuHandler: manifest({ subtype }), files: ['*'], ...more }),
    files: {
      'index.js': `require('node:fs').writeFileSync(${JSON.stringify(marker(temp.path, `${subtype}-${version}`))}, '')
module.exports = { subtype: '${subtype}', checkConfig: () => 'this is ${version}', open: () => ({}), read() {}, write() {} }\n`, ...files,
    },
  })
  return path
}
const asked = async (subtype: string): Promise<string> => {
  const { stdout, stderr } = await host('check', `${subtype}/x`)
  return (stdout + stderr).trim()
}
const listed = async (): Promise<{ handlers: { package: string; version: string; origin: string }[]; disabled: { package: string; command: string }[]; refused: { code: string; message: string; path: string }[] }> =>
  json('handlers')

beforeAll(async () => {
  await registry.start()
  await registry.publish(source('alpha', '1.0.0', { dependencies: { helper: '^1.0.0' } }))
  await registry.publish(putPackage(join(temp.path, 'sources'), { name: 'helper', json: { name: 'helper', version: '1.0.0' }, files: { 'index.js': 'exports.help = 1\n' } }))
})
afterAll(async () => {
  await box.close()
  await registry.close()
  temp.remove()
})

test('a package of the registry is installed, shown, and stays disabled until the command that is named was given', async () => {
  const { code, stdout, stderr } = await host('install', 'alpha')
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(new RegExp(`^alpha 1\\.0\\.0 in ${modules}/alpha\n {2}handler alpha, shape blocks: anything\n {2}4 files, \\d+ bytes, of 2 packages\n {2}no native code\n {2}sha256-\\S+=\nIt is disabled\\. To use it: tcmu-host handlers enable alpha --handler-root ${root}\n$`))
  expect(await asked('alpha')).toMatch(/^tcmu-host: E_HANDLER_DISABLED: package alpha in .* is found, disabled: .*`tcmu-host handlers enable alpha --handler-root /)
  const [, command] = /^It is disabled. To use it: tcmu-host (.*)$/m.exec(stdout)!
  expect((await box.run(...command!.split(' '))).stdout).toMatch(/\nIt is enabled\.\n$/)
  expect(await asked('alpha')).toBe('alpha refuses it: this is 1.0.0')
  expect((await listed()).handlers.filter((h) => h.origin === 'root').map((h) => h.package)).toEqual(['alpha'])
})

test('the file that says what is enabled can be read by everybody and written by its owner', () => {
  expect(statSync(join(root, 'enabled.json')).mode & 0o777).toBe(0o644)
  expect(JSON.parse(readFileSync(join(root, 'enabled.json'), 'utf8'))).toMatchObject({
    kind: 'enabled handlers', data: { packages: { alpha: { version: '1.0.0', dependencies: { 'node_modules/helper': expect.stringMatching(/^1\.0\.0 sha256-/) } } } },
  })
})

describe('what is not as it was enabled is refused, with what changed and the command', () => {
  const changes: readonly [string, () => () => void, RegExp][] = [
    ['a file of the package', () => edited('alpha/index.js'), /found index\.js changed\./],
    ['a file that is new', () => added('alpha/lib/more.js'), /found lib\/more\.js is new\./],
    ['a dependency', () => edited('helper/index.js'), /found node_modules\/helper changed\./],
    ['a package in front of a dependency', () => added('alpha/node_modules/helper/package.json'), /found node_modules\/helper\/package\.json is new/],
    ['its version', () => edited('alpha/package.json', (t) => t.replace('1.0.0', '1.0.1')), /found version 1\.0\.1, package\.json changed\./],
  ]
  function edited(file: string, how = (t: string): string => `${t}// more\n`): () => void {
    const path = join(modules, file)
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, how(text))
    return () => writeFileSync(path, text)
  }
  function added(file: string): () => void {
    put(join(modules, file), '{}')
    return () => rmSync(join(modules, file.split('/').slice(0, 2).join('/')), { recursive: true })
  }

  test.each(changes)('%s', async (_, change, found) => {
    const before = markersIn(temp.path)
    const back = change()
    const said = await asked('alpha')
    back()
    expect(said).toMatch(/^tcmu-host: E_HANDLER_CHANGED: package alpha in .*: files: wanted 1\.0\.0 as it was enabled on \d{4}-\d\d-\d\d, .*`tcmu-host handlers enable alpha --handler-root /)
    expect(said).toMatch(found)
    expect(markersIn(temp.path)).toEqual(before)
    // Adding removes the folder of what was added; the rest is as it was.
    expect(await asked('alpha')).toBe('alpha refuses it: this is 1.0.0')
  })
})

test('an update is refused until it is enabled; --enable enables what was', async () => {
  await registry.publish(source('alpha', '1.1.0', { dependencies: { helper: '^1.0.0' } }))
  const { code, stdout } = await host('update')
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^alpha 1\.0\.0 -> 1\.1\.0\nalpha 1\.1\.0 in [^]*It is disabled\. To use it: /)])
  expect(await asked('alpha')).toMatch(/E_HANDLER_CHANGED: .*found version 1\.1\.0, /)
  expect((await host('handlers', 'enable', 'alpha')).code).toBe(0)
  await registry.publish(source('alpha', '1.2.0', { dependencies: { helper: '^1.0.0' } }))
  expect((await host('update', 'alpha', '--enable')).stdout).toMatch(/^alpha 1\.1\.0 -> 1\.2\.0\n[^]*It is enabled\.\n$/)
  expect(await asked('alpha')).toBe('alpha refuses it: this is 1.2.0')
  expect((await host('update')).stdout).toBe('nothing is newer\n')
})

test('NAME@RANGE is what npm makes of it', async () => {
  expect((await json<{ packages: { version: string; enabled: boolean }[] }>('install', 'alpha@1.1.0', '--enable')).packages).toMatchObject([{ version: '1.1.0', enabled: true }])
  expect(await asked('alpha')).toBe('alpha refuses it: this is 1.1.0')
})

test('disabled, it is found and not used; what is not there can be disabled too', async () => {
  expect((await host('handlers', 'disable', 'alpha')).stdout).toBe('alpha is disabled\n')
  expect((await listed()).disabled).toMatchObject([{ package: 'alpha', command: `tcmu-host handlers enable alpha --handler-root ${root}` }])
  expect((await host('handlers', 'enable', 'alpha')).code).toBe(0)
})

test('a tarball and a folder are installed by path; install scripts do not run, and are named with machine code', async () => {
  const ran = join(temp.path, 'script-ran')
  const beta = source('@scope/beta', '2.0.0', { scripts: { postinstall: `echo > ${ran}` } }, { 'build/x.node': '\x7fELF' })
  const tarball = await registry.publish(beta)
  const [report] = (await json<{ packages: [Json] }>('install', tarball, '--enable')).packages
  expect(report).toMatchObject({ package: '@scope/beta', version: '2.0.0', enabled: true, native: ['node_modules/@scope/beta/build/x.node'], installScripts: ['postinstall'] })
  expect(await asked('_scope_beta')).toBe('_scope_beta refuses it: this is 2.0.0')
  const { stdout } = await host('install', source('gamma', '0.1.0'))
  expect(stdout).toMatch(/^gamma 0\.1\.0 in /)
  // A copy: what is done to the folder afterwards changes nothing.
  appendFileSync(join(temp.path, 'sources/0.1.0/gamma/index.js'), 'throw new Error()')
  expect((await host('handlers', 'enable', 'gamma')).code).toBe(0)
  expect(await asked('gamma')).toBe('gamma refuses it: this is 0.1.0')
  expect(existsSync(ran)).toBe(false)
})

test('uninstalled it is gone, by name or by subtype, and so is its record', async () => {
  expect((await host('uninstall', '_scope_beta')).stdout).toBe('@scope/beta is removed\n')
  expect((await host('uninstall', 'gamma')).stdout).toBe('gamma is removed\n')
  expect(existsSync(join(modules, '@scope/beta'))).toBe(false)
  expect(Object.keys((JSON.parse(readFileSync(join(root, 'enabled.json'), 'utf8')) as { data: { packages: object } }).data.packages)).toEqual(['alpha'])
  expect(await asked('gamma')).toMatch(/E_UNKNOWN_SUBTYPE/)
})

test.each([
  [['install', 'nobody-has-this'], /E_NPM: npm install nobody-has-this in .*: it ended with 1: .*404/],
  [['install', 'helper'], /E_NO_PACKAGE: helper: it was installed, but has neither the keyword nor the field of a handler; `tcmu-host uninstall helper` removes it/],
  [['install', 'git+https://host.invalid/x.git'], /E_PACKAGE_TEXT: .* is nothing that can be installed/],
  [['handlers', 'enable', 'nobody'], /E_NO_PACKAGE: "nobody": no handler package of this name or subtype is in .*root; there are alpha/],
  [['handlers', 'enable', 'file'], /E_NO_PACKAGE: "file": comes with the host, and is always enabled/],
  [['handlers', 'disable', '@tcmu/handler-file'], /E_NO_PACKAGE: .*comes with the host/],
  [['uninstall', '../sources'], /E_NO_PACKAGE: /],
])('%j says why not', async (args, reason) => {
  const { code, stdout, stderr } = await host(...args)
  expect([code === 0, stdout]).toEqual([false, ''])
  expect(stderr).toMatch(reason)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
})

test('a bad package is installed and refused with what is wrong with it, and cannot be enabled', async () => {
  const bad = source('delta', '1.0.0', { tcmuHandler: manifest({ subtype: 'no-dashes' }) })
  expect((await host('install', bad, '--enable')).stderr).toMatch(/^tcmu-host: E_HANDLER_MANIFEST: package delta in .*tcmuHandler\.subtype/)
  expect((await host('handlers', 'enable', 'delta')).stderr).toMatch(/E_HANDLER_MANIFEST: package delta/)
  const twin = source('epsilon', '1.0.0', { tcmuHandler: manifest({ subtype: 'file' }) })
  expect((await host('install', twin, '--enable')).stderr).toMatch(/E_HANDLER_DUPLICATE: package epsilon in .*"file", which @tcmu\/handler-file in /)
})

test('two at once: one waits for the other, and both are enabled', async () => {
  const [one, two] = [source('zeta', '1.0.0'), source('eta', '1.0.0')]
  const codes = await Promise.all([host('install', one, '--enable'), host('install', two, '--enable')])
  expect(codes.map((e) => [e.code, e.stderr])).toEqual([[0, ''], [0, '']])
  expect(Object.keys((JSON.parse(readFileSync(join(root, 'enabled.json'), 'utf8')) as { data: { packages: object } }).data.packages)).toEqual(['alpha', 'eta', 'zeta'])
})

describe('a file of what is enabled that is not to be believed enables nothing', () => {
  const file = join(root, 'enabled.json')
  let good = ''
  beforeAll(() => void (good = readFileSync(file, 'utf8')))
  afterEach(() => {
    rmSync(file, { recursive: true })
    put(file, good)
  })
  test.each<[string, () => void, RegExp]>([
    ['everybody may write to it', () => chmodSync(file, 0o666), /enabled\.json: wanted not writable by .*, found mode 0666/],
    ['it was changed by hand', () => writeFileSync(file, good.replace('1.1.0', '1.1.1')), /its checksum is wrong/],
    ['it is empty', () => writeFileSync(file, ''), /it is not JSON/],
    ['it is a folder', () => { rmSync(file); mkdirSync(file) }, /wanted a file, found something else/],
  ])('%s', async (_, spoil, found) => {
    spoil()
    const { refused, disabled, handlers } = await listed()
    expect(refused.filter((r) => r.code === 'E_HANDLER_TRUST_FILE')).toEqual([expect.objectContaining({ message: expect.stringMatching(found) as string })])
    expect(disabled.map((d) => d.package)).toEqual(expect.arrayContaining(['alpha', 'eta', 'zeta']))
    expect(handlers.filter((h) => h.origin === 'root')).toEqual([])
    expect((await host('handlers', 'enable', 'alpha')).stderr).toMatch(/E_HANDLER_TRUST_FILE/)
  })
})
