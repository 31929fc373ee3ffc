import { PORTAL_GROUP_TAG } from './login'
import { normalName } from './names'
import type { Pair } from './text'

/** What a text request is answered out of (RFC 7143 Appendix C). */
export interface Directory {
  readonly targetName: string
  /** Address and port that the initiator reached us by, `[...]` around IPv6. */
  readonly address: string
  /** Whether this initiator may see the target. */
  readonly visible: boolean
  readonly discovery: boolean
}

/** `address:port` as TargetAddress has it; IPv4 that came over an IPv6 socket is IPv4. */
export function targetAddress(address: string, port: number): string {
  const plain = address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, '').replace(/%.*$/, '')
  return `${plain.includes(':') ? `[${plain}]` : plain}:${port}`
}

function sendTargets(value: string, d: Directory): Pair[] {
  // All is for discovery sessions; nothing means the target of this session (RFC 7143 Appendix C).
  if (value === 'All' && !d.discovery) return [['SendTargets', 'Reject']]
  const named = value === '' ? !d.discovery : value === 'All' || normalName(value) === d.targetName
  return named && d.visible ? [['TargetName', d.targetName], ['TargetAddress', `${d.address},${PORTAL_GROUP_TAG}`]] : []
}

/** The answer to the keys of a text request in full feature phase. Other keys cannot be negotiated any more. */
export const answerText = (pairs: readonly Pair[], d: Directory): Pair[] =>
  pairs.flatMap(([key, value]): Pair[] => (key === 'SendTargets' ? sendTargets(value, d) : [[key, 'Reject']]))
