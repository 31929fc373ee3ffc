import type { DeviceInfo, Handler } from '../../handler'

/** Callbacks that commands end in, by name. */
const callbacks = ['read', 'write', 'flush', 'unmap', 'writeSame', 'compareAndWrite', 'handleCmd'] as const
type Callback = (...args: unknown[]) => unknown

/** Knows which callbacks of a handler run, and when the device was closed. */
export class Watch {
  /** Calls that have not settled. */
  running = 0
  /** Callbacks that were called. */
  readonly called: string[] = []
  /** Calls that had not settled when `close` was called; undefined while it was not. */
  runningAtClose: number | undefined = undefined
  /** What `open` gave last. */
  state: unknown = undefined
  /** Calls that came after `close`. */
  afterClose = 0

  /** The handler with its callbacks watched. */
  over(handler: Handler): Handler {
    const members = handler as unknown as Record<string, Callback | undefined>
    const watched = callbacks.filter((name) => members[name]).map((name) => [name, this.watched(name, members[name]!)] as const)
    return {
      ...handler,
      // All of it is to come by the callbacks.
      file: undefined,
      ...Object.fromEntries(watched),
      open: async (dev: DeviceInfo): Promise<unknown> => (this.state = (await handler.open(dev)) as unknown),
      close: (state: unknown) => {
        this.runningAtClose = this.running
        return members.close?.(state)
      },
    } as Handler
  }

  private watched(name: string, callback: Callback): Callback {
    return (...args) => {
      this.called.push(name)
      if (this.runningAtClose !== undefined) this.afterClose++
      this.running++
      const ended = (): void => void this.running--
      let result: unknown
      try {
        result = callback(...args)
      } catch (e) {
        ended()
        throw e
      }
      if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function') (result as PromiseLike<unknown>).then(ended, ended)
      else ended()
      return result
    }
  }
}
