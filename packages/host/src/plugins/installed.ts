import { resolve } from 'node:path'
import type { Refusal } from './candidate'
import { discover } from './discover'
import { type Accepted, type Environment, Validator } from './validate'

/** A package of a handler root that says it is a handler, whether it is enabled or not. */
export interface InstalledPackage {
  readonly name: string
  readonly version: string
  readonly path: string
  readonly real: string
  readonly packageJson: Readonly<Record<string, unknown>>
  readonly handlers: readonly Accepted[]
  /** Why some of its handlers, or all, cannot be used. */
  readonly refusals: readonly Refusal[]
}

/** Packages of a handler root that describe handlers, and what else was refused there. Runs nothing. */
export function installedIn(root: string, environment: Environment): { packages: readonly InstalledPackage[]; refusals: readonly Refusal[] } {
  const { candidates, refusals } = discover({ handlerRoot: resolve(root), handlerRootAsked: true, guard: environment.guard })
  const validator = new Validator(environment)
  const packages = new Map<string, InstalledPackage>()
  for (const c of candidates) {
    const judged = validator.judge(c)
    const before = packages.get(c.path) ?? { name: c.package, version: c.version, path: c.path, real: c.real, packageJson: c.packageJson, handlers: [], refusals: [] }
    packages.set(c.path, judged instanceof Error ? { ...before, refusals: [...before.refusals, judged] } : { ...before, handlers: [...before.handlers, judged] })
  }
  return { packages: [...packages.values()], refusals }
}
