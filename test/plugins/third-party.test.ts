import { createConnection } from 'node:net'
import { join } from 'node:path'
import { enable } from '../lib/enable'
import { badPackages, liars } from './bad-packages'
import { Sandbox } from './cli'
import { blocksCjs, blocksEsm, commandsCjs, handlerRoot, manifest, marker, markersIn, packageJson, put, putPackage, scratch } from './packages'

/** Third-party packages in a handler root, seen by the host as it is shipped: in a process of its own, from dist. */
const temp = scratch()
const box = new Sandbox(temp.path)
const root = handlerRoot(temp.path)
const modules = join(root, 'node_modules')
afterAll(async () => {
  await box.close()
  temp.remove()
})

const good = [
  { name: 'blocks-esm', subtype: 'ram_esm', json: { type: 'module', exports: { '.': { import: './lib/main.js', require: './never.cjs' } } }, file: 'lib/main.js', text: blocksEsm },
  { name: '@scope/blocks-cjs', subtype: 'ram_cjs', json: { exports: undefined, main: './main' }, file: 'main.js', text: blocksCjs },
  { name: 'commands', subtype: 'raw', json: {}, file: 'index.js', text: commandsCjs, shape: 'commands' },
]
const markName = (name: string): string => name.replace('/', '-')
for (const g of good) {
  const json = packageJson(g.name, { tcmuHandler: manifest({ subtype: g.subtype, shape: g.shape ?? 'blocks', configHelp: `help of ${g.subtype}` }), ...g.json })
  putPackage(modules, { name: g.name, json, files: { [g.file]: g.text(g.subtype, marker(temp.path, markName(g.name))) } })
}
for (const b of badPackages) {
  const files = b.files?.(marker(temp.path, b.name)) ?? { 'index.js': blocksCjs('bad', marker(temp.path, b.name)) }
  const path = putPackage(modules, { name: b.name, json: b.json(b.name), files })
  b.finish?.(path)
}
put(join(modules, 'outside.js'), blocksCjs('bad', marker(temp.path, 'outside')))
for (const l of liars) {
  putPackage(modules, { name: `liar-${l.name}`, json: packageJson(`liar-${l.name}`, { tcmuHandler: manifest({ subtype: l.subtype }) }), files: { 'index.js': l.text(marker(temp.path, `liar-${l.name}`)) } })
}
const at = ['--handler-root', root]
beforeAll(() => enable(root))

interface Listed { subtype: string; shape: string; package: string; origin: string; configHelp: string; path: string; loaded: boolean }
interface Refused { code: string; package: string; path: string; field: string; message: string }

test('handlers lists the good, refuses the bad, and runs none of them', async () => {
  const { code, stdout } = await box.run('handlers', '--json', ...at)
  const { handlers, refused } = JSON.parse(stdout) as { handlers: Listed[]; refused: Refused[] }
  const ours = handlers.filter((h) => h.origin === 'root' && !h.package.startsWith('liar'))
  expect(ours.map((h) => [h.subtype, h.shape, h.package, h.configHelp])).toEqual([
    ['ram_cjs', 'blocks', '@scope/blocks-cjs', 'help of ram_cjs'], ['ram_esm', 'blocks', 'blocks-esm', 'help of ram_esm'], ['raw', 'commands', 'commands', 'help of raw'],
  ])
  expect(handlers.every((h) => !h.loaded)).toBe(true)
  const mine = refused.filter((r) => r.path.startsWith(root))
  expect(mine.map((r) => [r.path, r.code, r.field]).sort()).toEqual(badPackages.map((b) => [join(modules, b.name), b.code, b.field]).sort())
  expect(code).toBe(0)
  expect(markersIn(temp.path)).toEqual([])
})

test('handlers for people: one line each', async () => {
  const { stdout } = await box.run('handlers', ...at)
  const lines = stdout.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^SUBTYPE +SHAPE +PACKAGE +CONFIGURATION$/)
  expect(lines).toContainEqual(expect.stringMatching(/^raw +commands +commands@1\.2\.3 +help of raw$/))
  expect(lines.filter((l) => l.startsWith('refused: E_HANDLER_') && l.includes(root))).toHaveLength(badPackages.length)
})

test.each(good.map((g) => [g.name, g] as const))('check runs %s and only it', async (name, { subtype }) => {
  const before = markersIn(temp.path)
  const { code, stdout, stderr } = await box.run('check', `${subtype}/anything`, ...at)
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain(`${subtype} takes it (${name} 1.2.3 in ${join(modules, name)})`)
  expect(markersIn(temp.path)).toEqual([...before, markName(name)].sort())
})

test('check gives the reason of a handler that refuses', async () => {
  const { code, stdout } = await box.run('check', 'ram_cjs/bad', '--json', ...at)
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject({ subtype: 'ram_cjs', package: '@scope/blocks-cjs', config: 'bad', ok: false, reason: 'this one is bad' })
})

test.each(liars.map((l) => [l.name, l] as const))('code that is not what its manifest says is refused: %s', async (name, l) => {
  const { code, stdout, stderr } = await box.run('check', `${l.subtype}/x`, ...at)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(new RegExp(`^tcmu-host: ${l.code}: package liar-${name} in ${modules}`))
  expect(stderr).toMatch(l.message)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
})

describe('served', () => {
  const connects = (port: number): Promise<boolean> => new Promise((resolve) => {
    const s = createConnection(port, '127.0.0.1', () => (s.destroy(), resolve(true))).once('error', () => resolve(false))
  })

  test('one ready line, a URL for each LUN, devices over the control socket, exit 0', async () => {
    const socket = join(temp.path, 'control.sock')
    const host = box.start(['serve', '--portal', '127.0.0.1:0', '--socket', socket, ...at,
      '--lun', 'name=a,size=1M,cfgstring=ram_esm/x', '--lun', 'name=b,size=2M,blocksize=4096,readonly,cfgstring=ram_cjs/y,with,commas', '--lun', 'name=c,size=1M,cfgstring=raw/z'])
    const [line, port] = await host.until(/^ready iscsi:\/\/127\.0\.0\.1:(\d+)\/.*\n/)
    const url = (lun: number): string => `iscsi://127.0.0.1:${port}/iqn.2026-11.host.tcmu:default/${lun}`
    expect(line).toBe(`ready ${url(0)} ${url(1)} ${url(2)}\n`)
    expect(await connects(Number(port))).toBe(true)
    const devices = await box.run('devices', '--json', '--socket', socket)
    expect(JSON.parse(devices.stdout)).toMatchObject([
      { lun: 0, name: 'a', cfgstring: 'ram_esm/x', sizeBytes: 2 ** 20, blockSize: 512, readOnly: false, state: 'running' },
      { lun: 1, name: 'b', cfgstring: 'ram_cjs/y,with,commas', sizeBytes: 2 ** 21, blockSize: 4096, readOnly: true },
      { lun: 2, name: 'c', cfgstring: 'raw/z' },
    ])
    expect((await box.run('devices', '--socket', socket)).stdout).toMatch(/^LUN +NAME +SIZE +STATE +CFGSTRING\n0 +a +1MiB +running +ram_esm\/x\n/)
    const ended = await host.end('SIGINT')
    expect([ended.code, ended.signal, ended.stdout]).toEqual([0, null, line])
    expect(await connects(Number(port))).toBe(false)
    expect((await box.run('devices', '--socket', socket)).stderr).toMatch(/E_NOT_RUNNING: .*there is no such socket/)
  })

  test('a LUN that does not open ends it with an error; the others are named too', async () => {
    const one = await box.run('serve', '--portal', '127.0.0.1:0', ...at, '--lun', 'name=a,size=1M,cfgstring=ram_esm/x', '--lun', 'name=b,size=1M,cfgstring=ram_cjs/bad')
    expect([one.code, one.stdout]).toEqual([1, ''])
    expect(one.stderr.trimEnd().split('\n').at(-1)).toBe('tcmu-host: E_CONFIG_REFUSED: device b: ram_cjs/bad: this one is bad')
    const more = await box.run('serve', '--portal', '127.0.0.1:0', ...at, '--lun', 'name=a,size=1M,cfgstring=nobody/x', '--lun', 'name=b,size=1M,cfgstring=lie5/')
    expect(more.code).toBe(1)
    expect(more.stderr).toMatch(/tcmu-host: E_DEVICES: 2 devices did not open: a, b\. The first: E_UNKNOWN_SUBTYPE: device a \(nobody\/x\): no handler "nobody"/)
    expect(more.stderr).toMatch(/E_HANDLER_IMPORT: device b \(lie5\/\): package liar-throws/)
  })

  test('a second signal ends it at once although a handler does not let go', async () => {
    const text = `module.exports = { subtype: 'stuck', open: () => ({}), close: () => new Promise(() => {}), read() {}, write() {} }`
    putPackage(join(temp.path, 'stuck'), { name: 'stuck', json: packageJson('stuck', { tcmuHandler: manifest({ subtype: 'stuck' }) }), files: { 'index.js': text } })
    put(join(temp.path, 'stuck.json'), JSON.stringify({ handlerPaths: ['stuck'] }))
    const host = box.start(['serve', '--portal', '127.0.0.1:0', '--config', join(temp.path, 'stuck.json'), '--lun', 'name=a,size=1M,cfgstring=stuck/x'])
    await host.until(/^ready /)
    host.process.kill('SIGTERM')
    await host.until(/SIGTERM: stopping/, 'stderr')
    const began = Date.now()
    const ended = await host.end('SIGTERM')
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/SIGTERM again: ending at once/)
    expect(Date.now() - began).toBeLessThan(3000)
  })

  test('a promise that a handler rejects behind our back is logged and ends nothing', async () => {
    const text = `module.exports = { subtype: 'stray', open: () => { setTimeout(() => Promise.reject(new Error('astray')), 10); return {} }, read() {}, write() {} }`
    putPackage(join(temp.path, 'stray'), { name: 'stray', json: packageJson('stray', { tcmuHandler: manifest({ subtype: 'stray' }) }), files: { 'index.js': text } })
    put(join(temp.path, 'stray.json'), JSON.stringify({ handlerPaths: ['stray'] }))
    const host = box.start(['serve', '--portal', '127.0.0.1:0', '--config', join(temp.path, 'stray.json'), '--lun', 'name=a,size=1M,cfgstring=stray/x'])
    await host.until(/astray/, 'stderr')
    await host.until(/^ready /)
    expect((await host.end()).code).toBe(0)
  })

  test('an exception that a handler throws behind our back is logged, and everything is closed', async () => {
    const text = `module.exports = { subtype: 'thrower', open: () => { setTimeout(() => { throw new Error('astray') }, 300); return {} }, close: () => console.error('closed'), read() {}, write() {} }`
    putPackage(join(temp.path, 'thrower'), { name: 'thrower', json: packageJson('thrower', { tcmuHandler: manifest({ subtype: 'thrower' }) }), files: { 'index.js': text } })
    put(join(temp.path, 'thrower.json'), JSON.stringify({ handlerPaths: ['thrower'] }))
    const host = box.start(['serve', '--portal', '127.0.0.1:0', '--config', join(temp.path, 'thrower.json'), '--placement', 'thrower=inline', '--lun', 'name=a,size=1M,cfgstring=thrower/x'])
    const { code, stderr } = await host.ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/"level":"fatal".*an exception that nobody caught: astray/)
    expect(stderr).toMatch(/^closed$/m)
  })

  test('the code of no refused package has run, whatever came before', () => {
    expect(markersIn(temp.path).filter((m) => badPackages.some((b) => b.name === m) || m === 'outside')).toEqual([])
  })
})
