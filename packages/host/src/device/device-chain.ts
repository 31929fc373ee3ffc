import { formatFilters, type Routes } from '../filter'
import { filtersOf } from '../filter/apply'
import type { Handler } from '../handler/types'

/** What stands before the handler of a device, as lists show it. */
export interface DeviceChain {
  /** As text, the first filter asked first; empty without any. */
  readonly filters: string
  /** What each callback passes; without filters, and for callbacks that the device has not, nothing is said. */
  readonly routes: Routes
}

export function chainOf(handler: Handler): DeviceChain {
  const { uses = [], routes = {} } = filtersOf(handler) ?? {}
  return { filters: formatFilters(uses.map(({ filter, options }) => ({ name: filter.name, options: options as Record<string, unknown> }))), routes }
}
