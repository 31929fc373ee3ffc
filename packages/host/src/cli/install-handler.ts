import { existsSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { quote, tcmuError } from '../errors'
import { type InstalledPackage, isPackageName, Trust, TrustFile } from '../plugins'
import { enablePackage, isEnabled, packageNamed, usable } from './enable'
import { hostLines, HandlerRoot, type RootFlags } from './handler-root'
import { npm } from './npm'
import type { Surroundings } from './options'
import { fingerprint, type PackageReport, reportLines, reportOf } from './package-report'
import { npmSpec, parsePackageText, type PackageText } from './package-text'

export interface InstallHandlerFlags extends RootFlags {
  readonly enable?: boolean
}
type Print = (line: string) => void

/** The name that npm gave to what was installed. */
function nameOfInstalled(what: PackageText, { root, asked }: { root: string; asked: Readonly<Record<string, string>> }): string | undefined {
  if (what.kind === 'name') return what.name
  const real = realpathSync(what.path)
  const at = (spec: string): string => resolve(root, spec.replace(/^file:/, ''))
  return Object.keys(asked).find((name) => asked[name]!.startsWith('file:') && existsSync(at(asked[name]!)) && realpathSync(at(asked[name]!)) === real)
}

/** What is there of a package that npm has just installed; throws why it is no handler. */
function installedHandler(name: string, root: HandlerRoot): InstalledPackage {
  const { packages, refusals } = root.installed()
  const found = packages.find((p) => p.name === name)
  if (found) return found
  const path = join(root.root, 'node_modules', name)
  throw refusals.find((r) => r.facts.path === path) ??
    tcmuError('E_NO_PACKAGE', { name, reason: `it was installed, but has neither the keyword nor the field of a handler; \`tcmu-host uninstall ${name}\` removes it` })
}

async function settled(pkg: InstalledPackage, root: HandlerRoot, enable: boolean): Promise<PackageReport> {
  usable(pkg)
  if (enable) return enablePackage(pkg, root)
  return reportOf(pkg, fingerprint(pkg, root), root, isEnabled(pkg, new Trust(root.places)))
}

async function finish(reports: readonly PackageReport[], before: readonly string[], root: HandlerRoot, flags: RootFlags, print: Print): Promise<void> {
  const host = await root.tellHost()
  if (flags.json) print(JSON.stringify({ packages: reports, host }, undefined, 2))
  else for (const line of [...before, ...reports.flatMap((r) => [...reportLines(r), ...hostLines(host, r.package, root.root)])]) print(line)
}

/** `tcmu-host install`: a package comes into the handler root, and is enabled only when that is said. */
export async function installHandler(text: string, flags: InstallHandlerFlags, at: Surroundings, print: Print): Promise<void> {
  const what = parsePackageText(text)
  const root = new HandlerRoot(flags, at)
  root.prepare()
  const report = await root.alone(async () => {
    await npm('install', [npmSpec(what)], root.root)
    const name = nameOfInstalled(what, { root: root.root, asked: root.asked() })
    if (name === undefined) throw tcmuError('E_NPM', { what: `install ${text}`, root: root.root, reason: 'its package.json does not say what was installed' })
    return settled(installedHandler(name, root), root, flags.enable === true)
  })
  await finish([report], [], root, flags, print)
}

/** `tcmu-host uninstall`: it is disabled, then removed. */
export async function uninstallHandler(name: string, flags: RootFlags, at: Surroundings, print: Print): Promise<void> {
  const root = new HandlerRoot(flags, at)
  const there = isPackageName(name) && existsSync(join(root.root, 'node_modules', name, 'package.json'))
  const known = there ? name : packageNamed(name, root).name
  await root.alone(async () => {
    // A file that is not believed enables nothing either.
    if (!new Trust(root.places).fault) await new TrustFile(root.places).set(known, undefined)
    await npm('uninstall', [known], root.root)
  })
  const host = await root.tellHost()
  if (flags.json) print(JSON.stringify({ package: known, host }, undefined, 2))
  else for (const line of [`${known} is removed`, ...hostLines(host, known, root.root)]) print(line)
}

interface Before {
  readonly version: string
  readonly digest: string | undefined
  readonly enabled: boolean
}

function stateOf(root: HandlerRoot): Map<string, Before> {
  const trust = new Trust(root.places)
  return new Map(root.installed().packages.map((p) => [p.name, { version: p.version, digest: digestOf(p, root), enabled: isEnabled(p, trust) }]))
}

function digestOf(p: InstalledPackage, root: HandlerRoot): string | undefined {
  try {
    return fingerprint(p, root).digest
  } catch {
    return undefined
  }
}

/** `tcmu-host update`: newer versions within the ranges that were installed. What was enabled needs that anew, or `--enable`. */
export async function updateHandlers(name: string | undefined, flags: InstallHandlerFlags, at: Surroundings, print: Print): Promise<void> {
  const root = new HandlerRoot(flags, at)
  const only = name === undefined ? undefined : packageNamed(name, root).name
  if (!existsSync(join(root.root, 'package.json'))) throw tcmuError('E_NO_PACKAGE', { name: quote(name ?? 'update'), reason: `npm has installed nothing in ${root.root}` })
  const { reports, lines } = await root.alone(async () => {
    const before = stateOf(root)
    await npm('update', only === undefined ? [] : [only], root.root)
    const changed = root.installed().packages.filter((p) => before.get(p.name)?.digest !== digestOf(p, root))
    const reports: PackageReport[] = []
    for (const p of changed) reports.push(await settled(p, root, flags.enable === true && before.get(p.name)?.enabled === true))
    return { reports, lines: changed.length ? changed.map((p) => `${p.name} ${before.get(p.name)?.version ?? '-'} -> ${p.version}`) : ['nothing is newer'] }
  })
  await finish(reports, lines, root, flags, print)
}
