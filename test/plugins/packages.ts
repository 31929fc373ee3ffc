import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

export const repository = resolve(__dirname, '../..')

/** A folder of its own for one test file, gone afterwards. */
export function scratch(): { readonly path: string; readonly remove: () => void } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'tcmu-plugins-')))
  chmodSync(path, 0o755)
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Write a file, its folders made; nobody else may write there whatever the umask. */
export function put(path: string, text: string): void {
  const missing: string[] = []
  for (let dir = dirname(path); !existsSync(dir); dir = dirname(dir)) missing.unshift(dir)
  for (const dir of missing) {
    mkdirSync(dir)
    chmodSync(dir, 0o755)
  }
  writeFileSync(path, text)
  chmodSync(path, 0o644)
}

export type Json = Record<string, unknown>

export const manifest = (more: Json = {}): Json => ({ apiVersion: '^1.0', subtype: 'sample', shape: 'blocks', configHelp: 'anything', ...more })

/** The package.json of a good handler, `more` over it. An `undefined` takes a field away. */
export const packageJson = (name: string, more: Json = {}): Json => ({
  name, version: '1.2.3', keywords: ['tcmu-handler'], exports: './index.js', tcmuHandler: manifest(), ...more,
})

/** Code that leaves a file behind when it runs, so that it can be told whether it ran. */
export const marker = (folder: string, name: string): string => join(folder, `ran-${name}`)
const mark = (path: string, esm: boolean): string =>
  esm
    ? `import { writeFileSync as leaveMark } from 'node:fs'\nleaveMark(${JSON.stringify(path)}, '')\n`
    : `require('node:fs').writeFileSync(${JSON.stringify(path)}, '')\n`

export const markersIn = (folder: string): string[] => readdirSync(folder).filter((n) => n.startsWith('ran-')).map((n) => n.slice(4)).sort()

const ram = (subtype: string): string => `{
  subtype: '${subtype}',
  checkConfig: (config) => config !== 'bad' || 'this one is bad',
  open: (dev) => new Uint8Array(dev.sizeBytes || 65536),
  read: (ram, io) => { io.data.set(ram.subarray(io.offset, io.offset + io.length)) },
  write: (ram, io) => { io.data.copyTo(ram.subarray(io.offset, io.offset + io.length)) },
}`

export const blocksEsm = (subtype: string, markAt: string): string =>
  `import { defineHandler } from '@tcmu/host/handler'\n${mark(markAt, true)}export default defineHandler(${ram(subtype)})\n`
export const blocksCjs = (subtype: string, markAt: string): string =>
  `const { defineHandler } = require('@tcmu/host/handler')\n${mark(markAt, false)}module.exports = defineHandler(${ram(subtype)})\n`
/** A commands handler that takes nothing from the SDK at all: handlers are told by what they have. */
export const commandsCjs = (subtype: string, markAt: string): string =>
  `${mark(markAt, false)}exports.default = { subtype: '${subtype}', open: () => ({}), handleCmd: () => 0 }\n`

export interface PackageText {
  readonly name: string
  readonly json: Json | string
  readonly files?: Readonly<Record<string, string>>
}

/** Put a package under `folder/NAME`. */
export function putPackage(folder: string, { name, json, files = {} }: PackageText): string {
  const path = join(folder, name)
  put(join(path, 'package.json'), typeof json === 'string' ? json : JSON.stringify(json))
  for (const [file, text] of Object.entries(files)) put(join(path, file), text)
  return path
}

/**
 * A handler root as npm leaves it, without a copy of the SDK: the host offers its own. An empty @tcmu/host stands in the way
 * of any that a folder above may have.
 */
export function handlerRoot(folder: string): string {
  const root = join(folder, 'root')
  put(join(root, 'package.json'), '{}')
  put(join(root, 'node_modules/.package-lock.json'), '{}')
  put(join(root, 'node_modules/@tcmu/host/package.json'), '{"name":"@tcmu/host","exports":{}}')
  return root
}
