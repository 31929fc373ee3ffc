import { HANDLER_API_VERSION } from '@tcmu/host/handler'
import { chmodSync, existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { enable } from '../lib/enable'
import { Sandbox } from './cli'
import { blocksCjs, handlerRoot, manifest, marker, markersIn, packageJson, put, putPackage, scratch } from './packages'

const temp = scratch()
const box = new Sandbox(temp.path)
const root = handlerRoot(temp.path)
putPackage(join(root, 'node_modules'), {
  name: 'ram', json: packageJson('ram', { tcmuHandler: manifest({ subtype: 'ram', options: { type: 'object', properties: { level: { type: 'integer' } }, additionalProperties: false } }) }),
  files: { 'index.js': blocksCjs('ram', marker(temp.path, 'ram')) },
})
beforeAll(() => enable(root))
afterAll(async () => {
  await box.close()
  temp.remove()
})
const at = ['--handler-root', root]
const lun = ['--lun', 'name=a,size=1M,cfgstring=ram/x']
const secret = (name: string, text: string, mode = 0o600): string => {
  const path = join(temp.path, name)
  put(path, text)
  chmodSync(path, mode)
  return path
}

describe('versions and help go to stdout, exit 0', () => {
  test.each([[['--version']], [['-V']]])('%j', async (args) => {
    expect(await box.run(...args)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' })
  })
  test('version --json', async () => {
    const { code, stdout } = await box.run('version', '--json')
    expect([code, JSON.parse(stdout)]).toEqual([0, { host: expect.stringMatching(/^\d/), handlerApi: HANDLER_API_VERSION, node: process.versions.node }])
  })
  test.each([[['--help']], [['serve', '--help']], [['help', 'check']], [['handlers', '-h']], [['devices', '--help']]])('%j has examples', async (args) => {
    const { code, stdout, stderr } = await box.run(...args)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^Usage: tcmu-host /)
    expect(stdout).toMatch(/Examples:\n {2}tcmu-host /)
  })
})

describe('a wrong call says why, exit 2', () => {
  const open = ['serve', ...at, ...lun, '--portal']
  test.each([
    [[], /Usage: tcmu-host/],
    [['sevre'], /unknown command 'sevre'/],
    [['serve', '--nul', 'x'], /unknown option '--nul'/],
    [['serve', 'extra', ...lun], /too many arguments/],
    [['check'], /missing required argument/],
    [['serve', '--frontend', 'fc', ...lun], /Allowed choices are auto, tcmu, iscsi/],
    [['serve'], /E_NO_LUNS/],
    [['serve', '--lun', 'name=a'], /E_LUN_TEXT: --lun "name=a": it has no cfgstring=/],
    [['serve', ...lun, ...lun], /E_LUN_TEXT: --lun a: two LUNs have this name/],
    [['serve', ...lun, '--portal', 'here'], /E_PORTAL_ADDRESS/],
    [[...open, '0.0.0.0:0'], /E_PORTAL_OPEN: 0\.0\.0\.0 can be reached/],
    [[...open, '[::]:0'], /E_PORTAL_OPEN: :: can be reached/],
    [['serve', ...lun, '--target-name', 'Disk'], /E_TARGET_NAME/],
    [['serve', ...lun, '--chap-user', 'joe'], /E_CHAP: .*both/],
    [['check', 'ram'], /E_CFGSTRING: "ram" is not a cfgstring: it has no slash/],
    [['check', 'ram/x', '--size', '1KB', ...at], /E_SIZE/],
    [['check', 'ram/x', '--options', '{', ...at], /--options: wanted JSON/],
    [['handlers', '--log-level', 'loud'], /--log-level: wanted 0 to 5.*found "loud"/],
    [['serve', '--lun', ''], /E_LUN_TEXT: --lun "": a part of it is empty\. It is name=NAME/],
  ])('%j', async (args, reason) => {
    const { code, stdout, stderr } = await box.run(...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(reason)
    expect(stderr).not.toMatch(/ {4}at /)
  })
})

describe('what fails says why, exit 1', () => {
  test.each([
    [['check', 'nobody/x', ...at], /E_UNKNOWN_SUBTYPE: no handler "nobody"; this host has .*ram/],
    [['check', 'ram/x', '--options', '{"level":"high"}', ...at], /E_OPTIONS: device to check \(ram\): option level: wanted an integer, found "high"/],
    [['handlers', '--config', 'none.json'], /E_CONFIG_FILE: .*none\.json: there is no such file/],
    [['devices', '--socket', 'nowhere.sock'], /E_NOT_RUNNING/],
    [['serve', '--lun', 'name=a,cfgstring=file//tmp/is/not/there'], /E_CONFIG_REFUSED: device a.*there is no folder/],
    [['serve', '--lun', 'name=a,size=1M,cfgstring=file//dev/is-not-there'], /E_CONFIG_REFUSED: device a.*devices are not made/],
    [['devices'], /E_NOT_RUNNING: no tcmu-host answers on .*\/home\/tcmu-host\.sock/],
    [['serve', ...at, ...lun, '--chap-user', 'joe', '--chap-secret-file', 'none'], /E_SECRET_FILE: CHAP secret file none: there is no such file\. It is a file with one line/],
    [['serve', ...at, ...lun, '--portal', '192.0.2.1:0', '--allow-open-portal'], /E_PORTAL_LISTEN: the portal cannot listen on 192\.0\.2\.1:0: this machine has no such address/],
  ])('%j', async (args, reason) => {
    const { code, stdout, stderr } = await box.run(...args)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(reason)
    expect(stderr).not.toMatch(/ {4}at /)
  })

  test('a port in use', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    const { code, stdout, stderr } = await box.run('serve', ...at, ...lun, '--portal', `127.0.0.1:${port}`)
    other.close()
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(`tcmu-host: E_PORTAL_LISTEN: the portal cannot listen on 127.0.0.1:${port}: something else listens there`)
  })

  test('a control socket that was asked for and is in use; one that was not is only warned of', async () => {
    const socket = join(temp.path, 's.sock')
    const first = box.start(['serve', ...at, ...lun, '--portal', '127.0.0.1:0', '--socket', socket])
    await first.until(/^ready /)
    const second = await box.run('serve', ...at, ...lun, '--portal', '127.0.0.1:0', '--socket', socket)
    expect([second.code, second.stdout]).toEqual([1, ''])
    expect(second.stderr).toMatch(/E_SOCKET: the control socket .*s\.sock: another host answers there/)
    const defaults = [1, 2].map(() => box.start(['serve', ...at, ...lun, '--portal', '127.0.0.1:0']))
    await Promise.all(defaults.map((d) => d.until(/^ready /)))
    expect((await box.run('devices')).code).toBe(0)
    const ends = await Promise.all([first, ...defaults].map((d) => d.end()))
    expect(ends.map((e) => e.code)).toEqual([0, 0, 0])
    expect(ends.filter((e) => /another host answers there.*will not see this host/.test(e.stderr))).toHaveLength(1)
  })
})

describe('serve', () => {
  test('with CHAP it may listen where others reach it; a secret that others can read is warned of', async () => {
    const host = box.start(['serve', ...at, ...lun, '--portal', '0.0.0.0:0', '--chap-user', 'joe', '--chap-secret-file', secret('open', 'twelve bytes!', 0o644)])
    await host.until(/^ready iscsi:\/\/0\.0\.0\.0:\d+\//)
    const { code, stderr } = await host.end()
    expect(code).toBe(0)
    expect(stderr).toMatch(/can be read by others \(mode 644\)/)
    expect(stderr).not.toContain('twelve')
  })

  test('on IPv6, with brackets in the URL', async () => {
    const host = box.start(['serve', ...at, ...lun, '--portal', '[::1]:0'])
    await host.until(/^ready iscsi:\/\/\[::1\]:\d+\/iqn\.2026-11\.host\.tcmu:default\/0\n/)
    expect((await host.end('SIGINT')).code).toBe(0)
  })

  test('everything from a configuration file; flags win', async () => {
    const config = join(temp.path, 'all.json')
    put(config, JSON.stringify({
      logLevel: 1, handlerRoot: 'root', targetName: 'iqn.2026-11.host.tcmu:file', portal: '127.0.0.1:0',
      luns: [{ name: 'a', size: '1M', cfgstring: 'ram/a', options: { level: 3 }, serial: 'SN-1' }, { name: 'b', size: 65536, cfgstring: 'ram/b', blockSize: 4096 }],
    }))
    const socket = join(temp.path, 'f.sock')
    const host = box.start(['serve', '--config', config, '--socket', socket])
    await host.until(/^ready \S+:file\/0 \S+:file\/1\n/)
    expect(JSON.parse((await box.run('devices', '--json', '--socket', socket)).stdout)).toMatchObject([
      { name: 'a', serial: 'SN-1', sizeBytes: 2 ** 20 }, { name: 'b', blockSize: 4096, serial: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    ])
    expect(await host.end()).toMatchObject({ code: 0, stderr: '' })
    const flags = box.start(['serve', '--config', config, '--target-name', 'iqn.2026-11.host.tcmu:flag', ...lun, '--log-level', 'info'])
    await flags.until(/^ready \S+:flag\/0\n/)
    expect((await flags.end()).stderr).toMatch(/--lun replaces the 2 LUNs of .*all\.json/)
  })

  test('options that the schema of the handler does not take', async () => {
    const config = join(temp.path, 'options.json')
    put(config, JSON.stringify({ handlerRoot: 'root', portal: '127.0.0.1:0', luns: [{ name: 'a', size: '1M', cfgstring: 'ram/a', options: { colour: 1 } }] }))
    const { code, stderr } = await box.run('serve', '--config', config)
    expect(code).toBe(1)
    expect(stderr).toMatch(/E_OPTIONS: device a \(ram\): option colour: wanted one of level, found "colour"/)
  })

  test('the log is JSON lines on stderr when that is no terminal', async () => {
    const host = box.start(['serve', ...at, ...lun, '--portal', '127.0.0.1:0'])
    await host.until(/^ready /)
    const { stderr } = await host.end()
    const records = stderr.trimEnd().split('\n').map((l) => JSON.parse(l) as { level: string; msg: string })
    expect(records.map((r) => r.msg)).toContainEqual(expect.stringMatching(/^front end: iscsi \((as asked|for the LUNs that were given)\)/))
  })

  test('SIGTERM before it is ready stops it in order', async () => {
    const text = `module.exports = { subtype: 'late', open: () => new Promise((r) => setTimeout(r, 700)), close() {}, read() {}, write() {} }`
    putPackage(join(temp.path, 'late'), { name: 'late', json: packageJson('late', { tcmuHandler: manifest({ subtype: 'late' }) }), files: { 'index.js': text } })
    put(join(temp.path, 'late.json'), JSON.stringify({ handlerPaths: ['late'], portal: '127.0.0.1:0' }))
    const host = box.start(['serve', '--config', join(temp.path, 'late.json'), '--lun', 'name=a,size=1M,cfgstring=late/x'])
    await host.until(/handlers: /, 'stderr')
    expect(await host.end()).toMatchObject({ code: 0, stdout: '' })
  })
})

describe('nothing of the working folder is believed', () => {
  test('neither a configuration nor code is taken from it', async () => {
    const cwd = join(temp.path, 'hostile')
    const run = (name: string): string => `require('node:fs').writeFileSync(${JSON.stringify(marker(temp.path, name))}, '')\nmodule.exports = {}\n`
    for (const name of ['.config/config.js', '.config/config.cjs', 'host.config.js', '.tcmu-hostrc.js']) put(join(cwd, name), run('hostile'))
    put(join(cwd, 'host.json'), '{"nonsense":1}')
    put(join(cwd, 'package.json'), '{"cosmiconfig":{"searchPlaces":["host.json"]},"tcmu-host":{"nonsense":1}}')
    putPackage(join(cwd, 'node_modules'), { name: 'evil', json: packageJson('evil', { tcmuHandler: manifest({ subtype: 'evil' }) }), files: { 'index.js': run('evil') } })
    const { code, stdout } = await box.start(['handlers', ...at], { cwd }).ended
    expect(code).toBe(0)
    expect(stdout).not.toMatch(/evil/)
    expect(markersIn(temp.path).filter((m) => m === 'hostile' || m === 'evil')).toEqual([])
  })
})

/** As whoever runs the tests: root does not even look into it, others enable nothing there. */
test('a handler root that anyone can write to', async () => {
  const open = join(temp.path, 'writable')
  putPackage(join(open, 'node_modules'), { name: 'anyones', json: packageJson('anyones', { tcmuHandler: manifest({ subtype: 'anyones' }) }), files: { 'index.js': blocksCjs('anyones', marker(temp.path, 'anyones')) } })
  await enable(open)
  chmodSync(open, 0o777)
  const { stdout } = await box.run('handlers', '--handler-root', open)
  const isRoot = process.getuid?.() === 0
  expect(stdout).toMatch(isRoot ? /refused: E_HANDLER_UNSAFE_PATH: .*writable.*mode 0777/ : /refused: E_HANDLER_TRUST_FILE: .*writable.*mode 0777/)
  const enabled = await box.run('handlers', 'enable', 'anyones', '--handler-root', open)
  expect([enabled.code, enabled.stdout]).toEqual([1, ''])
  expect(enabled.stderr).toMatch(/E_(HANDLER_TRUST_FILE|NO_PACKAGE): /)
  const checked = await box.run('check', 'anyones/x', '--handler-root', open)
  expect([checked.code, checked.stderr]).toEqual([1, expect.stringMatching(isRoot ? /E_UNKNOWN_SUBTYPE/ : /E_HANDLER_DISABLED/)])
  expect(existsSync(marker(temp.path, 'anyones'))).toBe(false)
})
