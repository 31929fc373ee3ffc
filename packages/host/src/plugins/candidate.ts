import { oneLine, quote, type TcmuError, tcmuError, type ErrorCode, type errorTable } from '../errors'

/** Where a package was found; `program`: nowhere, the program that runs the host brought it along. */
export type Origin = 'bundled' | 'root' | 'path' | 'program'

/** A package that says it is a handler; nothing of it has been believed yet. */
export interface Candidate {
  readonly package: string
  readonly version: string
  /** Folder as found, and with its symbolic links resolved. */
  readonly path: string
  readonly real: string
  readonly origin: Origin
  /** The `tcmuHandler` field, or one of its elements, and what messages call it. */
  readonly field: unknown
  readonly fieldName: string
  readonly packageJson: Readonly<Record<string, unknown>>
}

/** Why a package is not used, or what is odd about it: an error of the E_HANDLER_ family with these facts. */
export interface RefusalFacts {
  readonly package: string
  readonly path: string
  readonly field: string
  readonly wanted: string
  readonly found: string
}
export type Refusal = TcmuError

type RefusalCode = Exclude<Extract<keyof typeof errorTable, `E_HANDLER_${string}`>, 'E_HANDLER_SHAPE' | 'E_HANDLER_DISABLED'>

export function refusal(code: RefusalCode, who: Pick<Candidate, 'package' | 'path'>, field: string, wanted: string, found: string, more: Readonly<Record<string, string>> = {}): Refusal {
  const facts: RefusalFacts = { package: who.package, path: who.path, field, wanted: oneLine(wanted), found: oneLine(found) }
  return tcmuError(code, { ...more, ...facts })
}

/** A refusal as data. */
export interface RefusalRecord extends RefusalFacts {
  readonly code: ErrorCode
  readonly message: string
}

export const recordOf = (r: Refusal): RefusalRecord => ({ code: r.code, ...(r.facts as unknown as RefusalFacts), message: r.message })

/** As npm has them: no part begins like a path or an option. */
export const isPackageName = (name: unknown): name is string => typeof name === 'string' && /^(@[\w~][\w.~-]*\/)?[\w~][\w.~-]*$/.test(name) && name.length <= 214

/** A name of others, as is when it is an npm name, quoted otherwise. */
export const nameOf = (name: unknown): string => (isPackageName(name) ? name : quote(name))
