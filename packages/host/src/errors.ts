/** Every error of the host that a person reads: what happened, to what, and what to do. Codes are API. */
export const errorTable = {
  E_ADDON_MISSING: 'the native addon is not built: {reason}. Run `npm run build:native` (needs python3, make and g++)',
  E_ADDON_VERSION: 'the native addon speaks version {found}, this host needs {wanted}. Run `npm run build:native`',
} as const
export type ErrorCode = keyof typeof errorTable | (string & {})

/** An error with a stable code; `message` is `E_CODE: sentence`. Facts for programs are in `facts`. */
export class TcmuError extends Error {
  constructor(readonly code: ErrorCode, sentence: string, readonly facts: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super(`${code}: ${sentence}`, options)
    this.name = 'TcmuError'
  }
}

/** Make the error of a row of the table, its `{names}` replaced by `facts`. */
export function tcmuError(code: keyof typeof errorTable, facts: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions): TcmuError {
  const sentence = errorTable[code].replace(/\{(\w+)\}/g, (_, name: string) => String(facts[name] ?? '?'))
  return new TcmuError(code, sentence, facts, options)
}
