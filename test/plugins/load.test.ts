import { join } from 'node:path'
import { discover, environment, PathGuard } from '../../packages/host/src/plugins'
import { type ImportModule, loadHandler } from '../../packages/host/src/plugins/load'
import { type Accepted, Validator } from '../../packages/host/src/plugins/validate'
import { manifest, packageJson, putPackage, scratch } from './packages'

const temp = scratch()
afterAll(temp.remove)
const guard = new PathGuard({ uid: 1000, stat: () => ({ uid: 0, mode: 0 }) })
putPackage(temp.path, { name: 'p', json: packageJson('p', { tcmuHandler: manifest({ requires: { libraries: ['libodd.so.1'] } }) }), files: { 'index.js': '' } })
const [candidate] = discover({ handlerPaths: [join(temp.path, 'p')], guard }).candidates
const accepted = new Validator(environment({ kernel: '6.1.0', guard })).judge(candidate!) as Accepted
const definition = { subtype: 'sample', open() {}, read() {}, write() {} }
const load = (load: ImportModule): ReturnType<typeof loadHandler> => loadHandler(accepted, load, 30)

test.each([
  ['an ES module', { default: definition }],
  ['a CommonJS module made from TypeScript', { default: { __esModule: true, default: definition } }],
])('the definition of %s is found', async (_, namespace) => {
  const urls: string[] = []
  expect(await load(async (url) => (urls.push(url), namespace))).toBe(definition)
  expect(urls).toEqual([`file://${join(temp.path, 'p/index.js')}`])
})

test.each([
  ['never finishes', () => new Promise(() => undefined), /^E_HANDLER_IMPORT: package p in .*: it did not finish loading within 0\.03 s|did not finish loading/],
  ['fails for want of a library', () => Promise.reject(new Error('libodd.so.1: cannot open')), /found libodd\.so\.1: cannot open \(it requires libodd\.so\.1\)/],
  ['has no default export', async () => ({ handler: definition }), /^E_HANDLER_MISMATCH: .*found no default export/],
  ['exports nothing', async () => undefined, /no default export/],
  ['exports null', async () => ({ default: null }), /E_HANDLER_MISMATCH: .*not null/],
  ['exports a class', async () => ({ default: class {} }), /E_HANDLER_MISMATCH: .*not function/],
  ['lacks a callback', async () => ({ default: { ...definition, write: 1 } }), /`write` is number, but must be a function/],
])('a module that %s is refused', async (_, module, message) => {
  await expect(load(module)).rejects.toThrow(message)
})
