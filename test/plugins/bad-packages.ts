import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { blocksCjs, blocksEsm, type Json, manifest, packageJson } from './packages'

/** One bad package of each kind: what it is, and what its refusal must say. */
export interface BadPackage {
  readonly name: string
  /** Given the file to leave behind when the code runs. */
  readonly json: (name: string) => Json | string
  readonly files?: (markAt: string) => Record<string, string>
  readonly finish?: (path: string) => void
  readonly code: string
  readonly field: string
  readonly wanted: RegExp
  readonly found: RegExp
}

const withField = (more: Json) => (name: string): Json => packageJson(name, { tcmuHandler: manifest({ subtype: 'bad', ...more }) })
const withPackage = (more: Json) => (name: string): Json => packageJson(name, { tcmuHandler: manifest({ subtype: 'bad' }), ...more })
const bad = (name: string, json: BadPackage['json'], code: string, field: string, wanted: RegExp, found: RegExp, more: Partial<BadPackage> = {}): BadPackage =>
  ({ name, json, code, field, wanted, found, ...more })

const M = 'E_HANDLER_MANIFEST'
const nested = (depth: number): Json => (depth ? { type: 'object', properties: { a: nested(depth - 1) } } : {})

export const badPackages: readonly BadPackage[] = [
  bad('not-json', () => '{"name": ', 'E_HANDLER_PACKAGE_JSON', 'package.json', /JSON/, /./),
  bad('a-list', () => '[]', 'E_HANDLER_PACKAGE_JSON', 'package.json', /object/, /\[\]/),
  bad('too-large', () => `{"x":"${'x'.repeat(2 ** 20)}"}`, 'E_HANDLER_PACKAGE_JSON', 'package.json', /at most 1048576 bytes/, /1048584 bytes/),
  bad('bad-name', withPackage({ name: 'two words' }), 'E_HANDLER_PACKAGE_JSON', 'name', /npm package name/, /"two words"/),
  bad('no-field', withPackage({ tcmuHandler: undefined }), 'E_HANDLER_NO_MANIFEST', 'tcmuHandler', /an object/, /nothing/),
  bad('no-keyword', withPackage({ keywords: ['tcmu'] }), 'E_HANDLER_NO_KEYWORD', 'keywords', /tcmu-handler/, /\["tcmu"\]/),
  bad('field-text', withPackage({ tcmuHandler: 'yes' }), M, 'tcmuHandler', /an object/, /"yes"/),
  bad('field-null', withPackage({ tcmuHandler: null }), M, 'tcmuHandler', /an object/, /null/),
  bad('api-two', withField({ apiVersion: '^2.0' }), 'E_HANDLER_API', 'tcmuHandler.apiVersion', /1\.\d+\.0/, /"\^2\.0"/),
  bad('api-two-new-field', withField({ apiVersion: '2', later: true }), 'E_HANDLER_API', 'tcmuHandler.apiVersion', /1\.\d+\.0/, /"2"/),
  bad('api-words', withField({ apiVersion: 'the latest' }), M, 'tcmuHandler.apiVersion', /semver range/, /"the latest"/),
  bad('api-number', withField({ apiVersion: 1 }), M, 'tcmuHandler.apiVersion', /a string/, /1/),
  bad('api-none', withField({ apiVersion: undefined }), M, 'tcmuHandler.apiVersion', /a value/, /nothing/),
  bad('subtype-hyphen', withField({ subtype: 'my-disk' }), M, 'tcmuHandler.subtype', /A-Za-z0-9_/, /"my-disk"/),
  bad('subtype-taken', withField({ subtype: 'HandlerManager1' }), M, 'tcmuHandler.subtype', /but "HandlerManager1"/, /"HandlerManager1"/),
  bad('subtype-long', withField({ subtype: 'x'.repeat(65) }), M, 'tcmuHandler.subtype', /at most 64/, /x/),
  bad('shape-none', withField({ shape: undefined }), M, 'tcmuHandler.shape', /a value/, /nothing/),
  bad('shape-other', withField({ shape: 'files' }), M, 'tcmuHandler.shape', /"blocks" or "commands"/, /"files"/),
  bad('help-none', withField({ configHelp: undefined }), M, 'tcmuHandler.configHelp', /a value/, /nothing/),
  bad('misspelt', withField({ configHlep: 'x' }), M, 'tcmuHandler.configHlep', /one of .*configHelp/, /"configHlep"/),
  bad('thread-other', withField({ thread: 'both' }), M, 'tcmuHandler.thread', /"any" or "main"/, /"both"/),
  bad('requires-other', withField({ requires: { python: '3' } }), M, 'tcmuHandler.requires.python', /libraries, node, kernel/, /"python"/),
  bad('requires-words', withField({ requires: { node: 'new' } }), M, 'tcmuHandler.requires.node', /semver range/, /"new"/),
  bad('requires-node', withField({ requires: { node: '>=99' } }), 'E_HANDLER_REQUIRES', 'tcmuHandler.requires.node', />=99/, /^\d+\./),
  bad('requires-kernel', withField({ requires: { kernel: '>=99' } }), 'E_HANDLER_REQUIRES', 'tcmuHandler.requires.kernel', />=99/, /^\d+\./),
  bad('options-text', withField({ options: 'any' }), M, 'tcmuHandler.options', /an object/, /"any"/),
  bad('options-keyword', withField({ options: { tpye: 'object' } }), 'E_HANDLER_OPTIONS_SCHEMA', 'tcmuHandler.options', /JSON Schema/, /tpye/),
  bad('options-ref', withField({ options: { $ref: 'https://example.com/schema' } }), 'E_HANDLER_OPTIONS_SCHEMA', 'tcmuHandler.options', /JSON Schema/, /resolve/),
  bad('options-deep', withField({ options: nested(40) }), 'E_HANDLER_OPTIONS_SCHEMA', 'tcmuHandler.options', /at most 32 levels/, /more/),
  bad('options-pattern', withField({ options: { type: 'string', pattern: 'a'.repeat(300) } }), 'E_HANDLER_OPTIONS_SCHEMA', 'tcmuHandler.options', /patterns/, /300/),
  bad('options-large', withField({ options: { description: 'x'.repeat(70_000) } }), 'E_HANDLER_OPTIONS_SCHEMA', 'tcmuHandler.options', /bytes/, /70/),
  bad('entry-none', withPackage({ exports: './missing.js' }), 'E_HANDLER_ENTRY', 'exports', /exists/, /missing/),
  bad('entry-empty', withPackage({ exports: {} }), 'E_HANDLER_ENTRY', 'exports', /path/, /\{\}/),
  bad('entry-main-none', withPackage({ exports: undefined, main: 'lib/a' }), 'E_HANDLER_ENTRY', 'main', /exists/, /lib\/a/, { files: () => ({ 'README.md': '' }) }),
  bad('entry-dots', withPackage({ exports: './../outside.js' }), 'E_HANDLER_ENTRY', 'exports', /inside the package/, /outside\.js/),
  bad('entry-bare', withPackage({ exports: 'index.js' }), 'E_HANDLER_ENTRY', 'exports', /begins with \.\//, /"index\.js"/),
  bad('entry-link', withPackage({ exports: './linked.js' }), 'E_HANDLER_ENTRY', 'exports', /inside the package/, /outside\.js/, {
    finish: (path) => symlinkSync('../outside.js', join(path, 'linked.js')),
  }),
  bad('entry-folder', withPackage({ exports: './lib' }), 'E_HANDLER_ENTRY', 'exports', /exists/, /lib/, { files: (m) => ({ 'lib/index.js': blocksCjs('bad', m) }) }),
]

/** Good manifests over code that is not what they say; refused when they are loaded. */
export interface Liar {
  readonly name: string
  readonly subtype: string
  readonly text: (markAt: string) => string
  readonly code: string
  readonly message: RegExp
}

export const liars: readonly Liar[] = [
  { name: 'other-subtype', subtype: 'lie1', text: (m) => blocksCjs('truth', m), code: 'E_HANDLER_MISMATCH', message: /subtype: wanted "lie1", found "truth"/ },
  {
    name: 'other-shape', subtype: 'lie2', code: 'E_HANDLER_MISMATCH', message: /shape: wanted "blocks", found "commands"/,
    text: () => `module.exports = { subtype: 'lie2', open() {}, handleCmd: () => 0 }`,
  },
  { name: 'no-export', subtype: 'lie3', text: () => 'exports.handler = {}', code: 'E_HANDLER_MISMATCH', message: /a handler/ },
  { name: 'no-write', subtype: 'lie4', text: () => `module.exports = { subtype: 'lie4', open() {}, read() {} }`, code: 'E_HANDLER_MISMATCH', message: /`write` is missing/ },
  { name: 'throws', subtype: 'lie5', text: () => `throw new Error('first line\\nsecond line')`, code: 'E_HANDLER_IMPORT', message: /first line\. / },
  { name: 'syntax', subtype: 'lie6', text: () => 'const = 1', code: 'E_HANDLER_IMPORT', message: /Unexpected token/ },
  { name: 'needs-module', subtype: 'lie7', text: () => `require('nobody-has-this')`, code: 'E_HANDLER_IMPORT', message: /Cannot find module 'nobody-has-this'/ },
  { name: 'throws-nothing', subtype: 'lie8', text: () => 'throw undefined', code: 'E_HANDLER_IMPORT', message: /found nothing/ },
]

export const goodEsm = (markAt: string): string => blocksEsm('ram_esm', markAt)
