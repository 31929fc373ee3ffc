import { dirname, resolve } from 'node:path'
import type { HandlerIo, HandlerLog } from '@tcmu/host/handler'

/** What every layer of a chain is opened with. */
export interface ChainContext {
  readonly io: HandlerIo
  readonly log: HandlerLog
  /** Bytes of memory for the mapping tables of each layer. */
  readonly cacheBytes: number
}

/** A name in an image, as a path: relative ones count from the image's folder. Undefined for what is no file. */
export function pathFrom(image: string, name: string): string | undefined {
  const plain = name.startsWith('file:') ? name.slice('file:'.length) : name
  return /^[a-z][a-z0-9+.-]*:/i.test(plain) ? undefined : resolve(dirname(image), plain)
}
