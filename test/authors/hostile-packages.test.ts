import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { release } from 'node:os'
import { join } from 'node:path'
import type { DeviceRuntime } from '../../packages/host/src/device'
import type { FrontEnd } from '../../packages/host/src/frontend'
import type { Host } from '../../packages/host/src/host'
import type { HostOptions } from '../../packages/host/src/host-options'
import { closureOf, environment, installedIn, PathGuard, Trust, TrustFile } from '../../packages/host/src/plugins'
import type { Initiator } from '../../packages/host/src/testing/initiator'
import { cdb } from '../../packages/host/src/testing/cdb'
import { enable } from '../lib/enable'
import { inRepository } from '../lib/repository'
import { until } from '../lib/run'
import { Sandbox } from '../plugins/cli'
import { handlerRoot, type Json, manifest, marker, markersIn, packageJson, put, putPackage, scratch } from '../plugins/packages'

/** Packages that mean harm, in a handler root: each is refused, or what it does reaches its own devices only. */
const temp = scratch()
const box = new Sandbox(temp.path)
afterAll(async () => {
  await box.close()
  temp.remove()
})
const marks = (name: string): string => `require('node:fs').writeFileSync(${JSON.stringify(marker(temp.path, name))}, '')\nmodule.exports = { subtype: 'x', open() {}, read() {}, write() {} }\n`

describe('refused before any of their code runs', () => {
  const root = handlerRoot(join(temp.path, 'refused'))
  const modules = join(root, 'node_modules')
  put(join(temp.path, 'outside/index.js'), marks('outside'))
  const text = (name: string, more: string): string => `{"name":"${name}","version":"1.0.0","keywords":["tcmu-handler"],"exports":"./index.js",${more}}`
  const good = (subtype: string, more = ''): string => `"tcmuHandler":{"apiVersion":"^1.0","subtype":"${subtype}","shape":"blocks","configHelp":"x"${more}}`
  interface Case { readonly name: string; readonly json: Json | string; readonly says: RegExp; readonly finish?: (path: string) => void }
  const cases: readonly Case[] = [
    { name: 'wrong-manifest', json: packageJson('wrong-manifest', { tcmuHandler: { shape: 'blocks', subtype: ['x'], apiVersion: '^1.0', configHelp: 1 } }), says: /E_HANDLER_MANIFEST: package wrong-manifest in .*: tcmuHandler\.\w+: wanted/ },
    { name: 'huge-file', json: `{"name":"huge-file","x":"${'y'.repeat(2 ** 21)}"}`, says: /E_HANDLER_PACKAGE_JSON: package huge-file in .*wanted at most 1048576 bytes/ },
    { name: 'huge-field', json: text('huge-field', good('hugefield', `,"summary":"${'z'.repeat(900_000)}"`)), says: /E_HANDLER_MANIFEST: package huge-field in .*tcmuHandler\.summary: wanted at most 256 characters/ },
    { name: 'deep', json: text('deep', good('deep', `,"options":${'{"properties":{"a":'.repeat(5000)}{}${'}}'.repeat(5000)}`)), says: /E_HANDLER_OPTIONS_SCHEMA: package deep in .*wanted at most 32 levels/ },
    { name: 'proto-field', json: text('proto-field', good('protofield', ',"__proto__":{"polluted":1}')), says: /E_HANDLER_MANIFEST: package proto-field in .*tcmuHandler\.__proto__/ },
    { name: 'proto-constructor', json: text('proto-constructor', good('protocons', ',"constructor":{"prototype":{"polluted":1}}')), says: /E_HANDLER_MANIFEST: package proto-constructor in .*tcmuHandler\.constructor/ },
    { name: 'escape', json: packageJson('escape', { exports: './../../../../outside/index.js', tcmuHandler: manifest({ subtype: 'escape' }) }), says: /E_HANDLER_ENTRY: package escape in .*exports: wanted a file inside the package/ },
    { name: 'escape-deep', json: packageJson('escape-deep', { exports: { '.': { import: [{ node: './lib/../../../../../outside/index.js' }] } }, tcmuHandler: manifest({ subtype: 'escapedeep' }) }), says: /E_HANDLER_ENTRY: package escape-deep in .*wanted a file inside the package/ },
    { name: 'linked-entry', json: packageJson('linked-entry', { exports: './lib/index.js', tcmuHandler: manifest({ subtype: 'linkedentry' }) }), says: /E_HANDLER_ENTRY: package linked-entry in .*wanted a file inside the package/, finish: (path) => symlinkSync(join(temp.path, 'outside'), join(path, 'lib')) },
    { name: 'linked-folder', json: packageJson('linked-folder', { tcmuHandler: manifest({ subtype: 'linkedfolder' }) }), says: /E_HANDLER_FILES: package linked-folder in .*: data: wanted links that stay inside the package, found ".*outside"/, finish: (path) => symlinkSync(join(temp.path, 'outside'), join(path, 'data')) },
    { name: 'pipe', json: packageJson('pipe', { tcmuHandler: manifest({ subtype: 'pipe' }) }), says: /E_HANDLER_FILES: package pipe in .*: more: wanted a file, a folder or a link, found a special file/, finish: (path) => void execFileSync('mkfifo', [join(path, 'more')]) },
    { name: 'many', json: packageJson('many', { tcmuHandler: manifest({ subtype: 'many' }), dependencies: { '..': '1', '../../../../outside': '1', '__proto__': '1' } }), says: /E_HANDLER_FILES: package many in .*: files: wanted at most 536870912 bytes, found more/, finish: (path) => void execFileSync('truncate', ['-s', '513M', join(path, 'large')]) },
  ]
  for (const { name, json, finish } of cases) {
    const path = putPackage(modules, { name, json, files: { 'index.js': marks(name) } })
    finish?.(path)
  }

  test.each(cases.map((c) => [c.name, c] as const))('%s, with the reason', async (name, { says }) => {
    const { code, stdout, stderr } = await box.run('handlers', 'enable', name, '--handler-root', root)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(says)
    expect(stderr.length).toBeLessThan(1500)
  })

  test('in this process too: nothing is polluted, and none of their code ran', () => {
    const guard = new PathGuard()
    const { packages } = installedIn(root, environment({ kernel: release(), guard }))
    const described = packages.filter((p) => p.handlers.length > 0)
    expect(described.map((p) => p.name)).toEqual(['linked-folder', 'many', 'pipe'])
    for (const p of described) expect(() => closureOf(p.real, { root, guard })).toThrow(/wanted/)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect(markersIn(temp.path)).toEqual([])
  })

  test('names that are no packages do not lead out of the root, and one called __proto__ is a package like any other', async () => {
    const at = handlerRoot(join(temp.path, 'names'))
    putPackage(join(at, 'node_modules'), { name: '__proto__', json: text('__proto__', `${good('proto')},"dependencies":{"..":"1","../../outside":"1","__proto__":"1"}`), files: { 'index.js': marks('proto') } })
    await enable(at)
    const guard = new PathGuard()
    const [p] = installedIn(at, environment({ kernel: release(), guard })).packages
    expect(typeof new Trust({ root: at, hostPackage: inRepository('packages/host'), guard }).judge(p!.handlers[0]!.candidate)).toBe('string')
    expect([...new TrustFile({ root: at, guard }).read().keys()]).toEqual(['__proto__'])
    expect(({} as { version?: unknown }).version).toBeUndefined()
  })
})

describe('contained in their processes', () => {
  const root = handlerRoot(join(temp.path, 'contained'))
  const built = createRequire(inRepository('packages/host/dist/x.js'))
  const { createHost } = built('./host') as { createHost: (o: HostOptions) => Host }
  const { createLog } = built('./log') as typeof import('../../packages/host/src/log')
  const { initiatorOf } = built('./testing') as { initiatorOf: (d: DeviceRuntime) => Initiator }
  const noPortal: FrontEnd = { createPortal: () => ({ listen: async () => ({ address: '127.0.0.1', port: 1 }), close: async () => undefined, sessions: () => [] }) }
  const hosts: Host[] = []
  const devices = new Map<string, DeviceRuntime>()
  const lines: string[] = []

  /** At import: code of the module. */
  const atImport: readonly (readonly [name: string, code: string, says: RegExp])[] = [
    ['import_throws', `throw new Error('thrown at import')`, /E_HANDLER_IMPORT: package import_throws in .*found thrown at import/],
    ['import_exits', 'process.exit(5)', /the process of import_exits \(import_exits@1\.2\.3\) is gone: it ended with 5 during load/],
    ['import_crashes', `process.kill(process.pid, 'SIGSEGV')`, /the process of import_crashes \(import_crashes@1\.2\.3\) is gone: it was ended by SIGSEGV during load/],
    ['import_pollutes', `Object.prototype.polluted = 1; module.exports = { subtype: 'import_pollutes', checkConfig: () => 'in its own process', open() {}, read() {}, write() {} }`, /^in its own process$/],
    ['import_loops', 'for (;;);', /the process of import_loops \(import_loops@1\.2\.3\) did not answer "load" in 60 s/],
  ]
  /** A disk in memory whose configuration is what it does, and where: `throw:read`. */
  const misbehaving = (subtype: string): string => `
const does = {
  throw: (hook) => { throw new Error('thrown in ' + hook) },
  reject: (hook) => Promise.reject(new Error('rejected in ' + hook)),
  text: () => 'fine', object: () => ({ status: 0 }), number: () => 1e9,
  exit: () => process.exit(7), crash: () => process.kill(process.pid, 'SIGSEGV') && new Promise(() => {}), never: () => new Promise(() => {}),
}
const good = {
  checkConfig: () => true, open: (dev) => ({ config: dev.config, memory: Buffer.alloc(dev.sizeBytes) }),
  read: (s, io) => void io.data.set(s.memory.subarray(io.offset, io.offset + io.length)), write: (s, io) => void io.data.copyTo(s.memory, io.offset),
  flush() {}, unmap() {}, writeSame() {}, compareAndWrite() {}, extents: () => [], reconfigure: () => 0, close() {},
}
const configOf = { checkConfig: (text) => text, open: (dev) => dev.config }
module.exports = { subtype: '${subtype}', ...Object.fromEntries(Object.entries(good).map(([hook, ok]) => [hook, (first, ...more) => {
  const [what, where] = (configOf[hook] ?? ((s) => s.config))(first).split(':')
  return where === hook ? does[what](hook) : ok(first, ...more)
}])) }\n`

  /** What makes each callback run. */
  const uses: Readonly<Record<string, (i: Initiator) => Promise<{ key?: number; status: number }>>> = {
    read: (i) => i.read({ lba: 0, blocks: 1 }),
    write: (i) => i.write(0, new Uint8Array(512)),
    flush: (i) => i.synchronizeCache(),
    unmap: (i) => i.unmap([{ lba: 0, blocks: 8 }]),
    writeSame: (i) => i.writeSame({ lba: 0, blocks: 8 }, new Uint8Array(512)),
    compareAndWrite: (i) => i.compareAndWrite(0, new Uint8Array(1024)),
    extents: (i) => i.send(cdb.getLbaStatus(), { dataIn: 24 }),
  }
  const told = Object.keys(uses).flatMap((hook) => ['throw', 'reject', 'text', 'object', 'number'].map((what) => [`${what}:${hook}`, hook] as const))
  const deadly = [['exits', 'exit', /it ended with 7 during write/], ['crashes', 'crash', /it was ended by SIGSEGV during write/]] as const

  const lun = (cfgstring: string, i: number): NonNullable<HostOptions['luns']>[number] => {
    const [subtype, config] = cfgstring.split('/') as [string, string]
    return { name: `d${i}`, subtype, config: subtype === 'file' ? join(temp.path, config) : config, sizeBytes: 2 ** 20, blockSize: 512, readOnly: false, options: undefined, serial: undefined }
  }
  async function start(cfgstrings: readonly string[]): Promise<Host> {
    const host = createHost({
      handlerRoot: root, luns: cfgstrings.map(lun), isolate: true,
      parts: { loadModule: async (url) => ({ default: (built(fileURLToPath(url)) as { default: unknown }).default }), frontEnd: async () => noPortal },
      log: createLog({ level: 3, human: false, to: { write: (l) => void lines.push(l) } }),
    })
    hosts.push(host)
    host.hooks.deviceAdded.tap('test', (d) => void devices.set(`${d.subtype}/${d.config}`, d as DeviceRuntime))
    await host.start()
    return host
  }
  const beside = async (): Promise<void> => {
    const file = initiatorOf(devices.get(`file/${join(temp.path, 'good.img')}`)!)
    expect((await file.write(8, new Uint8Array(512).fill(7))).status).toBe(0)
    expect(Buffer.from((await file.read({ lba: 8, blocks: 1 })).data)).toEqual(Buffer.alloc(512, 7))
  }
  let host: Host
  let never: Promise<unknown>

  beforeAll(async () => {
    mkdirSync(temp.path, { recursive: true })
    const modules = join(root, 'node_modules')
    const install = (subtype: string, code: string): void => void putPackage(modules, { name: subtype, json: packageJson(subtype, { tcmuHandler: manifest({ subtype }) }), files: { 'index.js': code } })
    for (const [name, code] of atImport) install(name, code)
    for (const subtype of ['hooks', 'exits', 'crashes', 'waits']) install(subtype, misbehaving(subtype))
    await enable(root)
    host = await start(['file/good.img', ...told.map(([config]) => `hooks/${config}`), 'hooks/throw:reconfigure', 'hooks/throw:close', ...deadly.map(([subtype, what]) => `${subtype}/${what}:write`)])
    never = start(['waits/never:open']).then(() => 'started', (e: unknown) => e)
  })
  afterAll(async () => void await Promise.all(hosts.map((h) => h.stop(1000))))

  test.each(atImport.filter(([name]) => name !== 'import_loops'))('%s', async (subtype, _, says) => {
    const said = await host.check(subtype, 'x').catch((e: Error) => e.message)
    expect(said).toMatch(says)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    await beside()
  })

  test.each(told)('%s is an error of that command, and of that device only', async (config, hook) => {
    const device = devices.get(`hooks/${config}`)!
    const from = lines.length
    const { key } = await uses[hook]!(initiatorOf(device))
    expect(key).toBe(4)
    const mine = (): string | undefined => lines.slice(from).find((l) => l.includes(`${device.name}: `) && l.includes('failed: '))
    await until(() => mine() !== undefined, 'a line of the log', 20_000)
    expect(mine()).toMatch(/"package":"hooks@1\.2\.3"/)
    expect(mine()).toMatch(config.startsWith('throw') ? new RegExp(`thrown in ${hook}`) : config.startsWith('reject') ? new RegExp(`rejected in ${hook}`) : hook === 'extents' ? /the handler answered with \w+, not with a list of extents/ : /no status|not with a status/)
    await beside()
  })

  test.each(deadly)('%s in a command ends its own process', async (subtype, what, says) => {
    const device = devices.get(`${subtype}/${what}:write`)!
    const hurt = initiatorOf(device).write(0, new Uint8Array(512))
    await until(() => lines.some((l) => l.includes(`the process of ${subtype} (${subtype}@1.2.3)`) && says.test(l)), `the log says ${says}`, 60_000)
    await beside()
    expect((await initiatorOf(devices.get('hooks/throw:close')!).read({ lba: 0, blocks: 1 })).status).toBe(0)
    void hurt
  })

  test.each([
    ['throw:checkConfig', /thrown in checkConfig/], ['reject:checkConfig', /rejected in checkConfig/], ['exit:checkConfig', /the process of waits \(waits@1\.2\.3\) is gone: it ended with 7 during check/],
    ['throw:open', /device d0 \(waits\/throw:open\) did not open: thrown in open/], ['exit:open', /waits \(waits@1\.2\.3\) is gone: it ended with 7 during open/], ['crash:open', /it was ended by SIGSEGV during open/],
  ])('%s: the device is refused with the reason, and another host and device carry on', async (config, says) => {
    await expect(start([`waits/${config}`])).rejects.toThrow(says)
    await beside()
  })

  test('a reconfiguration that throws is told to who asked', async () => {
    await expect(devices.get('hooks/throw:reconfigure')!.reconfigure({ kind: 'config', config: 'other' })).rejects.toThrow(/thrown in reconfigure/)
    await beside()
  })

  test('a loop at import, and an open that never settles, are given up', async () => {
    const looped = await host.check('import_loops', 'x').catch((e: Error) => e.message)
    expect(looped).toMatch(/import_loops/)
    expect(await never).toMatchObject({ message: expect.stringMatching(/the process of waits \(waits@1\.2\.3\) did not answer "open" in 60 s/) as string })
    await beside()
  })

  test('a close that throws keeps nobody from stopping', async () => {
    await host.stop(1000)
    expect(lines.some((l) => l.includes('thrown in close'))).toBe(true)
    expect(readFileSync(join(temp.path, 'good.img')).subarray(8 * 512, 9 * 512)).toEqual(Buffer.alloc(512, 7))
  })
})
