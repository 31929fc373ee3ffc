import { type BlocksHandler, defineHandler } from '../../handler'
import { type Filter, type FilterUse, withFilters } from '../../filter'
import { ramHandler } from '../handlers/ram'
import type { Conformance } from './subject'

/** What a filter's author says of it. */
export interface FilterConformance {
  readonly filter: Filter
  /** As they are after the check against the manifest's schema. */
  readonly options?: unknown
}

/** A disk that can read and write, and nothing else. */
const plainHandler: BlocksHandler<Uint8Array> = defineHandler({
  subtype: 'plain', open: (dev) => ramHandler.open(dev), read: (ram, io) => ramHandler.read(ram, io), write: (ram, io) => ramHandler.write(ram, io),
})

const neighbour = (name: string, more: Partial<Filter> = {}): FilterUse => ({ filter: { name, summary: 'beside the filter that is tested', ...more }, options: {} })

/** Devices that a filter is held to a handler's promises on: before a disk that can much, before one that can little, and among others. */
export function filterSubjects({ filter, options = {} }: FilterConformance): readonly Conformance[] {
  const use = { filter, options }
  const among = [neighbour('first', { around: (_state, _operation, _range, run) => run() }), use, neighbour('last', { read: async (_state, io, next) => next.read(io) })]
  const subject = (handler: BlocksHandler<Uint8Array>, uses: readonly FilterUse[]): Conformance =>
    ({ handler: withFilters(handler as BlocksHandler, uses), config: '', volatile: true, geometry: { sizeBytes: 2 * 2 ** 20 } })
  return [subject(ramHandler, [use]), subject(plainHandler, [use]), subject(ramHandler, among)]
}
