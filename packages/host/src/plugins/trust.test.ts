import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { closureOf, type Closure, commandFor, KnownFiles, PathGuard, recordOfClosure, Trust, TrustFile, Unfit } from '.'
import type { Candidate } from './candidate'
import { changesSince } from './trust'

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'tcmu-trust-')))
afterAll(() => rmSync(scratch, { recursive: true }))
let n = 0
const guard = new PathGuard()

type Files = Readonly<Record<string, string>>
function write(root: string, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}
/** A handler root with a package `p`, and what else is given. */
function rootOf(files: Files): string {
  const root = join(scratch, `root${n++}`)
  write(join(root, 'node_modules'), { 'p/package.json': '{"name":"p"}', 'p/index.js': '', ...files })
  return root
}
const look = (root: string, known?: KnownFiles): Closure => closureOf(join(root, 'node_modules/p'), { root, guard, known })
const digestOf = (files: Files): string => look(rootOf(files)).digest
const p = (dependencies: object): Files => ({ 'p/package.json': JSON.stringify({ name: 'p', ...dependencies }) })

describe('the digest', () => {
  const names = fc.constantFrom('a', 'b', 'lib/a', 'lib/b', 'lib/deep/c', 'node_modules/d/index.js', '__proto__', 'ä')
  const trees = fc.dictionary(names, fc.string({ maxLength: 20 }), { maxKeys: 6 }).map((d) => Object.fromEntries(Object.entries(d).map(([k, v]) => [`p/${k}`, v])))

  test('of the same files is the same, and of any others another', () => {
    fc.assert(fc.property(trees, trees, (one, other) => {
      const same = JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort())
      expect(digestOf(one) === digestOf(other)).toBe(same)
    }), { numRuns: 150 })
  })

  test('tells what moved between names and contents, and files from links', () => {
    const all = [digestOf({ 'p/a': 'b' }), digestOf({ 'p/ab': '' }), digestOf({ 'p/a': '', 'p/b': '' }), digestOf({ 'p/a/b': '' }), digestOf({ 'p/a': '-> b' })]
    const linked = rootOf({})
    symlinkSync('b', join(linked, 'node_modules/p/a'))
    expect(new Set([...all, look(linked).digest]).size).toBe(all.length + 1)
  })

  test('counts what is named as a dependency, and what that names, wherever it is found; and that it is not found', () => {
    const named = p({ dependencies: { d: '1' }, optionalDependencies: { o: '1' }, peerDependencies: { '@tcmu/host': '1' } })
    const files = { ...named, 'd/package.json': '{"version":"1.0.0","dependencies":{"e":"1"}}', 'e/package.json': '{"version":"2.0.0"}', 'other/package.json': '{}' }
    const { dependencies, digest } = look(rootOf(files))
    expect([...dependencies]).toEqual([
      ['node_modules/d', expect.stringMatching(/^1\.0\.0 sha256-/)], ['node_modules/e', expect.stringMatching(/^2\.0\.0 sha256-/)], ['node_modules/p > o', 'absent'],
    ])
    const others: Files[] = [{ 'd/x': '' }, { 'e/x': '' }, { 'o/package.json': '{}' }, { '@tcmu/host/package.json': '{}' }, { 'd/node_modules/e/index.js': '' }]
    for (const more of others) expect(digestOf({ ...files, ...more })).not.toBe(digest)
    expect(digestOf({ ...files, 'other/x': '', 'unnamed/index.js': '' })).toBe(digest)
    expect(digestOf({ '@tcmu/host/package.json': '{}' })).not.toBe(digestOf({}))
  })

  test("leaves the running host's own package out, and follows packages that are linked", () => {
    const root = rootOf(p({ peerDependencies: { '@tcmu/host': '1' } }))
    const host = join(scratch, `host${n++}`)
    write(host, { 'package.json': '{"name":"@tcmu/host"}' })
    const before = closureOf(join(root, 'node_modules/p'), { root, guard, hostPackage: host }).digest
    mkdirSync(join(root, 'node_modules/@tcmu'))
    symlinkSync(host, join(root, 'node_modules/@tcmu/host'))
    expect(closureOf(join(root, 'node_modules/p'), { root, guard, hostPackage: host }).digest).toBe(before)
    const stranger = look(root)
    expect(stranger.digest).not.toBe(before)
    write(host, { 'more.js': '' })
    expect(look(root).digest).not.toBe(stranger.digest)
    const linked = join(scratch, `linked${n++}`)
    write(linked, { 'index.js': '' })
    mkdirSync(join(root, 'node_modules/p/node_modules'))
    symlinkSync(linked, join(root, 'node_modules/p/node_modules/unnamed'))
    const first = look(root)
    write(linked, { 'index.js': 'changed' })
    expect(look(root).digest).not.toBe(first.digest)
  })

  test('remembers contents only while nothing was done to a file', () => {
    const root = rootOf({ 'p/a': 'one' })
    const known = new KnownFiles()
    const first = look(root, known).digest
    const path = join(root, 'node_modules/p/a')
    const { atime, mtime } = statSync(path)
    writeFileSync(path, 'two')
    // Its size is the same, and so are the times that can be set.
    jest.requireActual<typeof import('node:fs')>('node:fs').utimesSync(path, atime, mtime)
    expect(look(root, known).digest).not.toBe(first)
    writeFileSync(`${path}.new`, 'one')
    renameSync(`${path}.new`, path)
    expect(look(root, known).digest).toBe(first)
  })

  test('links that leave the package are refused, dead ones too once they lead somewhere', () => {
    const root = rootOf({})
    const outside = join(scratch, `late${n++}`)
    symlinkSync(outside, join(root, 'node_modules/p/data'))
    expect(look(root).tree.files.get('data')).toBe(`-> ${outside}`)
    mkdirSync(outside)
    expect(() => look(root)).toThrow(Unfit)
  })

  test('as root, each file counts', () => {
    const root = rootOf({ 'p/lib/a.js': '' })
    const bad = join(root, 'node_modules/p/lib/a.js')
    const asRoot = new PathGuard({ uid: 0, stat: (path) => ({ uid: path === bad ? 7 : 0, mode: 0o040755 }) })
    expect(() => closureOf(join(root, 'node_modules/p'), { root, guard: asRoot })).toThrow(expect.objectContaining({ code: 'E_HANDLER_UNSAFE_PATH', field: bad, found: 'owned by uid 7' }))
  })
})

describe('the file of what is enabled', () => {
  const now = new Date('2026-11-27T12:00:00Z')
  const candidate = (root: string): Candidate => {
    const path = join(root, 'node_modules/p')
    return { package: 'p', version: '1.0.0', path, real: path, origin: 'root', field: {}, fieldName: 'tcmuHandler', packageJson: {} }
  }
  const judge = (root: string): string => {
    const judged = new Trust({ root, guard }).judge(candidate(root))
    return typeof judged === 'string' ? 'enabled' : judged.code
  }
  const enabled = async (): Promise<string> => {
    const root = rootOf({})
    await new TrustFile({ root, guard }).set('p', recordOfClosure('1.0.0', look(root), now))
    return root
  }

  test('enables what it has, as it was, and nothing without it', async () => {
    const root = await enabled()
    expect([judge(rootOf({})), judge(root)]).toEqual(['E_HANDLER_DISABLED', 'enabled'])
    write(root, { 'node_modules/p/index.js': 'changed' })
    expect(judge(root)).toBe('E_HANDLER_CHANGED')
    await new TrustFile({ root, guard }).set('p', undefined)
    expect(judge(root)).toBe('E_HANDLER_DISABLED')
  })

  test('whatever becomes of its bytes, no package is enabled that was not', async () => {
    const root = await enabled()
    const path = join(root, 'enabled.json')
    const good = readFileSync(path)
    write(root, { 'node_modules/p/index.js': 'other code' })
    fc.assert(fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, flip, cut) => {
      const bad = cut ? good.subarray(0, at) : Buffer.from(good)
      if (!cut) bad[at] = bad[at]! ^ flip
      writeFileSync(path, bad)
      expect(judge(root)).not.toBe('enabled')
    }), { numRuns: 500 })
    writeFileSync(path, good)
    expect(judge(root)).toBe('E_HANDLER_CHANGED')
  })

  test('any JSON with a right checksum is records, or one fault that names the file', async () => {
    const root = await enabled()
    const path = join(root, 'enabled.json')
    const { createHash } = jest.requireActual<typeof import('node:crypto')>('node:crypto')
    const record = fc.record({ version: fc.string(), digest: fc.string(), enabled: fc.string(), dependencies: fc.dictionary(fc.string(), fc.string()), files: fc.jsonValue() }, { requiredKeys: [] })
    fc.assert(fc.property(fc.oneof(fc.jsonValue(), fc.record({ packages: fc.dictionary(fc.constantFrom('p', '__proto__', 'x'), record) })), (value) => {
      const data = JSON.parse(JSON.stringify(value)) as unknown
      writeFileSync(path, JSON.stringify({ kind: 'enabled handlers', version: 1, checksum: createHash('sha256').update(JSON.stringify(data)).digest('hex'), data }))
      const trust = new Trust({ root, guard })
      if (trust.fault) expect(trust.fault).toMatchObject({ code: 'E_HANDLER_TRUST_FILE', message: expect.stringContaining(path) as string })
      expect(typeof trust.judge(candidate(root))).not.toBe('string')
    }), { numRuns: 500 })
  })

  test.each([
    ['the file', 'enabled.json', 0o666], ['its folder', '.', 0o777],
  ])('is not believed when everybody may write to %s', async (_, name, mode) => {
    const root = await enabled()
    chmodSync(join(root, name), mode)
    expect(new Trust({ root, guard }).fault).toMatchObject({ code: 'E_HANDLER_TRUST_FILE', message: expect.stringMatching(/writable/) as string })
    await expect(new TrustFile({ root, guard }).set('q', undefined)).rejects.toThrow(/E_HANDLER_TRUST_FILE/)
  })

  test.each([[1000, 0, undefined], [1000, 1000, undefined], [1000, 7, /owned by uid 7/], [0, 7, /owned by uid 7/]] as const)('for uid %d, a file of uid %d', (uid, owner, found) => {
    const fault = new PathGuard({ uid, stat: () => ({ uid: owner, mode: 0o040755 }) }).checkRecord('/a/enabled.json', '/a')
    if (found) expect(fault).toMatchObject({ found: expect.stringMatching(found) as string })
    else expect(fault).toBeUndefined()
  })

  test('says what changed, at most four things of it', () => {
    const before = recordOfClosure('1.0.0', look(rootOf({ 'p/a': '1', 'p/b': '1', ...p({ dependencies: { d: '1' } }) })), now)
    const after = look(rootOf({ 'p/a': '2', 'p/c': '1', 'd/package.json': '{}', ...p({ dependencies: { d: '1' } }) }))
    expect(changesSince(before, '1.1.0', after)).toBe('version 1.1.0, a changed, c is new, b is gone, 2 more')
    expect(changesSince({ ...before, files: undefined, dependencies: Object.fromEntries(after.dependencies) }, '1.0.0', after)).toBe('other files')
  })
})

test('commands are what a shell takes', () => {
  expect(commandFor('handlers enable', '@s/x', { root: '/var/lib/tcmu/handlers' })).toBe('tcmu-host handlers enable @s/x')
  expect(commandFor('handlers enable', 'x', { root: `/a b/it's`, asked: true })).toBe(`tcmu-host handlers enable x --handler-root '/a b/it'\\''s'`)
})
