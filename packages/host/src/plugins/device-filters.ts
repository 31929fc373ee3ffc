import { release } from 'node:os'
import { type FilterText, withFilters } from '../filter'
import type { Handler } from '../handler/types'
import { discover, filterKind, type Places } from './discover'
import { FilterRegistry } from './filter-registry'
import { PathGuard } from './guard'
import type { ImportModule } from './load'
import { environment } from './validate'

/** Filters of devices that are not described themselves: by name of the device, or by `SUBTYPE/`. */
export type DeviceChoices = Readonly<Record<string, { readonly filters?: readonly FilterText[] } | undefined>>

/** What an operator says of filters. */
export interface FilterOptions {
  readonly devices?: DeviceChoices
  /** Names of filters of others whose code may run in the host's own process. */
  readonly inlineFilters?: readonly string[]
}

/** A device as far as its filters are concerned. */
interface Filterable {
  readonly name: string
  readonly subtype: string
  /** Its own; left out: as chosen for its name, else for its subtype. */
  readonly filters?: readonly FilterText[]
}

/** Where the filters are that there are, and how their code is loaded. */
interface FilterPlaces extends FilterOptions, Omit<Places, 'guard'> {
  readonly parts?: { readonly guard?: PathGuard; readonly loadModule?: ImportModule }
}

/** Puts the filters before handlers that an operator has chosen for their devices. */
export class DeviceFilters {
  private made: FilterRegistry | undefined

  private readonly choices: DeviceChoices

  constructor(private readonly options: FilterPlaces) {
    this.choices = options.devices ?? {}
  }

  /** The scan happens when a filter is first needed: most hosts have none. */
  get registry(): FilterRegistry {
    const { hostPackage, handlerRoot, handlerRootAsked, handlerPaths, parts, inlineFilters } = this.options
    const guard = parts?.guard ?? new PathGuard()
    return (this.made ??= new FilterRegistry(
      discover({ hostPackage, handlerRoot, handlerRootAsked, handlerPaths, guard }, filterKind),
      { environment: environment({ kernel: release(), guard }), load: parts?.loadModule, inline: inlineFilters },
    ))
  }

  private chosen({ name, subtype, filters }: Filterable): { key: string; filters: readonly FilterText[] } {
    if (filters) return { key: 'filters', filters }
    const key = [name, `${subtype}/`].find((k) => Object.hasOwn(this.choices, k))
    return key === undefined ? { key: '', filters: [] } : { key: `devices.${key}.filters`, filters: this.choices[key]?.filters ?? [] }
  }

  /** Throws for the first choice that cannot be used, whether its device is there or not. */
  check(): void {
    for (const [key, choice] of Object.entries(this.choices)) {
      if (choice?.filters?.length) this.registry.check(choice.filters, { device: key, key: `devices.${key}.filters` })
    }
  }

  /** Whether a device has any. */
  has(device: Filterable): boolean {
    return this.chosen(device).filters.length > 0
  }

  /** Throws E_FILTER or E_FILTER_OPTIONS when the filters of a device cannot be used; none of their code runs. */
  checkDevice(device: Filterable): void {
    const { key, filters } = this.chosen(device)
    if (filters.length) this.registry.check(filters, { device: device.name, key })
  }

  /** The handler of a device, behind its filters. Rejects as `checkDevice` throws, or with what the code of a filter threw. */
  async over(handler: Handler, device: Filterable): Promise<Handler> {
    const { key, filters } = this.chosen(device)
    return filters.length === 0 ? handler : withFilters(handler, await this.registry.use(filters, { device: device.name, key }))
  }
}
