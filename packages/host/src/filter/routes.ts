import type { BlocksHandler } from '../handler/types'
import { type Filter, type Filtered, filtered, type FilterUse, type Routes } from './types'

/** What a filter does with a callback. */
export type Touch = 'own' | 'around' | 'without' | undefined

/** `there`: whether what lies behind the filter has the callback. */
export function touchOf(filter: Filter, name: Filtered, there: boolean): Touch {
  if (filter.without?.includes(name as never) && !filter.provides?.includes(name)) return 'without'
  if (filter[name] && (there || filter.provides?.includes(name))) return 'own'
  return there && filter.around && name !== 'extents' ? 'around' : undefined
}

function routeOf(name: Filtered, handler: BlocksHandler, uses: readonly FilterUse[]): string[] | undefined {
  let route: string[] | undefined = handler[name] ? [handler.subtype] : undefined
  for (const { filter } of [...uses].reverse()) {
    const touch = touchOf(filter, name, route !== undefined)
    if (touch === 'without') route = undefined
    else if (touch) route = [filter.name, ...(filter.provides?.includes(name) ? [] : route!)]
  }
  return route
}

/** Callbacks that a filter does something with. */
export const touched = (uses: readonly FilterUse[]): ReadonlySet<string> =>
  new Set(filtered.filter((name) => uses.some(({ filter }) => touchOf(filter, name, true) !== undefined)))

/** What each callback passes, the filter that is asked first in front; callbacks that nothing has are left out. */
export const routesOf = (handler: BlocksHandler, uses: readonly FilterUse[]): Routes =>
  Object.fromEntries(filtered.flatMap((name) => {
    const route = routeOf(name, handler, uses)
    return route ? [[name, Object.freeze(route)]] : []
  }))
