import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import fc from 'fast-check'
import { SyncBailHook, SyncHook } from 'tapable'
import { TcmuError } from '../../packages/host/src/errors'
import { discover, type Environment, environment, type GuardDeps, HandlerRegistry, PathGuard, type Places, type RefusalRecord, Trust } from '../../packages/host/src/plugins'
import { enable } from '../lib/enable'
import { badPackages } from './bad-packages'
import { blocksCjs, handlerRoot, manifest, marker, markersIn, packageJson, put, putPackage, scratch } from './packages'

const temp = scratch()
afterAll(temp.remove)

/** As somebody who is not root; what root is told has tests of its own. */
const guard = new PathGuard({ uid: 1000, stat: () => ({ uid: 1000, mode: 0o775 }) })
const env = environment({ kernel: '6.1.0-13-amd64', guard })
let folders = 0
const folder = (): string => {
  const path = join(temp.path, `f${folders++}`)
  mkdirSync(path)
  return path
}
/** What was enabled in a root. */
const trusting = (e: Environment, root: string | undefined): Environment => ({ ...e, trust: root === undefined ? undefined : new Trust({ root, guard: e.guard }) })
const scan = (places: Places, deps: Partial<ConstructorParameters<typeof HandlerRegistry>[1]> = {}): HandlerRegistry =>
  new HandlerRegistry(discover({ guard, ...places }), { environment: trusting(env, places.handlerRoot), load: () => Promise.reject(new Error('nothing is loaded here')), ...deps })
const refusedBy = (places: Places): readonly RefusalRecord[] => scan(places).inventory().refused

describe('where packages are looked for', () => {
  test('in the node_modules of the root, scopes included, and nowhere below', async () => {
    const at = folder()
    const modules = join(handlerRoot(at), 'node_modules')
    const good = (name: string, subtype: string): void => void putPackage(modules, {
      name, json: packageJson(name, { tcmuHandler: manifest({ subtype }) }), files: { 'index.js': '' },
    })
    good('one', 'one')
    good('@scope/two', 'two')
    good('one/node_modules/three', 'three')
    good('.hidden', 'four')
    putPackage(modules, { name: 'lodash', json: { name: 'lodash' } })
    await enable(join(at, 'root'))
    const { handlers, refused } = scan({ handlerRoot: join(at, 'root') }).inventory()
    expect(handlers.map((h) => [h.subtype, h.package, h.origin])).toEqual([['one', 'one', 'root'], ['two', '@scope/two', 'root']])
    expect(refused).toEqual([])
  })

  test('beside the host: the packages it could require, of its own scope only', () => {
    const at = folder()
    for (const name of ['@tcmu/handler-a', '@tcmu/other', 'handler-b', 'global/node_modules/@tcmu/handler-c']) {
      putPackage(join(at, 'node_modules'), { name, json: packageJson(name, { tcmuHandler: manifest({ subtype: name.slice(-1) }) }), files: { 'index.js': '' } })
    }
    putPackage(at, { name: 'packages/host', json: { name: '@tcmu/host' } })
    const { handlers } = scan({ hostPackage: join(at, 'packages/host') }).inventory()
    expect(handlers.map((h) => [h.package, h.origin])).toEqual([['@tcmu/handler-a', 'bundled']])
  })

  test('on handlerPaths: a package, or a folder of packages', () => {
    const at = folder()
    const one = putPackage(at, { name: 'one', json: packageJson('one', { tcmuHandler: manifest({ subtype: 'one' }) }), files: { 'index.js': '' } })
    putPackage(at, { name: 'many/two', json: packageJson('two', { tcmuHandler: manifest({ subtype: 'two' }) }), files: { 'index.js': '' } })
    const found = scan({ handlerPaths: [one, join(at, 'many'), one] }).inventory()
    expect(found.handlers.map((h) => [h.subtype, h.origin])).toEqual([['one', 'path'], ['two', 'path']])
    expect(found.refused).toEqual([])
  })

  test('a place that is not there is told when it was asked for', () => {
    const at = folder()
    put(join(at, 'file'), '')
    mkdirSync(join(at, 'empty'))
    expect(refusedBy({ handlerRoot: join(at, 'none') })).toEqual([])
    expect(refusedBy({ handlerRoot: join(at, 'none'), handlerRootAsked: true })[0]).toMatchObject({ code: 'E_HANDLER_PATH', field: 'handlerRoot', found: 'nothing' })
    const found = refusedBy({ handlerPaths: [join(at, 'none'), join(at, 'file'), join(at, 'empty')] })
    expect(found.map((r) => [r.code, r.found])).toEqual([['E_HANDLER_PATH', 'nothing'], ['E_HANDLER_PATH', 'a file'], ['E_HANDLER_PATH', 'neither']])
  })

  test('a package.json that is a pipe, a folder or a dead link is refused and not waited for', () => {
    const at = folder()
    for (const name of ['pipe', 'dir', 'dead', 'loop']) mkdirSync(join(at, name))
    execFileSync('mkfifo', [join(at, 'pipe/package.json')])
    mkdirSync(join(at, 'dir/package.json'))
    symlinkSync('nowhere', join(at, 'dead/package.json'))
    symlinkSync('package.json', join(at, 'loop/package.json'))
    const found = refusedBy({ handlerPaths: [at] })
    expect(found.map((r) => [r.package, r.code, r.found.replace(/:.*/, '')])).toEqual([
      ['dir', 'E_HANDLER_PACKAGE_JSON', 'a folder'], ['loop', 'E_HANDLER_PACKAGE_JSON', 'ELOOP'], ['pipe', 'E_HANDLER_PACKAGE_JSON', 'a special file'],
    ])
  })
})

describe('a bad package', () => {
  const at = folder()
  put(join(at, 'outside.js'), blocksCjs('bad', marker(at, 'outside')))
  for (const b of badPackages) {
    const files = b.files?.(marker(at, b.name)) ?? { 'index.js': blocksCjs('bad', marker(at, b.name)) }
    const path = putPackage(at, { name: b.name, json: b.json(b.name), files })
    b.finish?.(path)
  }
  putPackage(at, { name: 'good', json: packageJson('good', { engines: { node: '>=99' } }), files: { 'index.js': '' } })
  const loads: string[] = []
  const registry = scan({ handlerPaths: [at] }, { load: (url) => (loads.push(url), Promise.resolve({})) })
  const { handlers, refused } = registry.inventory()

  test.each(badPackages.map((b) => [b.name, b] as const))('%s is refused in one line', (name, b) => {
    const mine = refused.filter((r) => r.path === join(at, name))
    expect(mine).toHaveLength(1)
    const [r] = mine as [RefusalRecord]
    expect(r).toMatchObject({ code: b.code, field: b.field, wanted: expect.stringMatching(b.wanted), found: expect.stringMatching(b.found) })
    expect(r.message).toMatch(/^E_HANDLER_\w+: package .+ in /)
    expect(r.message).not.toMatch(/[\r\n]/)
    for (const part of [r.code, r.path, r.field, r.wanted, r.found]) expect(r.message).toContain(part)
  })

  test('stops no other, and none of the code ran', () => {
    expect(handlers.map((h) => h.package)).toEqual(['good'])
    expect(refused).toHaveLength(badPackages.length)
    expect(loads).toEqual([])
    expect(markersIn(at)).toEqual([])
  })

  test('engines.node only warns', () => {
    expect(handlers[0]!.warnings).toEqual([expect.stringMatching(/^E_HANDLER_ENGINE: .*engines\.node: wanted ">=99"/)])
    expect(registry.warnings).toHaveLength(1)
  })
})

describe('duplicates', () => {
  test('the first one wins and both paths are named', async () => {
    const at = folder()
    const modules = join(handlerRoot(at), 'node_modules')
    const first = putPackage(modules, { name: 'z-first', json: packageJson('z-first'), files: { 'index.js': '' } })
    const second = putPackage(at, { name: 'a-second', json: packageJson('a-second'), files: { 'index.js': '' } })
    await enable(join(at, 'root'))
    const { handlers, refused } = scan({ handlerRoot: join(at, 'root'), handlerPaths: [second] }).inventory()
    expect(handlers.map((h) => h.path)).toEqual([first])
    expect(refused.map((r) => r.code)).toEqual(['E_HANDLER_DUPLICATE'])
    expect(refused[0]!.message).toContain(first)
    expect(refused[0]!.message).toContain(second)
  })
})

describe('hooks', () => {
  test('a policy may keep a package out; another then takes its place', () => {
    const at = folder()
    for (const name of ['a', 'b']) putPackage(at, { name, json: packageJson(name), files: { 'index.js': '' } })
    const candidate = new SyncBailHook<[import('../../packages/host/src/plugins').Candidate], false | undefined>(['candidate'])
    candidate.tap('policy', (c) => (c.package === 'a' ? false : undefined))
    const hooks = { candidate, handlerReady: new SyncHook<never>() as never }
    const { handlers, refused } = scan({ handlerPaths: [at] }, { hooks }).inventory()
    expect(handlers.map((h) => h.package)).toEqual(['b'])
    expect(refused.map((r) => [r.code, r.package])).toEqual([['E_HANDLER_VETOED', 'a']])
  })
})

describe('lookup', () => {
  const at = folder()
  putPackage(at, { name: 'one', json: packageJson('one', { tcmuHandler: manifest({ subtype: 'file_a' }) }), files: { 'index.js': '' } })

  test.each(['file', 'file_', 'file_ab', '', 'constructor', '__proto__'])('of %j is exact and names what there is', (subtype) => {
    expect(() => scan({ handlerPaths: [at] }).find(subtype)).toThrow(/^E_UNKNOWN_SUBTYPE: no handler ".*"; this host has file_a\./)
  })

  test('loads once, also when asked twice at once', async () => {
    let n = 0
    const definition = { subtype: 'file_a', open() {}, read() {}, write() {} }
    const registry = scan({ handlerPaths: [at] }, { load: async () => (n++, { default: definition }) })
    expect(await Promise.all([registry.load('file_a'), registry.load('file_a')])).toEqual([definition, definition])
    expect(n).toBe(1)
    expect(registry.inventory().handlers[0]).toMatchObject({ loaded: true, failure: undefined })
  })
})

describe('as root', () => {
  const at = folder()
  const modules = join(handlerRoot(at), 'node_modules')
  const path = putPackage(modules, { name: 'one', json: packageJson('one'), files: { 'index.js': '' } })
  beforeAll(() => enable(join(at, 'root')))
  const safe = { uid: 0, mode: 0o040755 }
  const asRoot = (special: (p: string) => Partial<{ uid: number; mode: number }> | undefined): readonly RefusalRecord[] => {
    const deps: GuardDeps = { uid: 0, stat: (p) => ({ ...safe, ...special(p) }) }
    const rootGuard = new PathGuard(deps)
    const registry = new HandlerRegistry(discover({ handlerRoot: join(at, 'root'), guard: rootGuard }), { environment: trusting({ ...env, guard: rootGuard }, join(at, 'root')) })
    const { handlers, refused } = registry.inventory()
    expect(handlers).toHaveLength(refused.length ? 0 : 1)
    return refused
  }

  test('folders that only root can change are used', () => expect(asRoot(() => undefined)).toEqual([]))

  test.each([
    ['a root that others own', () => join(at, 'root'), { uid: 1000 }, /owned by uid 1000/],
    ['a root that the group may write', () => join(at, 'root'), { mode: 0o040775 }, /0775/],
    ['a sticky root', () => join(at, 'root'), { mode: 0o041777 }, /1777/],
    ['a folder above that others may write', () => temp.path, { mode: 0o040757 }, /0757/],
    ['a node_modules that others may write', () => modules, { mode: 0o040777 }, /0777/],
    ['a package that others own', () => path, { uid: 7 }, /owned by uid 7/],
    ['a package.json that others may write', () => join(path, 'package.json'), { mode: 0o100666 }, /0666/],
    ['an entry that others own', () => join(path, 'index.js'), { uid: 7 }, /owned by uid 7/],
  ] as const)('%s is refused', (_, where, stat, found) => {
    const refused = asRoot((p) => (p === where() ? stat : undefined))
    expect(refused).toHaveLength(1)
    expect(refused[0]).toMatchObject({ code: 'E_HANDLER_UNSAFE_PATH', field: where(), found: expect.stringMatching(found) })
  })

  test('a sticky folder above is fine: nobody can replace what root owns there', () => {
    expect(asRoot((p) => (p === temp.path ? { mode: 0o041777 } : undefined))).toEqual([])
  })

  test('on this system', () => {
    const real = new PathGuard({ uid: 0, stat: jest.requireActual<typeof import('node:fs')>('node:fs').lstatSync })
    const open = join(folder(), 'open')
    mkdirSync(open)
    chmodSync(open, 0o777)
    expect(real.check(open)).toMatchObject({ path: open })
    expect(real.check(join(open, 'none'))).toMatchObject({ wanted: 'a path that can be examined' })
  })
})

describe('whatever a package.json holds', () => {
  test('it is accepted or refused with all five facts', () => {
    const at = folder()
    putPackage(at, { name: 'p', json: {}, files: { 'index.js': '' } })
    const field = fc.oneof(fc.anything(), fc.record({
      apiVersion: fc.oneof(fc.constantFrom('^1.0', '1.x', '>=1', '2', '*', ''), fc.string(), fc.anything()),
      subtype: fc.oneof(fc.constantFrom('a', 'a_b', '-'), fc.string()),
      shape: fc.constantFrom('blocks', 'commands', 'x', 1),
      configHelp: fc.oneof(fc.constant('x'), fc.anything()),
      options: fc.oneof(fc.dictionary(fc.constantFrom('type', 'properties', '$ref', 'pattern', 'items', '$id', 'enum', 'if'), fc.jsonValue()), fc.anything()),
      requires: fc.oneof(fc.record({ node: fc.constantFrom('>=20', '<1', 'x y'), kernel: fc.string() }, { requiredKeys: [] }), fc.anything()),
    }, { requiredKeys: [] }))
    const json = fc.record({
      name: fc.oneof(fc.constant('p'), fc.string(), fc.jsonValue()),
      keywords: fc.oneof(fc.constant(['tcmu-handler']), fc.jsonValue()),
      exports: fc.oneof(fc.constant('./index.js'), fc.jsonValue(), fc.dictionary(fc.constantFrom('.', 'import', 'node', 'default', 'x'), fc.jsonValue())),
      main: fc.oneof(fc.string(), fc.jsonValue()),
      engines: fc.oneof(fc.record({ node: fc.string() }), fc.jsonValue()),
      tcmuHandler: field,
    }, { requiredKeys: [] })
    fc.assert(fc.property(json, (j) => {
      writeFileSync(join(at, 'p/package.json'), JSON.stringify(j) ?? 'null')
      const { handlers, refused } = scan({ handlerPaths: [join(at, 'p')] }).inventory()
      for (const r of refused) {
        for (const part of [r.package, r.path, r.field, r.wanted, r.found]) expect(part).toMatch(/^[^\r\n]+$/)
        expect(r.message).not.toMatch(/[\p{Cc}\p{Zl}]/u)
      }
      const most = Array.isArray((j as { tcmuHandler?: unknown }).tcmuHandler) ? (j as { tcmuHandler: unknown[] }).tcmuHandler.length || 1 : 1
      expect(handlers.length + refused.length).toBeLessThanOrEqual(most)
    }), { numRuns: 200 })
  })

  test('bytes that are no JSON', () => {
    const at = folder()
    putPackage(at, { name: 'p', json: {}, files: {} })
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      writeFileSync(join(at, 'p/package.json'), bytes)
      for (const r of refusedBy({ handlerPaths: [join(at, 'p')] })) expect(r.code).toBe('E_HANDLER_PACKAGE_JSON')
    }))
  })
})

test('refusals are typed errors', () => {
  const at = folder()
  putPackage(at, { name: 'p', json: '{', files: {} })
  expect(scan({ handlerPaths: [at] }).refusals[0]).toBeInstanceOf(TcmuError)
})
