import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { configFiles, loadConfig } from './config-file'
import { ConfigWatch } from './config-watch'
import { parseTcmuConf } from './tcmu-conf'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-conf-'))
afterAll(() => rmSync(folder, { recursive: true }))
const put = (path: string, text: string): string => {
  writeFileSync(path, text)
  return path
}

describe('the syntax of the C daemon', () => {
  test.each([
    ['', {}], ['# log_level = 5\n', {}], ['log_level = 4', { logLevel: 4 }], ['  log_level=4  \r\n', { logLevel: 4 }], ['log_level = 9', { logLevel: 5 }], ['log_level = 0', { logLevel: 0 }],
    ['log_level = 4abc', { logLevel: 4 }], ['log_level = 1\rlog_level = 2', { logLevel: 2 }], ['log_dir = /var/log/x', { logDir: '/var/log/x' }],
    ['log_dir = "/var/log/a b"  ', { logDir: '/var/log/a b' }], [`log_dir = '/x"`, { logDir: '/x' }], ['log_dir = "/x"y"', { logDir: '/x"y' }], ['log_dir_path="/old"', { logDir: '/old' }],
    ['log_dir = /x # no comment', { logDir: '/x # no comment' }], ['unknown = 3\nflag\nother = "x"', {}], ['log_level =    3\n\n\nlog_dir=/y', { logLevel: 3, logDir: '/y' }],
  ])('%j', (text, values) => expect(parseTcmuConf(text)).toEqual({ values, faults: [] }))

  test.each([
    ['log_level = "x"', 1, 'log_level', /a number from 0 to 5/, '"x"'], ['\n\nlog_level', 3, 'log_level', /a number/, 'no value'], ['log_level =', 1, 'log_level', /a number/, '""'],
    ['log_level = -1', 1, 'log_level', /a number/, '"-1"'], ['log_dir = 9', 1, 'log_dir', /an absolute path/, '9'], ['log_dir = logs', 1, 'log_dir', /absolute/, '"logs"'],
    ['log_dir', 1, 'log_dir', /absolute/, 'no value'], ['[section]', 1, '[section]', /begins with a letter/, '"[section]"'], ['9x = 1', 1, '9x', /begins with a letter/, '"9x = 1"'],
    ['_x', 1, '_x', /letter/, '"_x"'], ['log_level 3', 1, 'log_level', /key = value/, '"log_level 3"'],
  ])('%j is told with line and key', (text, line, key, wanted, found) => {
    expect(parseTcmuConf(`${text}\nlog_dir = /kept`)).toEqual({ values: { logDir: '/kept' }, faults: [{ line, key, wanted: expect.stringMatching(wanted), found }] })
  })

  test('any text ends in values of the right kind and faults of lines that are there', () => {
    const piece = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('log_level', 'log_dir', '=', ' ', '\n', '\r', '"', "'", '#', '/x', '7', '__proto__', 'constructor'))
    fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const text = pieces.join('')
      const { values, faults } = parseTcmuConf(text)
      if (values.logLevel !== undefined) expect([0, 1, 2, 3, 4, 5]).toContain(values.logLevel)
      if (values.logDir !== undefined) expect(values.logDir).toMatch(/^\//)
      for (const f of faults) expect(f.line).toBeLessThanOrEqual(text.split(/[\r\n]/).length)
    }))
  })

  test('what is written is read, whatever blanks and comments are around it', () => {
    const blanks = fc.stringMatching(/^[ \t]{0,3}$/)
    const comments = fc.array(fc.stringMatching(/^[ \t]*#[ -~]{0,20}$|^[ \t]*$/), { maxLength: 3 })
    fc.assert(fc.property(fc.nat(5), fc.stringMatching(/^\/[a-z0-9 ._-]{0,30}[a-z]$/), blanks, blanks, comments, (level, dir, a, b, lines) => {
      const text = [...lines, `${a}log_level${b}=${a}${level}${b}`, ...lines, `log_dir${a}=${b}"${dir}"${a}`, ...lines].join('\n')
      expect(parseTcmuConf(text)).toEqual({ values: { logLevel: level, logDir: dir }, faults: [] })
    }))
  })

  test('a megabyte of nonsense takes no time', () => {
    expect(parseTcmuConf('='.repeat(2 ** 20)).faults).toHaveLength(1)
    expect(parseTcmuConf(`a${' '.repeat(2 ** 20)}b`).faults).toHaveLength(1)
  })
})

describe('under the configuration of the host', () => {
  const etc = join(folder, 'etc')
  mkdirSync(etc)

  test('it holds where the other says nothing', () => {
    put(join(etc, 'tcmu.conf'), 'log_level = 5\nlog_dir = /conf\n')
    expect(loadConfig(undefined, {}, { system: etc })).toMatchObject({ logLevel: 5, logDir: '/conf', file: join(etc, 'tcmu.conf'), luns: [] })
    put(join(etc, 'host.yaml'), 'logLevel: warning\nlogLevels: {disk0: 5}\ndbus: true\nlogFormat: json\n')
    expect(loadConfig(undefined, {}, { system: etc })).toMatchObject({ logLevel: 'warning', logLevels: { disk0: 5 }, logDir: '/conf', dbus: true, logFormat: 'json', file: join(etc, 'host.yaml') })
    expect(configFiles(undefined, {}, { system: etc })).toEqual(['tcmu.conf', 'host.json', 'host.yaml', 'host.yml'].map((n) => join(etc, n)))
  })

  test('a file that is asked for is the only one; its folder is where relative paths begin', () => {
    const conf = put(join(folder, 'own.conf'), 'log_level = 1')
    expect(loadConfig(conf, {}, { system: etc })).toMatchObject({ logLevel: 1, file: conf })
    expect(loadConfig(put(join(folder, 'own.json'), '{"logDir":"logs"}'), {}, { system: etc })).toMatchObject({ logDir: join(folder, 'logs') })
    expect(() => loadConfig(join(folder, 'none.conf'), {}, { system: etc })).toThrow(/E_CONFIG_FILE: .*none\.conf: there is no such file/)
    expect(() => loadConfig(put(join(folder, 'large.conf'), ' '.repeat(2 ** 21 + 1)), {})).toThrow(/at most 2097152 bytes/)
  })

  test('faults name file, line and key, to whoever asks', () => {
    const conf = put(join(folder, 'bad.conf'), '\nlog_level = loud\nlog_dir = 1\n')
    expect(() => loadConfig(conf, {})).toThrow(`E_CONFIG: ${conf}:2: log_level: wanted a number from 0 to 5, found "loud"`)
    const faults: string[] = []
    expect(loadConfig(conf, {}, { fault: (e) => void faults.push(e.message) })).not.toHaveProperty('logLevel')
    expect(faults).toEqual([expect.stringContaining(':2: log_level'), expect.stringContaining(':3: log_dir')])
  })
})

describe('changes', () => {
  let count = 0
  const seen = async (): Promise<void> => {
    const from = count
    for (const end = Date.now() + 10_000; count === from; await new Promise((r) => setTimeout(r, 5))) if (Date.now() > end) throw new Error('no report')
    // What belongs to the same burst is not a change of its own.
    await new Promise((r) => setTimeout(r, 60))
  }
  test('are seen however the file is written, replaced or removed; other files are nothing', async () => {
    const etc = join(folder, 'watched')
    mkdirSync(etc)
    const file = join(etc, 'tcmu.conf')
    const watch = new ConfigWatch([file], () => void count++, { debounceMs: 20, retryMs: 30 }).start()
    const steps: (() => void)[] = [
      () => put(file, 'log_level = 1'), () => appendFileSync(file, '\n#'), () => renameSync(put(join(etc, 'tcmu.conf.new'), 'x'), file), () => rmSync(file),
      () => renameSync(put(join(folder, 'elsewhere'), 'x'), file),
    ]
    for (const step of steps) {
      const change = seen()
      step()
      await change
    }
    const before = count
    put(join(etc, 'other.conf'), 'x')
    await new Promise((r) => setTimeout(r, 100))
    expect(count).toBe(before)
    // The folder itself is replaced.
    const gone = seen()
    rmSync(etc, { recursive: true })
    await gone
    mkdirSync(etc)
    await new Promise((r) => setTimeout(r, 200))
    const again = seen()
    put(file, 'back')
    await again
    watch.stop()
  })

  test('* is whatever is in a folder', async () => {
    const etc = join(folder, 'any')
    mkdirSync(etc)
    const watch = new ConfigWatch([join(etc, '*')], () => void count++, { debounceMs: 20, retryMs: 30 }).start()
    for (const step of [() => put(join(etc, 'x'), ''), () => mkdirSync(join(etc, 'y')), () => rmSync(join(etc, 'x'))]) {
      const change = seen()
      step()
      await change
    }
    watch.stop()
  })

  test('a folder that comes later is watched then', async () => {
    const etc = join(folder, 'later')
    const watch = new ConfigWatch([join(etc, 'tcmu.conf')], () => void count++, { debounceMs: 20, retryMs: 30 }).start()
    const change = seen()
    mkdirSync(etc)
    put(join(etc, 'tcmu.conf'), 'x')
    await change
    watch.stop()
  })
})
