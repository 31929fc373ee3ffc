import { realpathSync } from 'node:fs'
import { release } from 'node:os'
import type { LunConfig } from '../control'
import { type DeviceRuntime, openDevice } from '../device'
import { tcmuError } from '../errors'
import type { Handler, HandlerIo, HandlerLog } from '../handler'
import { type Accepted, discover, environment, HandlerRegistry, PathGuard } from '../plugins'
import { Supervisor } from '../supervisor'

export interface Workshop {
  /** Folder of the package. */
  readonly folder: string
  /** Folder of the host's own package, whose SDK handlers get. */
  readonly hostPackage: string
  readonly io: HandlerIo
  readonly log: (facts: Readonly<Record<string, unknown>>) => HandlerLog
}

/** The handlers of the package as its package.json has them now. Throws why there are none. */
export function handlersIn(folder: string): readonly Accepted[] {
  const guard = new PathGuard()
  const { handlers, registry } = scan(folder, guard)
  if (handlers.length > 0) return handlers
  throw registry.refusals[0] ?? tcmuError('E_CONFIG', { file: folder, key: 'package.json', wanted: 'a handler package', found: 'no keyword `tcmu-handler`' })
}

function scan(folder: string, guard: PathGuard): { handlers: readonly Accepted[]; registry: HandlerRegistry } {
  const registry = new HandlerRegistry(discover({ handlerPaths: [folder], guard }), { environment: environment({ kernel: release(), guard }) })
  const real = realpathSync(folder)
  const mine = registry.inventory().handlers.map(({ subtype }) => registry.find(subtype)).filter((a) => a.candidate.real === real)
  return { handlers: mine, registry }
}

/** The code of a package as it was at one moment, in processes of its own: files may change, and it stays until its process ends. */
export class Generation {
  private constructor(private readonly workshop: Workshop, private readonly supervisor: Supervisor, private readonly handlers: ReadonlyMap<string, Handler>) {}

  /** Load the handlers of these subtypes. Rejects with what is wrong with the package or its code. */
  static async load(workshop: Workshop, subtypes: Iterable<string>): Promise<Generation> {
    const { folder, hostPackage, log } = workshop
    const there = new Map(handlersIn(folder).map((a) => [a.manifest.subtype, a]))
    const handlerOf = (subtype: string): Accepted => {
      const accepted = there.get(subtype)
      if (accepted) return accepted
      throw tcmuError('E_UNKNOWN_SUBTYPE', { subtype, known: [...there.keys()].join(', ') })
    }
    const supervisor = new Supervisor({ hostPackage, log: ({ manifest }) => log({ handler: manifest.subtype }), current: handlerOf, linger: true })
    const handlers = new Map<string, Handler>()
    try {
      for (const subtype of new Set(subtypes)) handlers.set(subtype, await supervisor.handler(handlerOf(subtype), 'process'))
    } catch (e) {
      await supervisor.close()
      throw e
    }
    return new Generation(workshop, supervisor, handlers)
  }

  /** Open all of them, or none. Rejects with the first error. */
  async open(luns: readonly (LunConfig & { readonly serial: string })[]): Promise<DeviceRuntime[]> {
    const open: DeviceRuntime[] = []
    try {
      for (const lun of luns) open.push(await openDevice(lun, { handler: this.handlers.get(lun.subtype)!, io: this.workshop.io, log: this.workshop.log({ device: lun.name }) }))
      return open
    } catch (e) {
      await Promise.all(open.map((device) => device.close(0)))
      throw e
    }
  }

  close(): Promise<void> {
    return this.supervisor.close()
  }
}
