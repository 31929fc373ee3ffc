import type { TcmuError } from '../errors'
import type { Handler } from '../handler/types'
import type { Origin, RefusalRecord } from './candidate'
import type { Accepted } from './validate'

/** A handler of a registry. */
export interface Entry {
  readonly accepted: Accepted
  loading?: Promise<Handler>
  loaded?: boolean
  failure?: string
  /** Why it takes no new devices, although it has some. */
  readonly withdrawn?: TcmuError
  /** Version of other code that is there by now, while this one's is loaded. */
  readonly newer?: string
}

/** One accepted package as lists show it. */
export interface HandlerRecord {
  readonly subtype: string
  readonly shape: string
  readonly package: string
  readonly version: string
  readonly path: string
  readonly origin: Origin
  readonly apiVersion: string
  readonly summary: string | undefined
  readonly configHelp: string
  readonly options: unknown
  readonly loaded: boolean
  /** Why loading failed, if it was tried. */
  readonly failure: string | undefined
  readonly warnings: readonly string[]
  /** Why it takes no new devices, when it is only kept for those it has. */
  readonly withdrawn: string | undefined
  /** Version that is installed and used after a restart of the host, when it is another. */
  readonly restartFor: string | undefined
}

/** A handler that is found, and not used because nobody enabled it. */
export interface DisabledRecord {
  readonly subtype: string
  readonly shape: string
  readonly package: string
  readonly version: string
  readonly path: string
  readonly configHelp: string
  /** What to type to enable it. */
  readonly command: string
}

export interface Inventory {
  readonly handlers: readonly HandlerRecord[]
  readonly disabled: readonly DisabledRecord[]
  readonly refused: readonly RefusalRecord[]
}

export function recordOfEntry({ accepted: { candidate: c, manifest: m, warnings }, loaded, failure, withdrawn, newer }: Entry): HandlerRecord {
  return {
    subtype: m.subtype, shape: m.shape, package: c.package, version: c.version, path: c.path, origin: c.origin, apiVersion: m.apiVersion,
    summary: m.summary, configHelp: m.configHelp, options: m.options, loaded: loaded === true, failure, warnings: warnings.map((w) => w.message),
    withdrawn: withdrawn?.message, restartFor: newer,
  }
}

export const disabledRecord = ({ candidate: c, manifest: m }: Accepted, why: TcmuError): DisabledRecord => ({
  subtype: m.subtype, shape: m.shape, package: c.package, version: c.version, path: c.path, configHelp: m.configHelp, command: String(why.facts.command),
})
