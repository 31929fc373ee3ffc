import { isIP, isIPv4 } from 'node:net'
import { quote, tcmuError } from '../errors'

/** RFC 7143 13.1: the port registered for iSCSI targets. */
export const ISCSI_PORT = 3260
export const DEFAULT_TARGET = 'iqn.2026-11.host.tcmu:default'
/** RFC 7143 4.2.7.1: bytes. */
const MAX_ISCSI_NAME = 223

export interface Address {
  /** Without brackets. */
  readonly address: string
  readonly port: number
}

/** Read `ADDR:PORT`, `[ADDR6]:PORT`, or either without port (then 3260). Throws E_PORTAL_ADDRESS. */
export function parseAddress(text: string): Address {
  const wrong = (reason: string): Error => tcmuError('E_PORTAL_ADDRESS', { text: quote(text), reason })
  if (isIP(text) === 6) throw wrong('an IPv6 address goes in brackets')
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text)
  if (!match) throw wrong('wanted ADDR:PORT')
  const address = match[1] ?? (match[2] === 'localhost' ? '127.0.0.1' : match[2])
  const wantedVersion = match[1] === undefined ? 4 : 6
  if (isIP(address) !== wantedVersion) throw wrong(`${quote(address)} is no IPv${wantedVersion} address`)
  const port = Number(match[3] ?? ISCSI_PORT)
  if (port > 65535) throw wrong(`there is no port ${port}`)
  return { address, port }
}

export const formatAddress = ({ address, port }: Address): string => `${isIPv4(address) ? address : `[${address}]`}:${port}`

/** Whether only this machine can reach an address. */
export function isLoopback(address: string): boolean {
  const v4 = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
  return (isIPv4(v4) && v4.startsWith('127.')) || address === '::1' || /^(0{0,4}:){7}0{0,3}1$/.test(address)
}

/** An iSCSI name (RFC 7143 4.2.7: iqn, eui or naa; lower case), as is. Throws E_TARGET_NAME. */
export function checkIscsiName(text: string): string {
  const wrong = (reason: string): Error => tcmuError('E_TARGET_NAME', { text: quote(text), reason })
  if (Buffer.byteLength(text) > MAX_ISCSI_NAME) throw wrong(`it is longer than ${MAX_ISCSI_NAME} bytes`)
  if (/^eui\.[0-9a-f]{16}$/.test(text) || /^naa\.([0-9a-f]{16}|[0-9a-f]{32})$/.test(text)) return text
  if (/[A-Z]/.test(text)) throw wrong('iSCSI names are in lower case')
  if (/^iqn\.\d{4}-(0[1-9]|1[0-2])\.[a-z0-9][a-z0-9.-]*(:[a-z0-9.:-]+)?$/.test(text)) return text
  throw wrong('wanted iqn.YYYY-MM.REVERSED.DOMAIN:NAME of lower case letters, digits, dots, dashes and colons')
}
