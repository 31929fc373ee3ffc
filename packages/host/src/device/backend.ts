import type { Handler } from '../handler/types'

/** What a handler's `open` gave for a device, and how to have it given anew. */
export class Backend {
  /** False between `close` and `reopen`: nothing of the handler may be called then. */
  open = true
  private closing: Promise<void> | undefined

  constructor(readonly handler: Handler, public state: unknown, private readonly again: () => Promise<unknown>) {}

  /** Twice is fine. Rejects with what the handler threw; it is closed all the same. */
  close(): Promise<void> {
    if (!this.open) return this.closing ?? Promise.resolve()
    this.open = false
    return (this.closing = Promise.resolve(this.handler.close?.(this.state)).finally(() => (this.closing = undefined)))
  }

  /** Rejects with what the handler threw, and stays closed then. */
  async reopen(): Promise<void> {
    this.state = await this.again()
    this.open = true
  }
}
