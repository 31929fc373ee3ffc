import type { Conformance, Subject } from './subject'

/** One thing that the host relies on, and that the kit checks of a handler. */
export interface HandlerPromise {
  /** As a test is named: what the handler does. */
  readonly name: string
  /** Which handlers it is about, for the documentation. */
  readonly scope: string
  /** True, or why it does not apply to this handler. */
  applies(conformance: Conformance): true | string
  /** Throws what a person can act on. */
  check(subject: Subject): Promise<void>
}
