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
  let route: string[] | undefined = handler[name] ? [] : undefined
  for (const { filter } of [...uses].reverse()) {
    const touch = touchOf(filter, name, route !== undefined)
    if (touch === 'without') route = undefined
    else if (touch) route = [filter.name, ...(route ?? [])]
  }
  return route
}

/** The filters that each callback passes, the first one asked first; callbacks that nothing has are left out. */
export const routesOf = (handler: BlocksHandler, uses: readonly FilterUse[]): Routes =>
  Object.fromEntries(filtered.flatMap((name) => {
    const route = routeOf(name, handler, uses)
    return route ? [[name, Object.freeze(route)]] : []
  }))
