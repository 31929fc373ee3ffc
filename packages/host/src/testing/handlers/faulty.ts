import type { BlocksHandler, Status } from '../../handler'
import { type Operation, wrap } from './wrap'

export interface Fault {
  readonly operation: Operation
  /** An errno name is thrown, a status returned. */
  readonly error: string | Status
  /** How many calls go well before. Default 0. */
  readonly after?: number
  /** How many calls fail then. Default all. */
  readonly times?: number
  /** Reject a promise instead of failing at once. */
  readonly later?: boolean
}

/** A handler whose backend fails as planned. */
export function faulty<S>(inner: BlocksHandler<S>, ...faults: readonly Fault[]): BlocksHandler<S> {
  const calls = new Map<Fault, number>()
  return wrap(inner, (operation, next) => {
    for (const fault of faults) {
      if (fault.operation !== operation) continue
      const call = calls.get(fault) ?? 0
      calls.set(fault, call + 1)
      const from = fault.after ?? 0
      if (call >= from && call < from + (fault.times ?? Infinity)) return failure(fault)
    }
    return next()
  })
}

function failure({ error, later }: Fault): Status | Promise<Status> {
  if (typeof error === 'number') return later ? Promise.resolve(error) : error
  const e = Object.assign(new Error(`${error}: injected`), { code: error })
  if (later) return Promise.reject(e)
  throw e
}
