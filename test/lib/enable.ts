import { release } from 'node:os'
import { closureOf, environment, installedIn, PathGuard, recordOfClosure, TrustFile } from '../../packages/host/src/plugins'
import { inRepository } from './repository'

/** What `tcmu-host handlers enable` does, for the packages of a handler root that are named, or all. */
export async function enable(root: string, ...names: readonly string[]): Promise<void> {
  const guard = new PathGuard()
  const places = { root, hostPackage: inRepository('packages/host'), guard }
  const { packages } = installedIn(root, environment({ kernel: release(), guard }))
  for (const p of packages) {
    if (p.handlers.length === 0 || (names.length && !names.includes(p.name))) continue
    await new TrustFile(places).set(p.name, recordOfClosure(p.version, closureOf(p.real, places), new Date()))
  }
}
