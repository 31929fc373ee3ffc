import type { Handler, HandlerLog } from '../handler'
import type { IoEngineChoice } from '../io'
import { loadNative } from '../platform'
import type { Accepted } from '../plugins'
import type { BudgetOptions } from './crash-budget'
import { HandlerHost } from './handler-host'
import type { HandlerHostState } from './handler-host-options'
import type { OnCrash } from './link'
import type { HostStart } from './messages'
import { type Placement } from './placement'
import { remoteHandler } from './remote-handler'
import { type Spawn, spawnProcess, spawnWorker } from './spawn'

export interface SupervisorOptions {
  readonly hostPackage: string
  readonly log: (accepted: Accepted) => HandlerLog
  /** The package that has a subtype now. Throws when none is to be used. */
  readonly current: (subtype: string) => Accepted
  /** Where packages of the handler root have to be enabled. */
  readonly trust?: HostStart['trust']
  readonly onCrash?: OnCrash
  readonly budget?: BudgetOptions
  readonly hangMs?: number
  readonly heapMiB?: number
  /** What carries out their file I/O. Default `auto`. */
  readonly ioEngine?: IoEngineChoice
  /** Keep processes without devices: their code is to be used again. */
  readonly linger?: boolean
}

const spawns: Readonly<Record<Exclude<Placement, 'inline'>, Spawn>> = { process: spawnProcess, worker: spawnWorker }

/** Handlers whose code runs outside of the host's own thread. */
export class Supervisor {
  private readonly hosts = new Map<string, HandlerHost>()

  constructor(private readonly options: SupervisorOptions) {}

  /** A stand-in for the handler of a package. Rejects with what its code threw when it was loaded. */
  async handler(accepted: Accepted, placement: Exclude<Placement, 'inline'>): Promise<Handler> {
    const host = await this.host(accepted, placement)
    return remoteHandler(await host.load(), host)
  }

  /** The process of a package, started when it is needed. */
  async host(accepted: Accepted, placement: Exclude<Placement, 'inline'>): Promise<HandlerHost> {
    const { subtype } = accepted.manifest
    const generation = `${placement} ${subtype} `
    const key = generation + accepted.identity
    await this.dropIdle(generation, key)
    const host = this.hosts.get(key) ?? this.make(accepted, placement)
    this.hosts.set(key, host)
    return host
  }

  private make(accepted: Accepted, placement: Exclude<Placement, 'inline'>): HandlerHost {
    const { candidate: c, manifest: { subtype } } = accepted
    const { log, current, ioEngine, ...rest } = this.options
    const spawn: Spawn = (core, heapMiB, said) => spawns[placement](core, heapMiB, said, ioEngine)
    return new HandlerHost({
      ...rest, core: loadNative(), spawn, log: log(accepted), who: `${subtype} (${c.package}@${c.version})`,
      start: this.startOf(accepted), current: () => this.startOf(current(subtype)),
    })
  }

  private startOf({ candidate, manifest: { subtype } }: Accepted): HostStart {
    const { hostPackage, trust } = this.options
    return { packagePath: candidate.path, subtype, hostPackage, ...(candidate.origin === 'root' && { trust }) }
  }

  /** Processes of code that is not installed any more go when nothing uses them; devices keep theirs. */
  private async dropIdle(generation: string, keep: string): Promise<void> {
    const idle = [...this.hosts].filter(([key, host]) => key.startsWith(generation) && key !== keep && host.idle)
    for (const [key, host] of idle) {
      this.hosts.delete(key)
      await host.close()
    }
  }

  states(): HandlerHostState[] {
    return [...this.hosts.values()].map((h) => h.state())
  }

  async close(): Promise<void> {
    await Promise.all([...this.hosts.values()].map((h) => h.close()))
    this.hosts.clear()
  }
}
