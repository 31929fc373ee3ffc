import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { TcmuError } from '../errors'
import { checkConfig, loadConfig, searchPlaces } from './config-file'
import { readChap } from './secret'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-config-'))
afterAll(() => rmSync(folder, { recursive: true }))
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const errorOf = (make: () => unknown): TcmuError => {
  try {
    make()
  } catch (e) {
    if (e instanceof TcmuError) return e
    throw e
  }
  throw new Error('nothing was thrown')
}

const whole = {
  logLevel: 'debug', handlerRoot: 'handlers', handlerPaths: ['/opt/h', '../up'], targetName: 'iqn.2026-11.host.tcmu:x', portal: '[::1]:3261',
  chap: { user: 'joe', secretFile: 'joe.secret' }, acl: ['iqn.1993-08.org.debian:01:abc'],
  luns: [{ name: 'a', size: '64M', cfgstring: 'file//x', options: { level: 1 } }, { name: 'b', size: 1024, cfgstring: 'file//y', blockSize: 4096, readOnly: true, serial: 'S1' }],
}

describe('a configuration', () => {
  test('is read, its relative paths from the folder of the file', () => {
    expect(loadConfig(file('whole.json', JSON.stringify(whole)), {})).toEqual({
      ...whole, file: join(folder, 'whole.json'), handlerRoot: join(folder, 'handlers'), handlerPaths: ['/opt/h', join(folder, '../up')],
      chap: { user: 'joe', secretFile: join(folder, 'joe.secret') },
      luns: [
        { name: 'a', subtype: 'file', config: '/x', sizeBytes: 2 ** 26, blockSize: 512, readOnly: false, options: { level: 1 }, serial: undefined },
        { name: 'b', subtype: 'file', config: '/y', sizeBytes: 1024, blockSize: 4096, readOnly: true, options: undefined, serial: 'S1' },
      ],
    })
  })

  test.each([['a.yaml', 'logLevel: 4\nluns:\n  - name: a\n    cfgstring: file//x\n'], ['a.yml', 'logLevel: 4\nluns: [{name: a, cfgstring: "file//x"}]'], ['a.json', '{"logLevel":4,"luns":[{"name":"a","cfgstring":"file//x"}]}']])('in %s', (name, text) => {
    expect(loadConfig(file(name, text), {})).toMatchObject({ logLevel: 4, luns: [{ name: 'a', config: '/x' }] })
  })

  test('an empty file is an empty configuration', () => expect(loadConfig(file('empty.yaml', ''), {}).luns).toEqual([]))
  test('without a file there is none', () => expect(loadConfig(undefined, { XDG_CONFIG_HOME: join(folder, 'nowhere') }).file ?? 'none').toMatch(/^(none|\/etc\/tcmu\/host\..*)$/))

  test.each([
    [{ logLevle: 3 }, 'logLevle', /one of logLevel, handlerRoot/, '"logLevle"'],
    [{ logLevel: 9 }, 'logLevel', /0 or 1 .* "debug"/, '9'],
    [{ handlerPaths: 'x' }, 'handlerPaths', /an array/, '"x"'],
    [{ portal: 'here' }, 'portal', /no IPv4 address/, '"here"'],
    [{ targetName: 'IQN' }, 'targetName', /lower case/, '"IQN"'],
    [{ acl: ['joe'] }, 'acl.0', /iqn\.YYYY/, '"joe"'],
    [{ chap: { secret: 'x' } }, 'chap.secret', /one of user, secretFile/, '"secret"'],
    [{ luns: [{ name: 'a' }] }, 'luns.0.cfgstring', /a value/, 'nothing'],
    [{ luns: [{ name: 'a', cfgstring: 'file' }] }, 'luns.0.cfgstring', /no slash/, '"file"'],
    [{ luns: [{ name: 'a', cfgstring: 'f/x', size: '1KB' }] }, 'luns.0.size', /KB, MB/, '"1KB"'],
    [{ luns: [{ name: 'a', cfgstring: 'f/x', size: -1 }] }, 'luns.0.size', /from 0|a string/, '-1'],
    [{ luns: [{ name: 'a', cfgstring: 'f/x', blockSize: 1000 }] }, 'luns.0.blockSize', /512 or 1024/, '1000'],
    [{ luns: [{ name: 'a', cfgstring: 'f/x' }, { name: 'a', cfgstring: 'f/y' }] }, 'luns.1.name', /of its own/, '"a"'],
    [[], '(the whole)', /an object/, '[]'],
    ['text', '(the whole)', /an object/, '"text"'],
  ])('%j is refused: file, key, wanted, found', (document, key, wanted, found) => {
    const e = errorOf(() => checkConfig(document, '/etc/tcmu/host.json'))
    expect(e.code).toBe('E_CONFIG')
    expect(e.facts).toMatchObject({ file: '/etc/tcmu/host.json', key, wanted: expect.stringMatching(wanted), found })
    expect(e.message).toBe(`E_CONFIG: /etc/tcmu/host.json: ${key}: wanted ${String(e.facts.wanted)}, found ${found}`)
  })

  test.each([
    ['bad.json', '{"a":', /not JSON/], ['bad.yaml', 'a: [', /not YAML/], ['code.js', 'module.exports = {}', /a name that ends in \.json, \.yaml, \.yml/],
    ['tag.yaml', 'a: !!js/function "x"', /not YAML/], ['large.json', ' '.repeat(2 ** 20 + 1), /at most 1048576 bytes/],
  ])('%s is refused', (name, text, reason) => {
    const e = errorOf(() => loadConfig(file(name, text), {}))
    expect([e.code, e.message]).toEqual(['E_CONFIG_FILE', expect.stringMatching(reason)])
    expect(e.message).toContain(join(folder, name))
  })

  test('a file that was asked for must be there; a folder is none', () => {
    expect(errorOf(() => loadConfig(join(folder, 'none.json'), {})).message).toMatch(/E_CONFIG_FILE: .*none\.json: there is no such file/)
    mkdirSync(join(folder, 'dir.json'))
    expect(errorOf(() => loadConfig(join(folder, 'dir.json'), {})).message).toMatch(/wanted a regular file, found a folder/)
  })

  test('YAML aliases that multiply are refused in no time', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${i ? `*a${i - 1}, *a${i - 1}` : 'x'}]`).join('\n')
    expect(errorOf(() => loadConfig(file('bomb.yaml', levels), {})).message).toMatch(/holds more than 100000 values/)
  })

  test('it is looked for in /etc/tcmu and then in the folder of the user, nowhere else', () => {
    expect(searchPlaces({ XDG_CONFIG_HOME: '/x', HOME: '/h' })).toEqual([
      '/etc/tcmu/host.json', '/etc/tcmu/host.yaml', '/etc/tcmu/host.yml', '/x/tcmu/host.json', '/x/tcmu/host.yaml', '/x/tcmu/host.yml',
    ])
    expect(searchPlaces({ HOME: '/h' })).toContain('/h/.config/tcmu/host.json')
    expect(searchPlaces({})).toHaveLength(3)
  })

  test('any document is a configuration or E_CONFIG', () => {
    const lun = fc.record({ name: fc.oneof(fc.constantFrom('a', 'b'), fc.jsonValue()), cfgstring: fc.oneof(fc.constant('a/b'), fc.jsonValue()), size: fc.jsonValue(), x: fc.jsonValue() }, { requiredKeys: [] })
    const document = fc.oneof(fc.jsonValue(), fc.record({
      logLevel: fc.oneof(fc.nat(6), fc.jsonValue()), portal: fc.oneof(fc.constant('127.0.0.1'), fc.jsonValue()), chap: fc.jsonValue(), acl: fc.jsonValue(),
      luns: fc.oneof(fc.array(lun), fc.jsonValue()), handlerPaths: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
    }, { requiredKeys: [] }))
    fc.assert(fc.property(document, (d) => {
      try {
        checkConfig(d, '/f.json')
      } catch (e) {
        expect(e).toMatchObject({ code: 'E_CONFIG', facts: { file: '/f.json', key: expect.any(String), wanted: expect.any(String), found: expect.any(String) } })
        expect((e as Error).message).not.toMatch(/\p{Cc}/u)
      }
    }), { numRuns: 100 })
  })
})

describe('CHAP', () => {
  const secret = (name: string, text: string, mode = 0o600): string => {
    const path = file(name, text)
    chmodSync(path, mode)
    return path
  }
  const warnings: string[] = []
  const read = (c: Parameters<typeof readChap>[0]): ReturnType<typeof readChap> => {
    warnings.length = 0
    return readChap(c, (w) => warnings.push(w))
  }
  const good = (): string => secret('good', 'twelve bytes!\n')

  test('secrets come from files, without their line end', () => {
    expect(read({ user: 'joe', secretFile: good() })).toEqual({ user: 'joe', secret: 'twelve bytes!' })
    expect(read({ user: 'joe', secretFile: good(), mutualUser: 'us', mutualSecretFile: secret('m', 'another secret\r\n') }))
      .toEqual({ user: 'joe', secret: 'twelve bytes!', mutualUser: 'us', mutualSecret: 'another secret' })
    expect(warnings).toEqual([])
    expect(read({})).toBeUndefined()
  })

  test('a file that others can read, and a short secret, are warned of', () => {
    read({ user: 'joe', secretFile: secret('open', 'twelve bytes!', 0o644) })
    expect(warnings).toEqual([expect.stringMatching(/can be read by others \(mode 644\)/)])
    read({ user: 'joe', secretFile: secret('short', 'short') })
    expect(warnings).toEqual([expect.stringMatching(/less than 12 bytes/)])
  })

  test.each([
    ['no user', () => ({ secretFile: good() }), 'E_CHAP', /both a user and a secret file/],
    ['no secret', () => ({ user: 'joe' }), 'E_CHAP', /both a user and a secret file/],
    ['mutual alone', () => ({ mutualUser: 'us', mutualSecretFile: good() }), 'E_CHAP', /on top of/],
    ['half a mutual pair', () => ({ user: 'joe', secretFile: good(), mutualUser: 'us' }), 'E_CHAP', /mutual authentication needs both/],
    ['equal secrets', () => ({ user: 'joe', secretFile: good(), mutualUser: 'us', mutualSecretFile: good() }), 'E_CHAP', /must differ/],
    ['an empty user', () => ({ user: '', secretFile: good() }), 'E_CHAP', /1 to 255 bytes/],
    ['no file', () => ({ user: 'joe', secretFile: join(folder, 'none') }), 'E_SECRET_FILE', /there is no such file/],
    ['a folder', () => ({ user: 'joe', secretFile: folder }), 'E_SECRET_FILE', /found a folder/],
    ['a device', () => ({ user: 'joe', secretFile: '/dev/zero' }), 'E_SECRET_FILE', /found a special file/],
    ['an empty file', () => ({ user: 'joe', secretFile: secret('empty', '\n') }), 'E_SECRET_FILE', /it is empty/],
    ['two lines', () => ({ user: 'joe', secretFile: secret('two', 'a\nb\n') }), 'E_SECRET_FILE', /more than one line/],
    ['a long secret', () => ({ user: 'joe', secretFile: secret('long', 'x'.repeat(300)) }), 'E_SECRET_FILE', /longer than 255/],
    ['a large file', () => ({ user: 'joe', secretFile: secret('large', 'x'.repeat(5000)) }), 'E_SECRET_FILE', /at most 4096 bytes/],
  ] as const)('%s is refused', (_, config, code, reason) => {
    const e = errorOf(() => read(config()))
    expect([e.code, e.message]).toEqual([code, expect.stringMatching(reason)])
  })

  test('no error tells a secret', () => {
    const path = secret('told', 'do not tell this\nor this')
    expect(errorOf(() => read({ user: 'joe', secretFile: path })).message).not.toMatch(/tell this|or this/)
  })
})

test.each([
  ['bad.json', '{"a":1,}', /bad\.json: not JSON: Expected double-quoted property name in JSON at position 7/],
  ['bad.yaml', 'a: [', /bad\.yaml: not YAML: unexpected end of the stream/],
])('%s that does not parse is told in one line, with the place', (name, text, expected) => {
  expect(() => loadConfig(file(name, text), {})).toThrow(expected)
})
