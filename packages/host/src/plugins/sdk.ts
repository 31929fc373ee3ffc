import { realpathSync } from 'node:fs'
import Module, { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ImportModule } from './load'

/** What handlers import of the host. */
const SDK = '@tcmu/host/'

type Resolve = (specifier: string, context: object, next: (specifier: string, context?: object) => unknown) => unknown
/** Parts of node:module that the oldest supported Node.js lacks or does not document. */
interface ModuleParts {
  /** Node.js 22.15, 23.5 and later: for import and require alike. */
  registerHooks?(hooks: { resolve: Resolve }): void
  _resolveFilename(request: string, parent: unknown, isMain: boolean, options?: unknown): string
}

/** Runs in the thread that Node.js keeps for hooks, so it is text. */
const importHook = (from: string): string => `
export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context)
  } catch (error) {
    if (!specifier.startsWith(${JSON.stringify(SDK)})) throw error
    return next(specifier, { ...context, parentURL: ${JSON.stringify(from)} })
  }
}`

function offerToRequire(parts: ModuleParts, packageJson: string): void {
  const original = parts._resolveFilename.bind(parts)
  const own = createRequire(packageJson)
  parts._resolveFilename = (request, ...rest) => {
    try {
      return original(request, ...rest)
    } catch (e) {
      if (!request.startsWith(SDK)) throw e
      return own.resolve(request)
    }
  }
}

/**
 * Let every module of this process find the SDK: what imports `@tcmu/host/handler` and has no copy of its own gets the
 * host's. It changes how the process resolves modules, so it is for programs, not for libraries.
 */
function offerSdk(hostPackage: string): void {
  const packageJson = join(hostPackage, 'package.json')
  const from = pathToFileURL(packageJson).href
  const parts = Module as unknown as ModuleParts
  if (parts.registerHooks) {
    parts.registerHooks({
      resolve: (specifier, context, next) => {
        try {
          return next(specifier, context)
        } catch (e) {
          if (!specifier.startsWith(SDK)) throw e
          return next(specifier, { ...context, parentURL: from })
        }
      },
    })
    return
  }
  Module.register(`data:text/javascript,${encodeURIComponent(importHook(from))}`)
  offerToRequire(parts, packageJson)
}

/** Whether what lies at `url` finds the SDK of `hostPackage` by itself, as the packages that came with the host do. */
function findsSdk(url: string, hostPackage: string): boolean {
  try {
    return realpathSync(createRequire(url).resolve(`${SDK}package.json`)) === realpathSync(join(hostPackage, 'package.json'))
  } catch {
    return false
  }
}

/**
 * An importer that offers the SDK of `hostPackage` before it imports the first module that would not find it: where Node.js has no
 * hooks in the thread itself, they cost a thread and a tenth of the time of every start.
 */
export function withSdk(hostPackage: string, load: ImportModule): ImportModule {
  let offered = false
  return (url) => {
    if (!offered && !findsSdk(url, hostPackage)) {
      offerSdk(hostPackage)
      offered = true
    }
    return load(url)
  }
}
