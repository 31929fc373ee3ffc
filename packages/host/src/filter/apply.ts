import { tcmuError } from '../errors'
import type { Answer, BlocksHandler, Change, DeviceInfo, DeviceProperties, Handler } from '../handler/types'
import { isBlocks } from '../handler/types'
import type { BlockIo, BlockRange } from '../scsi'
import { Status } from '../scsi/status'
import { type Filter, type Filtered, filtered, type FilterUse, type Next } from './types'

interface Layer {
  readonly own: unknown
  readonly inner: unknown
  readonly next: Next
}
type Callback = (state: unknown, argument: unknown) => unknown
type Callbacks = Partial<Record<Filtered, Callback>>

const callbacksOf = (handler: BlocksHandler): Callbacks => handler as unknown as Callbacks
const isRange = (name: Filtered): boolean => name !== 'flush'

/** The callbacks behind a filter, bound to what is open there. */
function nextOf(inner: BlocksHandler, state: unknown): Next {
  const callbacks = callbacksOf(inner)
  return Object.fromEntries(filtered.filter((name) => callbacks[name]).map((name) => [name, (argument: unknown) => callbacks[name]!(state, argument)])) as unknown as Next
}

/** One callback with a filter in front of it; undefined when there is none. */
function layered(name: Filtered, filter: Filter, inner: Callback | undefined): ((layer: Layer, argument: unknown) => unknown) | undefined {
  const own = (filter as unknown as Record<string, ((state: unknown, ...rest: unknown[]) => unknown) | undefined>)[name]
  if (filter.without?.includes(name as never)) return undefined
  if (!inner && !filter.provides?.includes(name)) return undefined
  if (own) return isRange(name) ? (layer, argument) => own(layer.own, argument, layer.next) : (layer) => own(layer.own, layer.next)
  if (!inner) return undefined
  if (filter.around && name !== 'extents') {
    return (layer, argument) => filter.around!(layer.own, name, argument as BlockIo | BlockRange | undefined, () => inner(layer.inner, argument) as Answer)
  }
  return (layer, argument) => inner(layer.inner, argument)
}

/** The device as what lies behind the filter sees it. */
function behind(dev: DeviceInfo, { filter, options }: FilterUse, size: { bytes: number }): DeviceInfo {
  const here = (bytes: number): number => filter.sizeHere?.(bytes, options) ?? bytes
  return Object.create(dev, {
    sizeBytes: { value: dev.sizeBytes === 0 ? 0 : (filter.sizeBehind?.(dev.sizeBytes, options) ?? dev.sizeBytes) },
    declare: { value: (p: DeviceProperties) => dev.declare(filter.declare?.(p, options) ?? p) },
    resized: {
      value: (bytes: number) => {
        size.bytes = bytes
        dev.resized(here(bytes))
      },
    },
  }) as DeviceInfo
}

function openLayer(inner: BlocksHandler, use: FilterUse): (dev: DeviceInfo) => Promise<Layer> {
  const { filter, options } = use
  return async (dev) => {
    const size = { bytes: dev.sizeBytes === 0 ? 0 : (filter.sizeBehind?.(dev.sizeBytes, options) ?? dev.sizeBytes) }
    const state: unknown = await inner.open(behind(dev, use, size))
    // Said once here when the handler says nothing of itself: a filter may have something to say all the same.
    dev.declare(filter.declare?.({}, options) ?? {})
    const next = nextOf(inner, state)
    try {
      const { name, subtype, blockSize, log, io } = dev
      const own: unknown = await filter.open?.({ name, subtype, blockSize, log, io, report: (e) => dev.report(e), options, sizeBytes: size.bytes, next })
      return { own, inner: state, next }
    } catch (e) {
      await inner.close?.(state)
      throw e
    }
  }
}

function apply(inner: BlocksHandler, use: FilterUse): BlocksHandler<Layer> {
  const { filter, options } = use
  const callbacks = callbacksOf(inner)
  const members = filtered.map((name) => [name, layered(name, filter, callbacks[name])] as const).filter(([, callback]) => callback)
  const fua = filter.fua ?? inner.fua
  return {
    subtype: inner.subtype,
    ...(inner.summary !== undefined && { summary: inner.summary }),
    ...(inner.checkConfig && { checkConfig: inner.checkConfig.bind(inner) }),
    open: openLayer(inner, use),
    close: async (layer: Layer) => {
      try {
        await filter.close?.(layer.own)
      } finally {
        await inner.close?.(layer.inner)
      }
    },
    ...(inner.reconfigure && {
      reconfigure: (layer: Layer, change: Change) => {
        if (change.kind !== 'size') return inner.reconfigure!(layer.inner, change)
        return filter.fixedSize ? Status.NOT_HANDLED : inner.reconfigure!(layer.inner, { ...change, sizeBytes: filter.sizeBehind?.(change.sizeBytes, options) ?? change.sizeBytes })
      },
    }),
    ...(fua && { fua }),
    ...(Object.fromEntries(members) as unknown as Pick<BlocksHandler<Layer>, 'read' | 'write'>),
  }
}

/** A handler behind filters, the first of which is asked first. Throws E_FILTER when the handler answers commands itself. */
export function withFilters(handler: Handler, uses: readonly FilterUse[]): Handler {
  if (uses.length === 0) return handler
  if (!isBlocks(handler) || handler.handleCmd) {
    throw tcmuError('E_FILTER', { filter: uses[0]!.filter.name, reason: `${handler.subtype} answers SCSI commands itself, past any filter` })
  }
  return uses.reduceRight<BlocksHandler>((inner, use) => apply(inner, use), handler)
}
