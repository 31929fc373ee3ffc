import { TransportIdHeader } from './layouts'
import type { Identity } from './types'

const ISCSI = 5
/** TPID FORMAT: any port of an initiator; one port, its ISID after the separator. */
const Format = { DEVICE: 0, PORT: 1 } as const
const SEPARATOR = ',i,0x'
const ISID_DIGITS = 12
/** SPC-4 7.6.4.6: ADDITIONAL LENGTH is at least this and a multiple of four. */
const LEAST = 20
const MOST_NAME = 223

/** An initiator port, and where the next TransportID begins. */
export interface DecodedTransportId {
  readonly initiator: string
  readonly isid: string
  readonly end: number
}

/** Name and ISID of the text of a TransportID. */
function parse(text: string, format: number): { initiator: string; isid: string } | undefined {
  const at = text.indexOf(SEPARATOR)
  const initiator = (at < 0 ? text : text.slice(0, at)).toLowerCase()
  if (!initiator || Buffer.byteLength(initiator) > MOST_NAME || /[\s\x00-\x1f\x7f,]/.test(initiator)) return undefined
  if (format === Format.DEVICE) return at < 0 ? { initiator, isid: '' } : undefined
  const isid = at < 0 ? '' : text.slice(at + SEPARATOR.length).toLowerCase()
  return /^[0-9a-f]{1,12}$/.test(isid) ? { initiator, isid: isid.padStart(ISID_DIGITS, '0') } : undefined
}

/** The iSCSI TransportID at `at`; undefined when it is cut off, malformed or of another protocol. */
export function decodeTransportId(bytes: Uint8Array, at: number): DecodedTransportId | undefined {
  if (at + TransportIdHeader.size > bytes.length) return undefined
  const { format, protocol, additionalLength } = TransportIdHeader.decode(bytes, at)
  const start = at + TransportIdHeader.size
  const end = start + additionalLength
  if (protocol !== ISCSI || format > Format.PORT || additionalLength < LEAST || additionalLength % 4 || end > bytes.length) return undefined
  const nul = bytes.indexOf(0, start)
  if (nul < 0 || nul >= end) return undefined
  const who = parse(Buffer.from(bytes.subarray(start, nul)).toString('utf8'), format)
  return who && { ...who, end }
}

/** The TransportID of an initiator port. */
export function encodeTransportId(who: Pick<Identity, 'initiator' | 'isid'>): Uint8Array {
  const text = Buffer.from(who.isid ? who.initiator + SEPARATOR + who.isid : who.initiator)
  const additionalLength = Math.max(LEAST, Math.ceil((text.length + 1) / 4) * 4)
  const out = new Uint8Array(TransportIdHeader.size + additionalLength)
  TransportIdHeader.encode({ format: who.isid ? Format.PORT : Format.DEVICE, protocol: ISCSI, additionalLength }, out)
  out.set(text, TransportIdHeader.size)
  return out
}
