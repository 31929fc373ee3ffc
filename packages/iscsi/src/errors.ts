/** Errors that a person reads who sets up a portal. Codes are API. */
export const portalErrors = {
  E_PORTAL_OPEN: 'refusing to listen on {address} without CHAP: whoever reaches it could read and write every LUN. Set a CHAP user and secret, listen on 127.0.0.1, or allow it explicitly',
  E_PORTAL_CLOSED: 'the portal of {target} was closed. Make a new one',
  E_TARGET_NAME: '{name} is not an iSCSI name. Use iqn.YYYY-MM.reversed.domain:text, eui. with 16 or naa. with 16 or 32 hexadecimal digits, at most 223 bytes, lower case',
  E_LUN_NUMBER: 'LUN number {number} is not an integer from 0 to 16383. Choose another',
  E_LUN_TAKEN: 'LUN {number} of {target} is in use. Choose another number',
  E_CHAP_SECRET: 'the CHAP settings of {target} do not do: {reason}',
} as const
export type PortalErrorCode = keyof typeof portalErrors

/** An error with a stable code; `message` is `E_CODE: sentence`. */
export class PortalError extends Error {
  constructor(readonly code: PortalErrorCode, readonly facts: Readonly<Record<string, string | number>> = {}, options?: ErrorOptions) {
    super(`${code}: ${portalErrors[code].replace(/\{(\w+)\}/g, (_, name: string) => String(facts[name] ?? '?'))}`, options)
    this.name = 'PortalError'
  }
}

/** The peer broke the protocol: its connection ends, nothing else does (ErrorRecoveryLevel 0, RFC 7143 7.1.5). */
export class ProtocolError extends Error {
  readonly code = 'E_PROTOCOL'
  /** `reject`: reason of the REJECT that is sent before the connection ends. */
  constructor(sentence: string, readonly reject?: number) {
    super(`E_PROTOCOL: ${sentence}; the connection is closed`)
    this.name = 'ProtocolError'
  }
}

/** RFC 7143 11.13.5 login status: class in the high byte, detail in the low one. */
export const LoginStatus = {
  SUCCESS: 0x0000, INITIATOR_ERROR: 0x0200, AUTHENTICATION_FAILED: 0x0201, FORBIDDEN: 0x0202, NOT_FOUND: 0x0203, VERSION: 0x0205,
  TOO_MANY_CONNECTIONS: 0x0206, MISSING_PARAMETER: 0x0207, CANNOT_INCLUDE: 0x0208, SESSION_TYPE: 0x0209, NO_SESSION: 0x020a,
  INVALID_REQUEST: 0x020b, TARGET_ERROR: 0x0300, UNAVAILABLE: 0x0301, OUT_OF_RESOURCES: 0x0302,
} as const

/** A login that is refused: the initiator gets `status` and its connection ends. */
export class LoginError extends Error {
  readonly code = 'E_LOGIN'
  constructor(readonly status: number, sentence: string) {
    super(`E_LOGIN: ${sentence} (status ${status.toString(16).padStart(4, '0')})`)
    this.name = 'LoginError'
  }
}
