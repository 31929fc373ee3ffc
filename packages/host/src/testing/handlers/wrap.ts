import type { Answer, BlocksHandler } from '../../handler'

/** Callbacks that a command ends in, and that answer with a status. */
export type Operation = 'read' | 'write' | 'flush' | 'unmap' | 'writeSame' | 'compareAndWrite'
const operations: readonly Operation[] = ['read', 'write', 'flush', 'unmap', 'writeSame', 'compareAndWrite']

/** Stand between the host and a handler: `around` is called instead of each callback it has, with a way to call it. */
export function wrap<S>(inner: BlocksHandler<S>, around: (operation: Operation, next: () => Answer) => Answer): BlocksHandler<S> {
  const wrapped = operations.flatMap((name) => {
    const callback = (inner as unknown as Record<Operation, ((state: S, argument: unknown) => Answer) | undefined>)[name]
    return callback ? [[name, (state: S, argument: unknown) => around(name, () => callback(state, argument))]] : []
  })
  // Everything is to pass `around`: nothing is moved by the host itself.
  return Object.freeze({ ...inner, file: undefined, ...(Object.fromEntries(wrapped) as Partial<BlocksHandler<S>>) })
}
