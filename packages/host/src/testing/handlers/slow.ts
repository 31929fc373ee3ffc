import type { BlocksHandler } from '../../handler'
import { type Operation, wrap } from './wrap'

/** Every callback takes `ms` longer. */
export function slow<S>(inner: BlocksHandler<S>, ms: number): BlocksHandler<S> {
  return wrap(inner, async (_operation, next) => {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return next()
  })
}

export interface Held<S> {
  readonly handler: BlocksHandler<S>
  /** Callbacks that wait, oldest first. */
  readonly waiting: Operation[]
  /** Let the oldest waiting callback (or the one at `index`) go on. */
  readonly release: (index?: number) => void
  readonly releaseAll: () => void
}

/** Callbacks wait until they are told to go on, in any order. */
export function held<S>(inner: BlocksHandler<S>, which: (operation: Operation) => boolean = () => true): Held<S> {
  const waiting: Operation[] = []
  const gates: (() => void)[] = []
  const release = (index = 0): void => {
    waiting.splice(index, 1)
    gates.splice(index, 1)[0]?.()
  }
  const handler = wrap(inner, async (operation, next) => {
    if (which(operation)) {
      waiting.push(operation)
      await new Promise<void>((resolve) => gates.push(resolve))
    }
    return next()
  })
  return {
    handler, waiting, release,
    releaseAll: () => {
      while (gates.length > 0) release()
    },
  }
}
