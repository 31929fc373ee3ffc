import type { SyncBailHook, SyncHook } from 'tapable'
import { quote, reasonOf, type TcmuError, tcmuError } from '../errors'
import type { Handler } from '../handler/types'
import { type Candidate, recordOf, refusal, type Refusal } from './candidate'
import type { Discovery } from './discover'
import { givenHandler } from './given'
import { type DisabledRecord, disabledRecord, type Entry, type Inventory, recordOfEntry } from './inventory'
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
  /** Look at the files again, right before code of the handler root is imported. Throws why it is not to be. */
  readonly verify?: (accepted: Accepted) => void
  /** Handlers that need not be found; they come before all others. */
  readonly given?: readonly Handler[]
}

/** What came of looking again: subtypes. */
export interface RegistryChanges {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly updated: readonly string[]
  /** Other code is there, and what runs in this thread stays until a restart. */
  readonly restart: readonly string[]
  /** Not to be had any more, but kept for the devices that use it. */
  readonly withdrawn: readonly string[]
}

/** Handlers by subtype. Manifests are judged when it is made; code is loaded when a handler is first asked for, once. */
export class HandlerRegistry {
  refusals: Refusal[] = []
  disabled: DisabledRecord[] = []
  private entries = new Map<string, Entry>()
  /** Why a subtype that is there is not to be had. */
  private readonly reasons = new Map<string, TcmuError>()
  private environment: Environment

  constructor(discovery: Discovery, private readonly deps: RegistryDeps) {
    this.environment = deps.environment
    this.survey(discovery)
  }

  private survey(discovery: Discovery): void {
    const fault = discovery.candidates.some((c) => c.origin === 'root') ? this.environment.trust?.fault : undefined
    this.refusals = fault ? [...discovery.refusals, fault] : [...discovery.refusals]
    this.disabled = []
    this.entries = new Map()
    this.reasons.clear()
    for (const handler of this.deps.given ?? []) this.give(handler)
    const validator = new Validator(this.environment)
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
    if (judged instanceof Error) this.refusals.push(judged)
    else if (candidate.origin === 'root') this.admitTrusted(judged)
    else this.enter(judged)
  }

  /** Of the handler root, what is enabled and still the same. */
  private admitTrusted(judged: Accepted): void {
    const { candidate, manifest: { subtype } } = judged
    const trusted = this.environment.trust?.judge(candidate) ?? tcmuError('E_HANDLER_DISABLED', { package: candidate.package, path: candidate.path, command: `tcmu-host handlers enable ${candidate.package}` })
    if (typeof trusted === 'string') {
      this.enter({ ...judged, identity: trusted })
      return
    }
    if (!this.reasons.has(subtype)) this.reasons.set(subtype, trusted)
    if (trusted.code === 'E_HANDLER_DISABLED') this.disabled.push(disabledRecord(judged, trusted))
    else this.refusals.push(trusted)
  }

  private enter(judged: Accepted): void {
    const { candidate, manifest: { subtype } } = judged
    const first = this.entries.get(subtype)?.accepted.candidate
    if (first) {
      this.refusals.push(refusal('E_HANDLER_DUPLICATE', candidate, `${candidate.fieldName}.subtype`, 'a subtype of its own', `${quote(subtype)}, which ${first.package} in ${first.path} has`))
    } else this.entries.set(subtype, { accepted: judged })
  }

  /**
   * Judge anew what was found, as things are now. Code that was loaded stays as it is; `inUse` says which subtypes have devices:
   * those stay known when their package is gone, and take no new ones.
   */
  refresh(discovery: Discovery, environment: Environment, inUse: (subtype: string) => boolean): RegistryChanges {
    const before = this.entries
    this.environment = environment
    this.survey(discovery)
    const changes = { added: [] as string[], removed: [] as string[], updated: [] as string[], restart: [] as string[], withdrawn: [] as string[] }
    for (const subtype of this.entries.keys()) if (!before.has(subtype)) changes.added.push(subtype)
    for (const [subtype, old] of before) {
      const became = this.carry(subtype, old, inUse)
      if (became !== 'same') changes[became].push(subtype)
    }
    return changes
  }

  /** Take over what an entry of before has; returns what became of it. */
  private carry(subtype: string, old: Entry, inUse: (subtype: string) => boolean): keyof RegistryChanges | 'same' {
    const now = this.entries.get(subtype)
    if (!now) {
      if (!inUse(subtype)) return 'removed'
      this.entries.set(subtype, { ...old, withdrawn: this.reasonFor(subtype) })
      return old.withdrawn ? 'same' : 'withdrawn'
    }
    if (now.accepted.identity === old.accepted.identity) {
      this.entries.set(subtype, { ...old, accepted: now.accepted, withdrawn: undefined, newer: undefined })
      return old.withdrawn ? 'added' : 'same'
    }
    if (!old.loaded) return 'updated'
    const newer = now.accepted.candidate.version
    this.entries.set(subtype, { ...old, withdrawn: undefined, newer })
    return old.newer === newer ? 'same' : 'restart'
  }

  /** Forget what was only kept for devices that are gone by now; returns whether there was any. */
  settle(inUse: (subtype: string) => boolean): boolean {
    const over = [...this.entries].filter(([subtype, e]) => e.withdrawn && !inUse(subtype))
    for (const [subtype] of over) this.entries.delete(subtype)
    return over.length > 0
  }

  /** Exactly this subtype. Throws E_UNKNOWN_SUBTYPE naming those there are, or why the one that is there is not to be had. */
  find(subtype: string): Accepted {
    return this.entry(subtype).accepted
  }

  knows(subtype: string): boolean {
    return this.entries.has(subtype)
  }

  /** Version that is installed of a handler whose other code is loaded. */
  newerThanLoaded(subtype: string): string | undefined {
    return this.entries.get(subtype)?.newer
  }

  private entry(subtype: string): Entry {
    const entry = this.entries.get(subtype)
    if (entry && !entry.withdrawn) return entry
    throw entry?.withdrawn ?? this.reasonFor(subtype)
  }

  private reasonFor(subtype: string): TcmuError {
    const reason = this.reasons.get(subtype)
    if (reason) return reason
    const known = [...this.entries.keys()].sort().join(', ') || 'none at all'
    return tcmuError('E_UNKNOWN_SUBTYPE', { subtype: quote(subtype), known })
  }

  /** The handler, its code loaded now if it was not. Rejects as `find` throws, or with E_HANDLER_IMPORT, E_HANDLER_MISMATCH. */
  async load(subtype: string): Promise<Handler> {
    const entry = this.entry(subtype)
    if (!entry.loading) this.deps.verify?.(entry.accepted)
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
    const handlers = [...this.entries.values()].map(recordOfEntry)
    return {
      handlers: handlers.sort((a, b) => (a.subtype < b.subtype ? -1 : 1)),
      disabled: [...this.disabled].sort((a, b) => (a.package < b.package ? -1 : 1)),
      refused: this.refusals.map(recordOf),
    }
  }
}
