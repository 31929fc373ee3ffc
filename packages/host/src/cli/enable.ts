import { quote, tcmuError } from '../errors'
import { type InstalledPackage, recordOfClosure, refusal, type Trust, TrustFile } from '../plugins'
import { hostLines, HandlerRoot, type RootFlags } from './handler-root'
import type { Surroundings } from './options'
import { fingerprint, type PackageReport, reportLines, reportOf } from './package-report'

type Print = (line: string) => void

/** The package of a root by its name or by one of its subtypes. Throws E_NO_PACKAGE. */
export function packageNamed(name: string, root: HandlerRoot): InstalledPackage {
  const { packages, refusals } = root.installed()
  const found = packages.find((p) => p.name === name) ?? packages.find((p) => p.handlers.some((h) => h.manifest.subtype === name))
  if (found) return found
  const refused = refusals.find((r) => r.facts.package === name)
  if (refused) throw refused
  const registry = root.registry()
  const elsewhere = registry.inventory().handlers.find((h) => h.origin !== 'root' && (h.subtype === name || h.package === name))
  const why = { bundled: 'comes with the host, and is always enabled', path: 'is on a handler path, and whoever names a path enables what is there' } as const
  if (elsewhere) throw tcmuError('E_NO_PACKAGE', { name: quote(name), reason: why[elsewhere.origin as keyof typeof why] })
  throw tcmuError('E_NO_PACKAGE', { name: quote(name), reason: `no handler package of this name or subtype is in ${root.root}; there are ${packages.map((p) => p.name).join(', ') || 'none'}` })
}

/** Throws E_HANDLER_DUPLICATE when a handler of another package has one of its subtypes. */
function checkSubtypes(pkg: InstalledPackage, root: HandlerRoot): void {
  const { handlers } = root.registry().inventory()
  for (const { candidate, manifest } of pkg.handlers) {
    const other = handlers.find((h) => h.subtype === manifest.subtype && h.path !== pkg.path)
    if (other) throw refusal('E_HANDLER_DUPLICATE', pkg.handlers[0]!.candidate, `${candidate.fieldName}.subtype`, 'a subtype of its own', `${quote(manifest.subtype)}, which ${other.package} in ${other.path} has`)
  }
}

/** Throws why nothing of a package can be used. */
export function usable(pkg: InstalledPackage): void {
  if (pkg.handlers.length === 0) throw pkg.refusals[0]!
}

/** Enable what is there of a package, as it is now. Rejects with why it cannot be used. */
export async function enablePackage(pkg: InstalledPackage, root: HandlerRoot): Promise<PackageReport> {
  usable(pkg)
  checkSubtypes(pkg, root)
  const closure = fingerprint(pkg, root)
  await new TrustFile(root.places).set(pkg.name, recordOfClosure(pkg.version, closure, new Date()))
  return reportOf(pkg, closure, root, true)
}

/** Whether a package is enabled as it is now. */
export const isEnabled = (pkg: InstalledPackage, trust: Trust): boolean => pkg.handlers.some((h) => typeof trust.judge(h.candidate) === 'string')

/** `tcmu-host handlers enable`. */
export async function enableHandler(name: string, flags: RootFlags, at: Surroundings, print: Print): Promise<void> {
  const root = new HandlerRoot(flags, at)
  const pkg = packageNamed(name, root)
  const report = await root.alone(() => enablePackage(pkg, root))
  const host = await root.tellHost()
  if (flags.json) print(JSON.stringify({ ...report, host }, undefined, 2))
  else for (const line of [...reportLines(report), ...hostLines(host, pkg.name, root.root)]) print(line)
}

/** `tcmu-host handlers disable`. */
export async function disableHandler(name: string, flags: RootFlags, at: Surroundings, print: Print): Promise<void> {
  const root = new HandlerRoot(flags, at)
  const file = new TrustFile(root.places)
  // What is gone can be disabled all the same.
  const known = file.read().has(name) ? name : packageNamed(name, root).name
  await root.alone(() => file.set(known, undefined))
  const host = await root.tellHost()
  if (flags.json) print(JSON.stringify({ package: known, enabled: false, host }, undefined, 2))
  else for (const line of [`${known} is disabled`, ...hostLines(host, known, root.root)]) print(line)
}
