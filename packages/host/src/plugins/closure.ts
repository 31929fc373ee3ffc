import { realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { isPackageName } from './candidate'
import { integrity, KnownFiles, type Tree, TreeReader } from './digest'
import type { PathGuard } from './guard'
import { readPackageJson } from './package-json'

const SDK = '@tcmu/host'
const ABSENT = 'absent'
const FIELDS = ['dependencies', 'optionalDependencies', 'peerDependencies'] as const

/** A package with what it says it depends on, as it lies there. */
export interface Closure {
  /** Of all of it. */
  readonly digest: string
  /** The package itself. */
  readonly tree: Tree
  /** By place below the root: version and digest; `absent` where nothing is found. */
  readonly dependencies: ReadonlyMap<string, string>
  readonly files: number
  readonly bytes: number
  /** Paths of files with machine code. */
  readonly native: readonly string[]
}

export interface ClosurePlaces {
  /** What places are named from. */
  readonly root: string
  /** Folder of the running host, whose SDK handlers get. */
  readonly hostPackage?: string
  readonly guard: PathGuard
  readonly known?: KnownFiles
}

/** `node_modules` folders that a module of `folder` is resolved from, nearest first; no global ones. */
export function modulesAbove(folder: string): string[] {
  const found: string[] = []
  for (let dir = folder, below = ''; dir !== below; below = dir, dir = dirname(dir)) {
    if (basename(dir) !== 'node_modules') found.push(join(dir, 'node_modules'))
  }
  return found
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** Names that a package.json says its package depends on; what is no name cannot be imported by one. */
function dependenciesOf(json: Readonly<Record<string, unknown>>): string[] {
  const names = FIELDS.flatMap((field) => {
    const list = json[field]
    return typeof list === 'object' && list !== null ? Object.keys(list) : []
  })
  return [...new Set(names.filter((n) => isPackageName(n) && !n.startsWith('.')))].sort()
}

class Walk {
  readonly dependencies = new Map<string, string>()
  private readonly trees: string[] = []
  private readonly seen = new Set<string>()
  readonly reader: TreeReader
  private readonly host: string | undefined

  constructor(private readonly places: ClosurePlaces) {
    this.reader = new TreeReader(places.guard, places.known)
    this.host = places.hostPackage && realpathSync(places.hostPackage)
  }

  private placeOf(path: string): string {
    return relative(this.places.root, path)
  }

  tree(folder: string): Tree {
    this.trees.push(folder)
    return this.reader.read(folder)
  }

  /** Packages that were linked into what was read, whoever names them. */
  links(): void {
    for (const at of this.reader.linked) if (at !== this.host) this.count(at, at)
  }

  /** All that the package in `folder` depends on, and so on. */
  follow(folder: string): void {
    if (this.seen.has(folder)) return
    this.seen.add(folder)
    const read = readPackageJson(folder)
    if (read.kind !== 'ok') return
    // Handlers import the SDK, whether they say so or not, and a copy that is found goes before the host's.
    for (const name of new Set([...dependenciesOf(read.json), SDK])) this.dependency(folder, name)
  }

  /** Each place where it is found: which one Node.js takes depends on how it is imported. */
  private dependency(folder: string, name: string): void {
    const found = modulesAbove(folder).map((m) => join(m, name)).filter(isFolder)
    const real = found.map((path) => [path, realpathSync(path)] as const).filter(([, r]) => r !== this.host)
    if (real.length === 0 && name !== SDK) this.dependencies.set(`${this.placeOf(folder)} > ${name}`, ABSENT)
    for (const [path, at] of real) this.count(path, at)
  }

  private count(path: string, at: string): void {
    if (!this.covered(at)) this.dependencies.set(this.placeOf(path), `${versionIn(at)} ${this.tree(at).digest}`)
    this.follow(at)
  }

  private covered(folder: string): boolean {
    return this.trees.some((t) => folder === t || folder.startsWith(t + sep))
  }
}

function versionIn(folder: string): string {
  const read = readPackageJson(folder)
  const version = read.kind === 'ok' ? read.json.version : undefined
  return typeof version === 'string' && /^[\w.+-]{1,64}$/.test(version) ? version : '0.0.0'
}

/**
 * Digest of the package in `folder` (its links resolved) and of every package that it, or one of those, names as a dependency
 * and that is found from where it lies. The host's own package is left out: it vouches for the others. Throws Unfit.
 */
export function closureOf(folder: string, places: ClosurePlaces): Closure {
  const walk = new Walk(places)
  const tree = walk.tree(folder)
  walk.follow(folder)
  walk.links()
  const dependencies = new Map([...walk.dependencies].sort(([a], [b]) => (a < b ? -1 : 1)))
  const text = [tree.digest, ...[...dependencies].map(([place, what]) => `${JSON.stringify(place)} ${what}`)].join('\n')
  const { count, bytes, native } = walk.reader
  return { digest: integrity(text), tree, dependencies, files: count, bytes, native }
}
