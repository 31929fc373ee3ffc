import { tcmuError } from '../errors'
import type { Answer, BlocksHandler, DeviceInfo, DeviceProperties } from '../handler/types'
import type { BlockIo, BlockRange } from '../scsi'
import { touchOf } from './routes'
import { type Filter, type Filtered, filtered, type FilterUse, type Next } from './types'

/** A callback with its state bound. */
type Call = (argument: unknown) => unknown
export type Calls = Partial<Record<Filtered, Call>>

/** What is open behind the filters of a device: the state of such a handler. */
export interface Chain {
  /** What the handler's own `open` gave. */
  readonly bottom: unknown
  readonly calls: Calls
  /** The handler has so many bytes now. */
  readonly resized: (sizeBytes: number) => void
  close(): Promise<void>
}

type Members = Readonly<Record<string, ((...args: unknown[]) => unknown) | undefined>>
const membersOf = (of: BlocksHandler | Filter): Members => of as unknown as Members

/** Bytes behind a filter when so many are asked for here, and how many of these there are then. */
export function sizeBehind({ filter, options }: FilterUse, bytes: number): { behind: number; most: number } {
  const behind = filter.sizeBehind?.(bytes, options) ?? bytes
  return { behind, most: filter.sizeHere?.(behind, options) ?? behind }
}

/** A filter of a device that is open, or opens. */
class Layer {
  own: unknown
  isOpen = false
  /** The device as it is seen behind the filter. */
  readonly dev: DeviceInfo

  constructor(private readonly use: FilterUse, private readonly here: DeviceInfo, public sizeBytes = Layer.sizeBehind(use, here.sizeBytes)) {
    this.dev = Object.create(here, { sizeBytes: { value: sizeBytes }, resized: { value: (bytes: number) => this.resized(bytes) } }) as DeviceInfo
  }

  private static sizeBehind(use: FilterUse, bytes: number): number {
    if (bytes === 0) return 0
    const { most, behind } = sizeBehind(use, bytes)
    if (most !== bytes) throw tcmuError('E_FILTER', { filter: use.filter.name, reason: `the device cannot have ${bytes} bytes with these options, only ${most}` })
    return behind
  }

  /** There are so many bytes behind the filter now; how many that is here. */
  take(bytes: number): number {
    const { filter, options } = this.use
    this.sizeBytes = bytes
    if (this.isOpen) filter.resized?.(this.own, bytes)
    return filter.sizeHere?.(bytes, options) ?? bytes
  }

  private resized(bytes: number): void {
    const { name } = this.use.filter
    if (!this.isOpen || !this.use.filter.fixedSize) this.here.resized(this.take(bytes))
    else this.here.log.warn(`${this.here.name}: ${bytes} bytes are behind the filter ${name} now; the device keeps its size until it is opened again`)
  }
}

const nextOf = (calls: Calls): Next => Object.freeze({ ...calls }) as unknown as Next

function callsOf(handler: BlocksHandler, bottom: unknown): Calls {
  const members = membersOf(handler)
  return Object.fromEntries(filtered.filter((name) => members[name]).map((name) => [name, (argument: unknown) => members[name]!.call(handler, bottom, argument)]))
}

/** The callbacks in front of a filter, from those behind it. */
function inFront(filter: Filter, own: unknown, behindIt: Calls): Calls {
  const next = nextOf(behindIt)
  const members = membersOf(filter)
  const calls: Calls = { ...behindIt }
  for (const name of filtered) {
    const inner = behindIt[name]
    const touch = touchOf(filter, name, inner !== undefined)
    if (touch === 'without') delete calls[name]
    else if (touch === 'own') {
      const callback = members[name]!
      calls[name] = name === 'flush' ? () => callback(own, next) : (argument) => callback(own, argument, next)
    } else if (touch === 'around') {
      const operation = name as Exclude<Filtered, 'extents'>
      calls[name] = (argument) => filter.around!(own, operation, argument as BlockIo | BlockRange | undefined, () => inner!(argument) as Answer)
    }
  }
  return calls
}

/** What is open of a chain, innermost first, so that the reverse closes it. */
class Opened {
  private readonly closers: (() => unknown)[] = []

  add(close: (() => unknown) | undefined): void {
    if (close) this.closers.push(close)
  }

  /** Everything is closed, whatever throws; rejects with the first that did. */
  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.closers.reverse()) {
      try {
        await close()
      } catch (e) {
        failures.push(e)
      }
    }
    if (failures.length) throw failures[0]
  }
}

/** Filters say of a device what it is like from where they are, those next to the handler first. */
const declared = (properties: DeviceProperties, uses: readonly FilterUse[]): DeviceProperties =>
  uses.reduceRight((p, { filter, options }) => filter.declare?.(p, options) ?? p, properties)

/** Open a handler and then the filters before it, the last one first. Rejects with what was thrown; nothing stays open then. */
export async function openChain(handler: BlocksHandler, uses: readonly FilterUse[], dev: DeviceInfo): Promise<Chain> {
  const layers: Layer[] = []
  for (const use of uses) layers.push(new Layer(use, layers.at(-1)?.dev ?? dev))
  const opened = new Opened()
  const properties: DeviceProperties = {}
  let isOpen = false
  const declare = (p: DeviceProperties): void => (isOpen ? dev.declare(p) : void Object.assign(properties, p))
  const bottom: unknown = await handler.open(Object.create(layers.at(-1)!.dev, { declare: { value: declare } }) as DeviceInfo)
  isOpen = true
  opened.add(handler.close && (() => handler.close!(bottom)))
  try {
    dev.declare(declared(properties, uses))
    const { name, subtype, log, io } = dev
    const facts = { name, subtype, log, io, blockSize: properties.blockSize ?? dev.blockSize, report: dev.report.bind(dev) }
    let calls = callsOf(handler, bottom)
    for (const [i, { filter, options }] of [...uses.entries()].reverse()) {
      const layer = layers[i]!
      const own: unknown = (layer.own = await filter.open?.({ ...facts, options, sizeBytes: layer.sizeBytes, next: nextOf(calls) }))
      layer.isOpen = true
      opened.add(filter.close && (() => filter.close!(own)))
      calls = inFront(filter, own, calls)
    }
    const resized = (bytes: number): void => void layers.reduceRight((size, layer) => layer.take(size), bytes)
    return { bottom, calls, resized, close: () => opened.close() }
  } catch (e) {
    await opened.close().catch(() => undefined)
    throw e
  }
}
