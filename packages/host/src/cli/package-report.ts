import { relative } from 'node:path'
import { type Closure, closureOf, commandFor, type InstalledPackage, refusal, Unfit } from '../plugins'
import type { HandlerRoot } from './handler-root'

/** What an administrator wants to know of a package before it is enabled; as JSON, what `install --json` prints. */
export interface PackageReport {
  readonly package: string
  readonly version: string
  readonly path: string
  readonly enabled: boolean
  readonly handlers: readonly { readonly subtype: string; readonly shape: string; readonly configHelp: string }[]
  /** Of the package and of what it depends on. */
  readonly files: number
  readonly bytes: number
  readonly integrity: string
  readonly dependencies: Readonly<Record<string, string>>
  /** Files with machine code, below the handler root. */
  readonly native: readonly string[]
  /** Scripts that npm would have run. */
  readonly installScripts: readonly string[]
  readonly command: string
}

const SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare'] as const

/** The digest of a package; throws a refusal when there is none. */
export function fingerprint(pkg: InstalledPackage, { places }: HandlerRoot): Closure {
  try {
    return closureOf(pkg.real, places)
  } catch (e) {
    if (!(e instanceof Unfit)) throw e
    throw refusal(e.code, { package: pkg.name, path: pkg.path }, e.field, e.wanted, e.found)
  }
}

function scriptsOf({ packageJson: { scripts } }: InstalledPackage, { tree }: Closure): string[] {
  const declared = typeof scripts === 'object' && scripts !== null ? SCRIPTS.filter((s) => Object.hasOwn(scripts, s)) : []
  // npm builds a package with a binding.gyp although no script says so.
  return tree.files.has('binding.gyp') && !declared.includes('install') ? [...declared, 'node-gyp rebuild'] : declared
}

export function reportOf(pkg: InstalledPackage, closure: Closure, root: HandlerRoot, enabled: boolean): PackageReport {
  const { places } = root
  return {
    package: pkg.name, version: pkg.version, path: pkg.path, enabled,
    handlers: pkg.handlers.map(({ manifest: { subtype, shape, configHelp } }) => ({ subtype, shape, configHelp })),
    files: closure.files, bytes: closure.bytes, integrity: closure.digest, dependencies: Object.fromEntries(closure.dependencies),
    native: closure.native.map((path) => relative(places.root, path)), installScripts: scriptsOf(pkg, closure),
    command: commandFor('handlers enable', pkg.name, places),
  }
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`

/** The same for people. */
export function reportLines(r: PackageReport): string[] {
  const present = Object.values(r.dependencies).filter((d) => d !== 'absent').length
  return [
    `${r.package} ${r.version} in ${r.path}`,
    ...r.handlers.map((h) => `  handler ${h.subtype}, shape ${h.shape}: ${h.configHelp.split('\n', 1).join()}`),
    `  ${count(r.files, 'file')}, ${r.bytes} bytes, ${present === 0 ? 'no dependencies' : `of ${count(present + 1, 'package')}`}`,
    r.native.length ? `  native code: ${r.native.join(', ')}` : '  no native code',
    ...(r.installScripts.length ? [`  scripts that were not run: ${r.installScripts.join(', ')}`] : []),
    `  ${r.integrity}`,
    r.enabled ? 'It is enabled.' : `It is disabled. To use it: ${r.command}`,
  ]
}
