import type { Import } from './imports'
import { target } from './imports'

/** Rooms of packages/host/src and what each may import (docs/decisions and the table in docs/testing.md say why). */
export const hostRooms: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  errors: [],
  state: ['errors'],
  scsi: ['wire'],
  input: ['errors'],
  log: ['errors'],
  platform: ['wire', 'errors', '@tcmu/native'],
  ring: ['wire', 'scsi', 'errors'],
  handler: ['wire', 'scsi', 'errors'],
  filter: ['wire', 'scsi', 'handler', 'errors'],
  frontend: ['scsi', 'handler', 'platform', 'errors'],
  io: ['wire', 'platform', 'handler', 'scsi', 'errors'],
  device: ['wire', 'scsi', 'ring', 'handler', 'filter', 'io', 'errors'],
  kernel: ['wire', 'platform', 'scsi', 'handler', 'ring', 'device', 'control', 'errors'],
  plugins: ['handler', 'filter', 'input', 'state', 'errors'],
  library: ['scsi', 'handler', 'device', 'errors'],
  supervisor: ['wire', 'scsi', 'ring', 'handler', 'io', 'platform', 'device', 'kernel', 'plugins', 'state', 'errors'],
  dev: ['wire', 'scsi', 'handler', 'io', 'device', 'plugins', 'supervisor', 'control', 'frontend', 'log', 'testing', 'errors'],
  control: ['errors', 'log', 'input', 'handler', 'filter', 'frontend'],
  testing: ['wire', 'scsi', 'ring', 'device', 'handler', 'filter', 'kernel', 'errors'],
}
/** Files at the top of packages/host/src that put the rooms together. */
export const composers = ['host', 'host-options', 'host-hooks', 'handler-set', 'trace', 'port-group', 'open-devices', 'index', 'cli']

/** What other packages may import of this repository. */
const handlerPackage = ['@tcmu/host/handler', '@tcmu/host/scsi']
const packages: Readonly<Record<string, readonly string[]>> = {
  native: [],
  iscsi: ['@tcmu/host/scsi', '@tcmu/host/state'],
  filters: ['@tcmu/host/filter', '@tcmu/host/scsi'],
}
/** Handlers of storage libraries: the typed face of their own target. */
const faces: Readonly<Record<string, string>> = { 'handler-rbd': '@tcmu/native/rbd', 'handler-glfs': '@tcmu/native/glfs' }
const inTests = ['@tcmu/host/testing', '@tcmu/host/handler', '@tcmu/host/scsi']

export const isTest = (file: string): boolean => /\.test\.ts$/.test(file)

/** `host`, `iscsi`, `handler-file`, ... or `native`. */
export const packageOf = (file: string): string => (file.startsWith('native/') ? 'native' : file.split('/')[1]!)

/** The room of a file of the host: a folder of src, or the name of a file at its top. */
export function roomOf(file: string): string {
  const [, , , first] = file.split('/')
  return first!.replace(/(\.test)?\.ts$/, '')
}

const ours = (specifier: string): boolean => specifier.startsWith('@tcmu/')

function hostComplaint(i: Import, to: string | undefined): string | undefined {
  const room = roomOf(i.from)
  const dest = to ? roomOf(to) : i.specifier
  if (!to && !ours(dest)) return undefined
  if (to && packageOf(to) !== 'host') return `reaches into ${packageOf(to)}`
  if (dest === '@tcmu/native' && room !== 'platform') return 'only platform may use the addon'
  if (dest === room || composers.includes(room)) return undefined
  if (isTest(i.from) && dest !== '@tcmu/native') return composers.includes(dest) ? `${room} must not know ${dest}` : undefined
  const allowed = hostRooms[room]
  if (!allowed) return `${room} is not a room of the plan: add it to test/lib/arrows.ts`
  return allowed.includes(dest) ? undefined : `${room} may import ${allowed.join(', ') || 'nothing'}; not ${dest}`
}

function packageComplaint(i: Import, to: string | undefined): string | undefined {
  const name = packageOf(i.from)
  if (to) return packageOf(to) === name ? undefined : `${name} reaches into ${packageOf(to)}`
  if (!ours(i.specifier)) return undefined
  const allowed = packages[name] ?? (name.startsWith('handler-') ? handlerPackage : undefined)
  if (!allowed) return `${name} is not a package of the plan: add it to test/lib/arrows.ts`
  const more = isTest(i.from) || i.from.includes('/testing/') ? inTests : []
  return [...allowed, ...more, faces[name]].includes(i.specifier) ? undefined : `${name} may import ${allowed.join(', ') || 'nothing of ours'}; not ${i.specifier}`
}

/** What is wrong with an import, or undefined. `files` are the sources of all packages. */
export function complaint(i: Import, files: ReadonlySet<string>): string | undefined {
  const to = target(i, files)
  const what = packageOf(i.from) === 'host' ? hostComplaint(i, to) : packageComplaint(i, to)
  return what && `${i.from}:${i.line} imports ${i.specifier}: ${what}`
}
