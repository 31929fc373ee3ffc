import type { Handler, HandlerLog } from '../handler'
import { loadNative } from '../platform'
import type { Accepted } from '../plugins'
import type { BudgetOptions } from './crash-budget'
import { HandlerHost, type HandlerHostState } from './handler-host'
import type { OnCrash } from './link'
import { type Placement } from './placement'
import { remoteHandler } from './remote-handler'
import { type Spawn, spawnProcess, spawnWorker } from './spawn'

export interface SupervisorOptions {
  readonly hostPackage: string
  readonly log: (subtype: string) => HandlerLog
  readonly onCrash?: OnCrash
  readonly budget?: BudgetOptions
  readonly hangMs?: number
  readonly heapMiB?: number
  /** Keep processes without devices: their code is to be used again. */
  readonly linger?: boolean
}

const spawns: Readonly<Record<Exclude<Placement, 'inline'>, Spawn>> = { process: spawnProcess, worker: spawnWorker }

/** Handlers whose code runs outside of the host's own thread. */
export class Supervisor {
  private readonly hosts = new Map<string, HandlerHost>()

  constructor(private readonly options: SupervisorOptions) {}

  /** A stand-in for the handler of a package. Rejects with what its code threw when it was loaded. */
  async handler({ candidate, manifest }: Accepted, placement: Exclude<Placement, 'inline'>): Promise<Handler> {
    const { subtype } = manifest
    const key = `${placement} ${subtype}`
    const { hostPackage, log, ...rest } = this.options
    let host = this.hosts.get(key)
    if (!host) {
      host = new HandlerHost({ ...rest, core: loadNative(), spawn: spawns[placement], log: log(subtype), start: { packagePath: candidate.path, subtype, hostPackage } })
      this.hosts.set(key, host)
    }
    return remoteHandler(await host.load(), host)
  }

  states(): HandlerHostState[] {
    return [...this.hosts.values()].map((h) => h.state())
  }

  async close(): Promise<void> {
    await Promise.all([...this.hosts.values()].map((h) => h.close()))
    this.hosts.clear()
  }
}
