import type { SyncBailHook, SyncHook } from 'tapable'
import { quote, reasonOf, tcmuError } from '../errors'
import type { Handler } from '../handler/types'
import { type Candidate, type Origin, recordOf, refusal, type Refusal, type RefusalRecord } from './candidate'
import type { Discovery } from './discover'
import { givenHandler } from './given'
import { importModule, type ImportModule, loadHandler } from './load'
import { checkOptions } from './options'
import { type Accepted, type Environment, Validator } from './validate'

/** Where others attach (DESIGN §9). */
export interface RegistryHooks {
  /** Answer false to keep a package out. */
  readonly candidate: SyncBailHook<[Candidate], false | undefined>
  /** The code of a handler was loaded and holds what its manifest said. */
  readonly handlerReady: SyncHook<[Handler, Accepted]>
}

export interface RegistryDeps {
  readonly environment: Environment
  readonly hooks?: RegistryHooks
  readonly load?: ImportModule
  /** Handlers that need not be found; they come before all others. */
  readonly given?: readonly Handler[]
}

/** One accepted package as lists show it. */
export interface HandlerRecord {
  readonly subtype: string
  readonly shape: string
  readonly package: string
  readonly version: string
  readonly path: string
  readonly origin: Origin
  readonly apiVersion: string
  readonly summary: string | undefined
  readonly configHelp: string
  readonly options: unknown
  readonly loaded: boolean
  /** Why loading failed, if it was tried. */
  readonly failure: string | undefined
  readonly warnings: readonly string[]
}

export interface Inventory {
  readonly handlers: readonly HandlerRecord[]
  readonly refused: readonly RefusalRecord[]
}

interface Entry {
  readonly accepted: Accepted
  loading?: Promise<Handler>
  loaded?: boolean
  failure?: string
}

/** Handlers by subtype. Manifests are judged when it is made; code is loaded when a handler is first asked for, once. */
export class HandlerRegistry {
  readonly refusals: Refusal[]
  private readonly entries = new Map<string, Entry>()

  constructor(discovery: Discovery, private readonly deps: RegistryDeps) {
    this.refusals = [...discovery.refusals]
    for (const handler of deps.given ?? []) this.give(handler)
    const validator = new Validator(deps.environment)
    for (const candidate of discovery.candidates) this.admit(candidate, validator)
  }

  private give(handler: Handler): void {
    const accepted = givenHandler(handler)
    const { subtype } = handler
    if (this.entries.has(subtype)) throw refusal('E_HANDLER_DUPLICATE', accepted.candidate, 'handlers', 'a subtype of its own', `${quote(subtype)} twice`)
    this.entries.set(subtype, { accepted, loading: Promise.resolve(handler), loaded: true })
  }

  private admit(candidate: Candidate, validator: Validator): void {
    if (this.deps.hooks?.candidate.call(candidate) === false) {
      this.refusals.push(refusal('E_HANDLER_VETOED', candidate, 'package', 'one that the policy of this host allows', candidate.package))
      return
    }
    const judged = validator.judge(candidate)
    if (judged instanceof Error) {
      this.refusals.push(judged)
      return
    }
    const { subtype } = judged.manifest
    const first = this.entries.get(subtype)?.accepted.candidate
    if (first) {
      this.refusals.push(refusal('E_HANDLER_DUPLICATE', candidate, `${candidate.fieldName}.subtype`, 'a subtype of its own', `${quote(subtype)}, which ${first.package} in ${first.path} has`))
    } else this.entries.set(subtype, { accepted: judged })
  }

  /** Exactly this subtype. Throws E_UNKNOWN_SUBTYPE naming those there are. */
  find(subtype: string): Accepted {
    return this.entry(subtype).accepted
  }

  knows(subtype: string): boolean {
    return this.entries.has(subtype)
  }

  private entry(subtype: string): Entry {
    const entry = this.entries.get(subtype)
    if (entry) return entry
    const known = [...this.entries.keys()].sort().join(', ') || 'none at all'
    throw tcmuError('E_UNKNOWN_SUBTYPE', { subtype: quote(subtype), known })
  }

  /** The handler, its code loaded now if it was not. Rejects with E_UNKNOWN_SUBTYPE, E_HANDLER_IMPORT or E_HANDLER_MISMATCH. */
  async load(subtype: string): Promise<Handler> {
    const entry = this.entry(subtype)
    entry.loading ??= this.start(entry)
    return entry.loading
  }

  private async start(entry: Entry): Promise<Handler> {
    try {
      const handler = await loadHandler(entry.accepted, this.deps.load ?? importModule)
      entry.loaded = true
      this.deps.hooks?.handlerReady.call(handler, entry.accepted)
      return handler
    } catch (e) {
      entry.failure = reasonOf(e)
      throw e
    }
  }

  /** Throws E_OPTIONS when the structured options of a device do not fit its handler. */
  checkOptions(subtype: string, options: unknown, device: string): void {
    checkOptions(this.find(subtype).options, options, device, subtype)
  }

  get warnings(): Refusal[] {
    return [...this.entries.values()].flatMap((e) => e.accepted.warnings)
  }

  /** Everything found, as plain data. */
  inventory(): Inventory {
    const handlers = [...this.entries.values()].map(({ accepted, loaded, failure }) => recordOfHandler(accepted, loaded === true, failure))
    return { handlers: handlers.sort((a, b) => (a.subtype < b.subtype ? -1 : 1)), refused: this.refusals.map(recordOf) }
  }
}

function recordOfHandler({ candidate: c, manifest: m, warnings }: Accepted, loaded: boolean, failure: string | undefined): HandlerRecord {
  return {
    subtype: m.subtype, shape: m.shape, package: c.package, version: c.version, path: c.path, origin: c.origin, apiVersion: m.apiVersion,
    summary: m.summary, configHelp: m.configHelp, options: m.options, loaded, failure, warnings: warnings.map((w) => w.message),
  }
}
