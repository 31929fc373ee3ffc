import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { parseConfig } from './config'
import { checkPlace, type PathFacts, type TrustDeps, untrusted, untrustedSocket } from './trust'

describe('a cfgstring', () => {
  test('names a program, its arguments, and limits', () => {
    expect(parseConfig('/usr/bin/python3;arg=/srv/ram.py;arg=-v;deadline=2.5;inflight=4;restarts=0')).toEqual({
      kind: 'program', path: '/usr/bin/python3', args: ['/srv/ram.py', '-v'], deadlineMs: 2500, inflight: 4, restarts: 0,
    })
    expect(parseConfig('/p')).toEqual({ kind: 'program', path: '/p', args: [], deadlineMs: 30_000, inflight: 32, restarts: 5 })
    expect(parseConfig('/a%3Bb;arg=%25 %3b;arg=')).toMatchObject({ path: '/a;b', args: ['% ;', ''] })
    expect(parseConfig('/p;arg=$(reboot) `x` | y > z')).toMatchObject({ args: ['$(reboot) `x` | y > z'] })
  })
  test('or a socket', () => {
    expect(parseConfig('unix:/run/x.sock;deadline=1')).toMatchObject({ kind: 'socket', path: '/run/x.sock', deadlineMs: 1000 })
  })
  test('structured options win and are appended', () => {
    expect(parseConfig('/p;arg=a;deadline=1', { args: ['b;c'], deadline: 2 })).toMatchObject({ args: ['a', 'b;c'], deadlineMs: 2000 })
  })
  test.each([
    ['', /must be absolute; write exec\/\/path/], ['program', /must be absolute/], ['unix:x', /must be absolute/], ['/p;x', /is none of arg=/],
    ['/p;shell=sh', /is none of arg=/], ['/p;deadline=0', /deadline is a number from 0\.1 to 3600/], ['/p;inflight=1.5', /inflight is a whole number/],
    ['/p;restarts=-1', /restarts is a whole number/], ['/p;arg=%', /write %25/], ['/p%00', /is no path/], ['unix:/s;arg=x', /a socket has no arguments/],
    ['/p;constructor=1', /is none of/], ['/p;deadline=1e3', /deadline is a number/],
  ])('%j is refused', (text, reason) => {
    expect(parseConfig(text)).toMatch(reason)
  })
  test('any text is a configuration or a sentence', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string().map((s) => `/p;${s}`)), (text) => {
      const got = parseConfig(text)
      return typeof got === 'string' ? got.length > 10 : got.path.startsWith('/') && !got.path.includes('\0') && got.deadlineMs >= 100
    }))
  })
  test('every argument survives being written with percent signs', () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: 'grapheme' }).filter((s) => !s.includes('\0')), { maxLength: 5 }), (args) => {
      expect(parseConfig(`/p${args.map((a) => `;arg=${encodeURIComponent(a)}`).join('')}`)).toMatchObject({ args })
    }))
  })
})

describe('as root', () => {
  const deps = (places: Readonly<Record<string, PathFacts>>): TrustDeps => ({ uid: 0, lstat: (path) => places[path] ?? { uid: 0, mode: 0o40755 } })
  test.each([
    ['a program of root', {}, undefined],
    ['a program of a user', { '/opt/p': { uid: 1000, mode: 0o100755 } }, /\/opt\/p is owned by uid 1000/],
    ['a program that all may write', { '/opt/p': { uid: 0, mode: 0o100777 } }, /can be written by others than root/],
    ['a program that a group may write', { '/opt/p': { uid: 0, mode: 0o100775 } }, /can be written by others than root/],
    ['a program in a folder of a user', { '/opt': { uid: 33, mode: 0o40755 } }, /\/opt is owned by uid 33/],
    ['a program in a folder that all may write', { '/opt': { uid: 0, mode: 0o40777 } }, /\/opt can be written/],
    ['a program of root below /tmp', { '/opt': { uid: 0, mode: 0o41777 } }, undefined],
    ['a link of root', { '/opt/p': { uid: 0, mode: 0o120777 } }, undefined],
  ])('%s', (_, places, expected) => {
    const found = untrusted('/opt/p', deps(places as Record<string, PathFacts>))
    if (expected) expect(found).toMatch(expected)
    else expect(found).toBeUndefined()
  })
  test('others than root run what they like', () => {
    expect(untrusted('/opt/p', { uid: 1000, lstat: () => ({ uid: 5, mode: 0o777 }) })).toBeUndefined()
  })
  test('a socket is not trusted in a folder that all may write, sticky or not', () => {
    expect(untrustedSocket('/tmp/s', deps({ '/tmp': { uid: 0, mode: 0o41777 } }))).toMatch(/put the socket into a folder of its owner/)
    expect(untrustedSocket('/run/me/s', deps({ '/run/me': { uid: 1000, mode: 0o40755 } }))).toBeUndefined()
  })
})

describe('what is at the path', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tcmu-exec-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const at = (name: string): string => join(folder, name)
  const trusting: TrustDeps = { uid: 1000, lstat: () => ({ uid: 0, mode: 0 }) }
  test('is run only when it can be', async () => {
    writeFileSync(at('data'), '')
    chmodSync(at('data'), 0o644)
    writeFileSync(at('run'), '')
    chmodSync(at('run'), 0o755)
    symlinkSync(at('run'), at('link'))
    const server = createServer().listen(at('socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    expect(checkPlace('program', at('run'), trusting)).toBe(true)
    expect(checkPlace('program', at('link'), trusting)).toBe(true)
    expect(checkPlace('socket', at('socket'), trusting)).toBe(true)
    expect(checkPlace('program', at('data'), trusting)).toMatch(/is not executable; chmod \+x it/)
    expect(checkPlace('program', folder, trusting)).toMatch(/is no file that could be run/)
    expect(checkPlace('program', at('none'), trusting)).toMatch(/is not there$/)
    expect(checkPlace('socket', at('none'), trusting)).toMatch(/start the program that listens/)
    expect(checkPlace('socket', at('run'), trusting)).toMatch(/is no socket/)
    expect(checkPlace('program', at('run/below'), trusting)).toMatch(/cannot be looked at \(ENOTDIR\)/)
    server.close()
  })
})
