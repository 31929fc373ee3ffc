import { isIP } from 'node:net'
import type { LogicalUnit } from '@tcmu/host/scsi'
import type { ChapOptions } from './chap'
import type { Crc32c } from './digest'
import { PortalError } from './errors'
import { isIscsiName, normalName } from './names'

export interface PortalLog {
  error(message: string, facts?: object): void
  warn(message: string, facts?: object): void
  info(message: string, facts?: object): void
  debug(message: string, facts?: object): void
}

/** CHAP (RFC 7143 12.1): what initiators prove, and with the mutual pair what the portal proves to them. */
export interface PortalChap {
  readonly user: string
  readonly secret: string
  readonly mutualUser?: string
  readonly mutualSecret?: string
}

/** Bounds of what peers can make a portal hold. Times in seconds. */
export interface PortalLimits {
  readonly connections: number
  /** Connections that have not logged in yet. */
  readonly logins: number
  readonly loginSeconds: number
  /** Silence after which a peer is pinged, and after which more of it means that it is gone. */
  readonly pingSeconds: number
  readonly pongSeconds: number
  /** How long announced Data-Out may take to begin and to go on. */
  readonly dataSeconds: number
  /** Bytes of command data, all sessions together. */
  readonly bufferBytes: number
  /** Bytes that may wait for a socket before its requests are left unread. */
  readonly queuedBytes: number
  /** Commands under way of one session: the window of CmdSN. */
  readonly commands: number
}

export const defaultLimits: PortalLimits = Object.freeze({
  connections: 256, logins: 64, loginSeconds: 15, pingSeconds: 30, pongSeconds: 30, dataSeconds: 60, bufferBytes: 128 * 2 ** 20,
  queuedBytes: 8 * 2 ** 20, commands: 128,
})

export interface PortalOptions {
  /** IPv4 or IPv6 address without brackets. */
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  readonly targetName: string
  /** Logical units by LUN number. */
  readonly luns: ReadonlyMap<number, LogicalUnit>
  readonly chap?: PortalChap
  /** Initiator names that may log in. Left out: all. */
  readonly acl?: readonly string[]
  readonly log: PortalLog
  /** Folder for what must outlive the process: persistent reservations. Left out: nothing does. */
  readonly stateDir?: string
  /** What INQUIRY says of the portal's port: its relative identifier and its group. Left out: port 1, no group. */
  readonly portGroup?: { readonly id: number; readonly relativePort: number }
  /** Bind a non-loopback address without CHAP. */
  readonly allowOpen?: boolean
  /** Microseconds that the event loop is kept awake after an answer, while initiators come back that quickly. 0: never. Default: what fits the machine. */
  readonly pollMicros?: number | undefined
  /** Digests of data by native code. Left out: in JavaScript, about 1 GB/s. */
  readonly crc32c?: Crc32c | undefined
  readonly limits?: Partial<PortalLimits>
}

const isLoopback = (address: string): boolean =>
  address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.')) || /^::ffff:127\./i.test(address)

function chapOf(target: string, chap: PortalChap | undefined): ChapOptions | undefined {
  if (!chap) return undefined
  const wrong = (reason: string): PortalError => new PortalError('E_CHAP_SECRET', { target, reason })
  const { user, secret, mutualUser, mutualSecret } = chap
  if (!user || !secret) throw wrong('user and secret must not be empty')
  if ((mutualUser === undefined) !== (mutualSecret === undefined)) throw wrong('a mutual user needs a mutual secret, and the other way round')
  if (mutualUser === undefined) return { user, secret }
  // RFC 7143 9.2.1: with one secret for both directions an initiator can have us answer our own challenge.
  if (mutualSecret === secret) throw wrong('the secrets of the two directions must differ')
  if (!mutualUser || !mutualSecret) throw wrong('mutual user and secret must not be empty')
  return { user, secret, mutual: { user: mutualUser, secret: mutualSecret } }
}

/** Options once they have been found good. Throws a PortalError. */
export function checkOptions(options: PortalOptions): { targetName: string; chap: ChapOptions | undefined; acl: ReadonlySet<string> | undefined; limits: PortalLimits } {
  const targetName = normalName(options.targetName)
  if (!isIscsiName(targetName)) throw new PortalError('E_TARGET_NAME', { name: JSON.stringify(options.targetName) })
  const chap = chapOf(targetName, options.chap)
  if (!isLoopback(options.address) && !chap && !options.allowOpen) throw new PortalError('E_PORTAL_OPEN', { address: options.address })
  return { targetName, chap, acl: options.acl && new Set(options.acl.map(normalName)), limits: { ...defaultLimits, ...options.limits } }
}
