import { LoginRequest, LoginResponse, type Pairs, pairsOf, pdu, request, response, textOf } from './pdu'
import type { Pdu } from './wire'

export const stage = { security: 0, operational: 1, full: 3 } as const

export interface LoginOptions {
  readonly name?: string
  /** Six bytes; sessions of one initiator name differ in it. */
  readonly isid?: Uint8Array
  /** Left out: a discovery session. */
  readonly target?: string
  readonly keys?: Pairs
}

export class LoginRefused extends Error {
  constructor(readonly statusClass: number, readonly detail: number) {
    super(`login refused with status ${statusClass.toString(16).padStart(2, '0')}${detail.toString(16).padStart(2, '0')}h`)
  }
}

/** What we declare; the target may only choose within it. */
const offered: Pairs = {
  HeaderDigest: 'None', DataDigest: 'None', InitialR2T: 'No', ImmediateData: 'Yes', MaxRecvDataSegmentLength: '262144',
  MaxBurstLength: '1048576', FirstBurstLength: '65536', MaxConnections: '1', MaxOutstandingR2T: '4', ErrorRecoveryLevel: '0',
  DefaultTime2Wait: '0', DefaultTime2Retain: '0', DataPDUInOrder: 'Yes', DataSequenceInOrder: 'Yes',
}

export interface LoggedIn {
  readonly keys: ReadonlyMap<string, string>
  readonly tsih: number
  readonly statSn: number
  readonly expCmdSn: number
  readonly maxCmdSn: number
}

export const loginPdu = (o: LoginOptions, text: Pairs, more: Partial<Parameters<typeof LoginRequest.encode>[0]> = {}): Buffer => {
  const data = textOf(text)
  return pdu(LoginRequest.encode({
    opcode: request.login, immediate: 1, transit: 1, csg: stage.operational, nsg: stage.full, isid: o.isid ?? Uint8Array.of(0x80, 0, 0, 0, 0, 1),
    itt: 1, cmdSn: 1, dataLength: data.length, ...more,
  }), data)
}

/** First request of a login without authentication, straight to the operational stage. */
export const firstLogin = (o: LoginOptions): Buffer => loginPdu(o, {
  InitiatorName: o.name ?? 'iqn.2026-11.test:one',
  ...(o.target === undefined ? { SessionType: 'Discovery' } : { SessionType: 'Normal', TargetName: o.target }),
  AuthMethod: 'None', ...offered, ...o.keys,
})

/** Take one login response: refused, more to say, or done. */
export function loginAnswer(got: Pdu): LoggedIn {
  if (got.opcode !== response.login) throw new Error(`opcode ${got.opcode} during login`)
  const h = LoginResponse.decode(got.header)
  if (h.statusClass !== 0) throw new LoginRefused(h.statusClass, h.statusDetail)
  if (!h.transit || h.nsg !== stage.full) throw new Error('the target wants to negotiate further')
  return { keys: new Map(pairsOf(got.data)), tsih: h.tsih, statSn: h.statSn, expCmdSn: h.expCmdSn, maxCmdSn: h.maxCmdSn }
}
