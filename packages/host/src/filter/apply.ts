import { tcmuError } from '../errors'
import { type BlocksHandler, type Change, type Handler, isBlocks } from '../handler/types'
import { Status } from '../scsi/status'
import { type Chain, openChain, sizeBehind } from './chain'
import { routesOf, touched } from './routes'
import { type Filtered, filtered, type FilterUse, type Routes } from './types'

/** What a filtered handler is made of. Not enumerable: a copy with other callbacks is a handler as any. */
const made: unique symbol = Symbol('tcmu filters')
export interface Filters {
  readonly handler: BlocksHandler
  readonly uses: readonly FilterUse[]
  readonly routes: Routes
  /** Callbacks that are not the handler's own any more. */
  readonly touched: ReadonlySet<string>
}

/** The filters before a handler; undefined when there are none. */
export const filtersOf = (handler: Handler): Filters | undefined => (handler as { [made]?: Filters })[made]

type Callback = (state: unknown, argument: unknown) => unknown
/** Callbacks that no filter stands in front of. */
export const past = ['space', 'lock', 'unlock', 'getLockState', 'getLockTag', 'nexusLost', 'reset'] as const

export type DirectName = Filtered | (typeof past)[number]

/** Whose callback a device is to call. */
export interface Direct<S> {
  readonly handler: BlocksHandler<S>
  /** It takes `bottom` of the state that is open, not that state itself. */
  readonly past: boolean
}

/** A filtered handler's own callback; where no filter touches it, that of the handler behind them, as if there were none. */
export function direct<S>(handler: BlocksHandler<S>, name: DirectName): Direct<S> {
  const filters = filtersOf(handler)
  return !filters || filters.touched.has(name) ? { handler, past: false } : { handler: filters.handler as BlocksHandler<S>, past: true }
}

/** A change of size as it is behind the filters; undefined when one of them cannot have it. */
function sizeBehindAll(uses: readonly FilterUse[], bytes: number): number | undefined {
  let size = bytes
  for (const use of uses) {
    const { most, behind } = sizeBehind(use, size)
    if (use.filter.fixedSize || most !== size) return undefined
    size = behind
  }
  return size
}

/** Changes are the handler's business, but for those of what a filter has made its own. */
function reconfigure(handler: BlocksHandler, uses: readonly FilterUse[]): BlocksHandler<Chain>['reconfigure'] {
  if (!handler.reconfigure) return undefined
  const caches = uses.some(({ filter }) => filter.flush !== undefined)
  return async ({ bottom, resized }, change: Change) => {
    if (change.kind === 'writeCache' && caches) return Status.NOT_HANDLED
    if (change.kind !== 'size') return handler.reconfigure!(bottom, change)
    const sizeBytes = sizeBehindAll(uses, change.sizeBytes)
    if (sizeBytes === undefined) return Status.NOT_HANDLED
    const status = (await handler.reconfigure!(bottom, { ...change, sizeBytes })) ?? Status.OK
    if (status === Status.OK) resized(sizeBytes)
    return status
  }
}

const present = (members: Readonly<Record<string, unknown>>): object => Object.fromEntries(Object.entries(members).filter(([, member]) => member !== undefined))

function compose(handler: BlocksHandler, uses: readonly FilterUse[], routes: Routes): BlocksHandler<Chain> {
  const own = handler as unknown as Readonly<Record<string, Callback | undefined>>
  const taken = (name: string): boolean => uses.some(({ filter }) => filter.without?.includes(name as never))
  const fua = uses.reduceRight((inner, { filter }) => filter.fua ?? inner, handler.fua)
  return {
    subtype: handler.subtype,
    open: (dev) => openChain(handler, uses, dev),
    close: (chain) => chain.close(),
    ...Object.fromEntries(filtered.filter((name) => routes[name]).map((name) => [name, (chain: Chain, argument: unknown) => chain.calls[name]!(argument)])),
    ...Object.fromEntries(past.filter((name) => own[name] && !taken(name)).map((name) => [name, (chain: Chain, argument: unknown) => own[name]!.call(handler, chain.bottom, argument)])),
    ...present({ summary: handler.summary, checkConfig: handler.checkConfig?.bind(handler), reconfigure: reconfigure(handler, uses), fua }),
  } as BlocksHandler<Chain>
}

/** A handler behind filters, the first of which is asked first. Throws E_FILTER when the handler answers commands itself. */
export function withFilters(handler: Handler, uses: readonly FilterUse[]): Handler {
  if (uses.length === 0) return handler
  if (!isBlocks(handler) || handler.handleCmd) {
    throw tcmuError('E_FILTER', { filter: uses[0]!.filter.name, reason: `${handler.subtype} answers SCSI commands itself, past any filter` })
  }
  const routes = routesOf(handler, uses)
  const filters: Filters = Object.freeze({ handler, uses, routes, touched: touched(uses) })
  return Object.freeze(Object.defineProperty(compose(handler, uses, routes), made, { value: filters }))
}
