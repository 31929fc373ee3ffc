import { readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { quote, reasonOf } from '../errors'
import { type Candidate, nameOf, type Origin, refusal, type Refusal } from './candidate'
import { modulesAbove } from './closure'
import { PathGuard } from './guard'
import { readPackageJson } from './package-json'

export const KEYWORD = 'tcmu-handler'
export const FIELD = 'tcmuHandler'
/** How packages say what they have, and which of the host's scope beside it are its own. */
export interface Kind {
  readonly keyword: string
  readonly field: string
  readonly bundled: RegExp
}
export const handlerKind: Kind = { keyword: KEYWORD, field: FIELD, bundled: /^handler-/ }
export const filterKind: Kind = { keyword: 'tcmu-filter', field: 'tcmuFilter', bundled: /^filters$/ }
const BUNDLED_SCOPE = '@tcmu'
/** Handlers in one package; more are not looked at. */
const MAX_HANDLERS = 16

export interface Places {
  /** Folder of the host's own package; the bundled handlers are those it could require. */
  readonly hostPackage?: string
  /** A folder with `node_modules`, as npm makes it. */
  readonly handlerRoot?: string
  /** The root was asked for: its absence is worth a line. */
  readonly handlerRootAsked?: boolean
  /** Package folders, or folders of package folders. */
  readonly handlerPaths?: readonly string[]
  readonly guard?: PathGuard
}

export interface Discovery {
  /** In order of precedence. */
  readonly candidates: readonly Candidate[]
  readonly refusals: readonly Refusal[]
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** Names in a folder, sorted, so that precedence does not depend on the file system; none when it cannot be read. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((n) => !n.startsWith('.')).sort()
  } catch {
    return []
  }
}

/** Package folders right below `folder`, scopes opened. */
function packagesIn(folder: string): string[] {
  return namesIn(folder).flatMap((name) => (name.startsWith('@') ? namesIn(join(folder, name)).map((n) => join(folder, name, n)) : [join(folder, name)]))
    .filter(isFolder)
}

/** Packages beside the host: of the nearest folder that has any, so that nobody adds one in a folder far above. */
function bundled(hostPackage: string, kind: Kind): string[] {
  for (const modules of modulesAbove(hostPackage)) {
    const scope = join(modules, BUNDLED_SCOPE)
    const found = namesIn(scope).filter((n) => kind.bundled.test(n)).map((n) => join(scope, n))
    if (found.length) return found
  }
  return []
}

class Walk {
  readonly candidates: Candidate[] = []
  readonly refusals: Refusal[] = []
  private readonly seen = new Set<string>()

  constructor(private readonly guard: PathGuard, private readonly kind: Kind) {}

  /** Look at one folder; returns whether it is a package at all. */
  package(path: string, origin: Origin): boolean {
    let real: string
    try {
      real = realpathSync(path)
    } catch {
      return false
    }
    const read = readPackageJson(real)
    if (read.kind === 'none') return false
    if (this.seen.has(real)) return true
    this.seen.add(real)
    const who = { package: basename(path), path }
    if (read.kind === 'bad') this.refusals.push(refusal('E_HANDLER_PACKAGE_JSON', who, read.field, read.wanted, read.found))
    else this.judge(path, real, origin, read.json)
    return true
  }

  private judge(path: string, real: string, origin: Origin, json: Readonly<Record<string, unknown>>): void {
    const who = { package: nameOf(json.name ?? basename(path)), path }
    const { keyword, field: fieldOf } = this.kind
    const hasKeyword = Array.isArray(json.keywords) && json.keywords.includes(keyword)
    const hasField = Object.hasOwn(json, fieldOf)
    if (!hasKeyword && !hasField) return
    if (!hasField) this.refusals.push(refusal('E_HANDLER_NO_MANIFEST', who, fieldOf, 'an object', 'nothing'))
    else if (!hasKeyword) this.refusals.push(refusal('E_HANDLER_NO_KEYWORD', who, 'keywords', `a list with ${quote(keyword)}`, quote(json.keywords)))
    else if (typeof json.name !== 'string' || nameOf(json.name) !== json.name) {
      this.refusals.push(refusal('E_HANDLER_PACKAGE_JSON', who, 'name', 'an npm package name', quote(json.name)))
    } else if (this.safe(who, origin, path, real, join(real, 'package.json'))) {
      const version = typeof json.version === 'string' ? json.version : '0.0.0'
      const field = json[fieldOf]
      const all = Array.isArray(field) ? field.slice(0, MAX_HANDLERS).map((f: unknown, i) => [f, `${fieldOf}[${i}]`] as const) : [[field, fieldOf] as const]
      if (all.length === 0) this.refusals.push(refusal('E_HANDLER_NO_MANIFEST', who, fieldOf, 'an object, or a list of some', '[]'))
      for (const [f, fieldName] of all) this.candidates.push({ ...who, version, real, origin, field: f, fieldName, packageJson: json })
    }
  }

  /** What came with the host is trusted as the host is; other paths only when nobody else can change them. */
  private safe(who: { package: string; path: string }, origin: Origin, ...paths: string[]): boolean {
    if (origin === 'bundled') return true
    for (const path of paths) {
      const unsafe = this.guard.check(path)
      if (!unsafe) continue
      this.refusals.push(refusal('E_HANDLER_UNSAFE_PATH', who, unsafe.path, unsafe.wanted, unsafe.found))
      return false
    }
    return true
  }

  /** Whether a place to look in is there and safe; a refusal tells when not. */
  place(path: string, field: string, asked: boolean): boolean {
    const who = { package: '(any)', path }
    try {
      if (!statSync(path).isDirectory()) this.refusals.push(refusal('E_HANDLER_PATH', who, field, 'a folder', 'a file'))
      else return this.safe(who, 'path', path, realpathSync(path))
    } catch (e) {
      const missing = (e as NodeJS.ErrnoException).code === 'ENOENT'
      if (asked || !missing) this.refusals.push(refusal('E_HANDLER_PATH', who, field, 'a folder', missing ? 'nothing' : reasonOf(e)))
    }
    return false
  }
}

/**
 * Find packages that say they are handlers, or of another kind: those bundled with the host, those in the handler root, those on the paths of
 * the configuration. Reads package.json files only; runs nothing. Never throws.
 */
export function discover(places: Places, kind = handlerKind): Discovery {
  const walk = new Walk(places.guard ?? new PathGuard(), kind)
  if (places.hostPackage) {
    for (const path of bundled(places.hostPackage, kind)) walk.package(path, 'bundled')
  }
  if (places.handlerRoot) {
    const root = resolve(places.handlerRoot)
    if (walk.place(root, 'handlerRoot', places.handlerRootAsked === true)) {
      for (const path of packagesIn(join(root, 'node_modules'))) walk.package(path, 'root')
    }
  }
  for (const path of (places.handlerPaths ?? []).map((p) => resolve(p))) {
    if (!walk.place(path, 'handlerPaths', true) || walk.package(path, 'path')) continue
    const found = packagesIn(path).filter((p) => walk.package(p, 'path'))
    if (!found.length) walk.refusals.push(refusal('E_HANDLER_PATH', { package: '(any)', path }, 'handlerPaths', 'a package or a folder of packages', 'neither'))
  }
  return walk
}
