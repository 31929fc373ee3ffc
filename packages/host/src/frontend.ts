import { quote, reasonOf, tcmuError } from './errors'
import type { HandlerLog } from './handler/types'
import { nativeCrc32c } from './platform/native'
import type { LogicalUnit } from './scsi'

/** CHAP (RFC 7143 12.1): what initiators prove, and with the mutual pair what the portal proves to them. */
export interface Chap {
  readonly user: string
  readonly secret: string
  readonly mutualUser?: string
  readonly mutualSecret?: string
}

export interface PortalOptions {
  /** IPv4 or IPv6 address without brackets. */
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  readonly targetName: string
  /** Logical units by LUN number. */
  readonly luns: ReadonlyMap<number, LogicalUnit>
  readonly chap?: Chap
  /** Initiator names that may log in. Left out: all. */
  readonly acl?: readonly string[]
  readonly log: HandlerLog
  /** Folder for what must outlive the process, e.g. persistent reservations. Left out: nothing does. */
  readonly stateDir?: string
  /** What INQUIRY says of the portal's port: its relative identifier and its group. */
  readonly portGroup?: { readonly id: number; readonly relativePort: number }
  /** Bind a non-loopback address without CHAP. */
  readonly allowOpen?: boolean
  /** Microseconds that the event loop is kept awake after an answer, while initiators come back that quickly. 0: never. Default: what fits the machine. */
  readonly pollMicros?: number | undefined
  /** Continue a CRC-32C (0 to begin) over bytes [from, to), faster than JavaScript does. */
  readonly crc32c?: ((crc: number, bytes: Uint8Array, from: number, to: number) => number) | undefined
}

export interface PortalAddress {
  readonly address: string
  readonly port: number
}

export interface SessionInfo {
  readonly initiator: string
  readonly peer: string
  readonly connections: number
}

export interface Portal {
  /** Bind and accept. Rejects with an error whose `code` is the errno name when the address cannot be bound. */
  listen(): Promise<PortalAddress>
  /** Accept nothing new, let commands under way end for up to `deadlineMs`, then close every connection. */
  close(deadlineMs: number): Promise<void>
  sessions(): readonly SessionInfo[]
}

/** What the host wants of a front end package: `@tcmu/iscsi` has exactly this face. */
export interface FrontEnd {
  createPortal(options: PortalOptions): Portal
}

/** Front ends by name, and the package that is one. */
const frontEnds = { iscsi: '@tcmu/iscsi' } as const
export type FrontEndName = keyof typeof frontEnds

const listenReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else listens there; stop it or choose another port with --portal',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'ports below 1024 take privileges',
}

/** Why a portal could not listen: the portal's own error when it has a code, else one made from the errno. */
export function listenError(error: unknown, address: string): Error {
  const code = String((error as { code?: unknown } | undefined)?.code)
  if (error instanceof Error && code.startsWith('E_')) return error
  return tcmuError('E_PORTAL_LISTEN', { address, reason: listenReasons[code] ?? reasonOf(error), code }, { cause: error })
}

/** Load the package of a front end. Rejects with E_FRONT_END. */
export async function loadFrontEnd(name: FrontEndName): Promise<FrontEnd> {
  const wrong = (reason: string, cause?: unknown): Error => tcmuError('E_FRONT_END', { frontend: name, reason }, { cause })
  let namespace: unknown
  try {
    namespace = await import(frontEnds[name])
  } catch (e) {
    throw wrong(`${reasonOf(e)}; is ${frontEnds[name]} installed?`, e)
  }
  const face = namespace as Partial<FrontEnd>
  if (typeof face.createPortal !== 'function') throw wrong(`${frontEnds[name]} has no createPortal, but ${quote(Object.keys(face))}`)
  const frontEnd = face as FrontEnd
  return { createPortal: (options) => frontEnd.createPortal({ crc32c: nativeCrc32c(), ...options }) }
}
