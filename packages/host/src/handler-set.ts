import { release } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { ConfigWatch, type WatchTiming } from './control'
import { reasonOf } from './errors'
import type { Handler } from './handler'
import type { IoEngineChoice } from './io'
import { type FactLog, handlerLog, type Logger } from './log'
import {
  type Accepted, discover, type Discovery, type Environment, environment, type HandlerRecord, HandlerRegistry, type ImportModule, importModule, KnownFiles, PathGuard, type RegistryChanges, type RegistryHooks, Trust, TRUST_FILE,
} from './plugins'
import type { HandlerHost, HandlerHostState, Supervisor } from './supervisor'
import { type Placement, type PlacementChoices, placementOf } from './supervisor/placement'

export interface HandlerSetOptions {
  readonly handlerRoot?: string
  readonly handlerRootAsked?: boolean
  readonly handlerPaths?: readonly string[]
  /** Handlers of the program itself; those that come with the host are left out then. */
  readonly handlers?: readonly Handler[] | undefined
  readonly isolate?: boolean
  readonly placement?: PlacementChoices
  readonly loadModule?: ImportModule
  readonly guard?: PathGuard
  /** What carries out the file I/O of handlers outside of this thread. */
  readonly ioEngine?: IoEngineChoice
  readonly hooks: RegistryHooks
  readonly log: Logger
  /** Devices of a subtype that are open. */
  readonly devicesOf: (subtype: string) => readonly string[]
  /** Handlers came, went or changed what they say of themselves. */
  readonly changed: () => void
  readonly watch?: WatchTiming
}

/** What of the handler root is there after a rescan, for who asked for it. */
export interface RescanReport {
  readonly handlerRoot: string | undefined
  readonly handlers: readonly (Pick<HandlerRecord, 'package' | 'version' | 'subtype' | 'withdrawn' | 'restartFor'> & { readonly devices: readonly string[] })[]
}

const hostPackage = dirname(__dirname)

/** The handlers of a host: found, judged, placed; looked for again when what is installed changes. */
export class HandlerSet {
  private found: HandlerRegistry | undefined
  private processes: Supervisor | undefined
  private readonly known = new KnownFiles()
  private watch: ConfigWatch | undefined
  private readonly log: FactLog

  constructor(private readonly options: HandlerSetOptions) {
    this.log = handlerLog(options.log)
  }

  /** Made, and loaded, for the first handler whose code is not to run in this thread. */
  private get supervisor(): Supervisor {
    if (this.processes) return this.processes
    const { log, handlerRootAsked, ioEngine } = this.options
    const { Supervisor } = require('./supervisor') as typeof import('./supervisor')
    return (this.processes = new Supervisor({
      hostPackage, log: ({ manifest }) => handlerLog(log, { handler: manifest.subtype, ...this.packageOf(manifest.subtype) }), current: (subtype) => this.registry.find(subtype),
      trust: this.root === undefined ? undefined : { root: this.root, asked: handlerRootAsked === true },
      ioEngine,
    }))
  }

  private get root(): string | undefined {
    return this.options.handlerRoot === undefined ? undefined : resolve(this.options.handlerRoot)
  }

  /** Made when this is first used; runs no code of a handler. */
  get registry(): HandlerRegistry {
    if (this.found) return this.found
    const { handlers: given, hooks, loadModule } = this.options
    const seen = this.look()
    return (this.found = new HandlerRegistry(seen.discovery, { given, environment: seen.environment, hooks, load: loadModule ?? importModule, verify: (a) => this.verify(a) }))
  }

  private look(): { discovery: Discovery; environment: Environment } {
    const { handlerRootAsked, handlerPaths, handlers: given } = this.options
    const guard = this.options.guard ?? new PathGuard()
    return {
      discovery: discover({ hostPackage: given ? undefined : hostPackage, handlerRoot: this.root, handlerRootAsked, handlerPaths, guard }),
      environment: environment({ kernel: release(), guard, trust: this.trust(guard, this.known) }),
    }
  }

  private trust(guard: PathGuard, known: KnownFiles): Trust | undefined {
    return this.root === undefined ? undefined : new Trust({ root: this.root, asked: this.options.handlerRootAsked, hostPackage, guard, known })
  }

  /** Code that is imported into this thread is read once more. */
  private verify({ candidate }: Accepted): void {
    if (candidate.origin !== 'root') return
    const judged = this.trust(this.options.guard ?? new PathGuard(), new KnownFiles())!.judge(candidate)
    if (typeof judged !== 'string') throw judged
  }

  /** What log lines say of code that did not come with the host. Throws as `load` does. */
  packageOf(subtype: string): { readonly package?: string } {
    const { origin, package: name, version } = this.registry.find(subtype).candidate
    return origin === 'bundled' ? {} : { package: `${name}@${version}` }
  }

  /** The handler, or where its code is not to run in this thread, its stand-in. */
  async load(subtype: string): Promise<Handler> {
    const accepted = this.registry.find(subtype)
    const where = this.placementOf(accepted)
    if (where !== 'inline') return this.supervisor.handler(accepted, where)
    const newer = this.registry.newerThanLoaded(subtype)
    if (newer !== undefined) this.log.warn(`${subtype}: version ${newer} is installed, and ${accepted.candidate.version} runs in this process: restart needed`)
    return this.registry.load(subtype)
  }

  /** The process or thread that the code of a handler has; undefined: it runs in this one. */
  async hostOf(subtype: string): Promise<HandlerHost | undefined> {
    const accepted = this.registry.find(subtype)
    const where = this.placementOf(accepted)
    return where === 'inline' ? undefined : this.supervisor.host(accepted, where)
  }

  private placementOf({ candidate, manifest }: Accepted): Placement {
    const { isolate, placement } = this.options
    return isolate ? placementOf(manifest.subtype, candidate.origin, placement, manifest.requires?.libraries) : 'inline'
  }

  /** Processes and threads that handlers run in. */
  get states(): readonly HandlerHostState[] {
    return this.processes?.states() ?? []
  }

  /** Log what there is, and follow what is installed from now on. */
  start(): void {
    const { registry, root } = this
    for (const r of [...registry.refusals, ...registry.warnings]) this.options.log.warn({ code: r.code }, r.message)
    for (const d of registry.disabled) this.log.info(`${d.package} ${d.version} (${d.subtype}) is found, disabled; \`${d.command}\` enables it`)
    this.log.info(`handlers: ${registry.inventory().handlers.map((h) => h.subtype).join(', ') || 'none'}`)
    if (root === undefined) return
    const modules = join(root, 'node_modules')
    this.watch = new ConfigWatch([join(root, TRUST_FILE), modules, join(modules, '*')], () => this.follow(), this.options.watch).start()
  }

  private follow(): void {
    try {
      this.rescan()
    } catch (e) {
      this.log.error(`looking for handlers: ${reasonOf(e)}`)
    }
  }

  /** Look again at what is installed and enabled. */
  rescan(): RescanReport {
    const { registry } = this
    const { devicesOf, changed } = this.options
    const before = new Set(registry.refusals.map((r) => r.message))
    const seen = this.look()
    const changes = registry.refresh(seen.discovery, seen.environment, (subtype) => devicesOf(subtype).length > 0)
    for (const r of registry.refusals) if (!before.has(r.message)) this.options.log.warn({ code: r.code }, r.message)
    this.tell(changes)
    changed()
    return this.report()
  }

  private report(): RescanReport {
    const { handlers } = this.registry.inventory()
    return {
      handlerRoot: this.root,
      handlers: handlers.filter((h) => h.origin === 'root')
        .map(({ package: name, version, subtype, withdrawn, restartFor }) => ({ package: name, version, subtype, withdrawn, restartFor, devices: this.options.devicesOf(subtype) })),
    }
  }

  private tell({ added, removed, updated, restart, withdrawn }: RegistryChanges): void {
    const say = (subtypes: readonly string[], what: string): void => void (subtypes.length && this.log.info(`handlers ${what}: ${subtypes.join(', ')}`))
    say(added, 'that are here now')
    say(removed, 'that are gone')
    say(updated, 'whose new code the next device that opens has')
    say(restart, 'of which other code is installed than runs in this process, restart needed')
    say(withdrawn, 'that are gone once their devices are closed')
  }

  /** A device was closed: what was only kept for it goes. */
  settle(): void {
    if (this.registry.settle((subtype) => this.options.devicesOf(subtype).length > 0)) this.options.changed()
  }

  async close(): Promise<void> {
    this.watch?.stop()
    await this.processes?.close()
  }
}
