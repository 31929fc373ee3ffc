import { layout, skip, u16le, u32le, u64le, u8 } from '../wire'

/** Generic netlink as <linux/netlink.h>, <linux/genetlink.h> and <linux/target_core_user.h> lay it out, host-endian. */
export const NlMsgHdr = layout('nlmsghdr', { length: u32le, type: u16le, flags: u16le, seq: u32le, port: u32le }, { size: 16 })
export const GenlMsgHdr = layout('genlmsghdr', { cmd: u8, version: u8, reserved: skip(2) }, { size: 4 })
export const NlAttr = layout('nlattr', { length: u16le, type: u16le }, { size: 4 })
/** Payload of an NLMSG_ERROR: 0 or a negative errno, then the request it is about. */
const NlErr = layout('nlmsgerr', { error: u32le }, { size: 4 })

export const NlType = { NOOP: 1, ERROR: 2, DONE: 3, FIRST_FAMILY: 16 } as const
export const NlFlag = { REQUEST: 1, ACK: 4 } as const
/** The controller, which knows the other families. */
export const Ctrl = {
  FAMILY: 16, GETFAMILY: 3, VERSION: 1, ATTR_FAMILY_ID: 1, ATTR_FAMILY_NAME: 2, ATTR_MCAST_GROUPS: 7, GROUP_NAME: 1, GROUP_ID: 2,
} as const
export const TCM_FAMILY = 'TCM-USER'
export const TCM_GROUP = 'config'
/** Version 1 wants no replies and has no device ids; we speak 2. */
export const TCM_VERSION = 2
export const TcmCmd = {
  ADDED: 1, REMOVED: 2, RECONFIG: 3, ADDED_DONE: 4, REMOVED_DONE: 5, RECONFIG_DONE: 6, SET_FEATURES: 7,
} as const
export const TcmAttr = {
  DEVICE: 1, MINOR: 2, PAD: 3, DEV_CFG: 4, DEV_SIZE: 5, WRITECACHE: 6, CMD_STATUS: 7, DEVICE_ID: 8, KERN_CMD_REPLY: 9,
} as const

const ALIGN = 4
const align = (n: number): number => Math.ceil(n / ALIGN) * ALIGN
/** The two top bits of an attribute's type are flags (nested, network order). */
const TYPE_MASK = 0x3fff

export type Attributes = ReadonlyMap<number, Uint8Array>

/** One message: of a generic family with its attributes, or an NLMSG_ERROR with `error` 0 or negative. */
export interface NlMessage {
  readonly type: number
  readonly seq: number
  readonly error?: number
  readonly cmd: number
  readonly version: number
  readonly attributes: Attributes
}

const none: Attributes = new Map()

/** Attributes by type, the last of each; decoding ends at the first that is longer than what is left. */
export function decodeAttributes(bytes: Uint8Array): Attributes {
  const found = new Map<number, Uint8Array>()
  for (let at = 0; at + NlAttr.size <= bytes.length; ) {
    const { length, type } = NlAttr.decode(bytes, at)
    if (length < NlAttr.size || at + length > bytes.length) break
    found.set(type & TYPE_MASK, bytes.subarray(at + NlAttr.size, at + length))
    at += align(length)
  }
  return found
}

function decodeBody(type: number, seq: number, body: Uint8Array): NlMessage | undefined {
  const head = { type, seq, cmd: 0, version: 0, attributes: none }
  if (type === NlType.ERROR) return body.length < NlErr.size ? undefined : { ...head, error: NlErr.decode(body).error | 0 }
  if (type < NlType.FIRST_FAMILY) return head
  if (body.length < GenlMsgHdr.size) return undefined
  return { ...head, ...GenlMsgHdr.decode(body), attributes: decodeAttributes(body.subarray(GenlMsgHdr.size)) }
}

/** The messages of one datagram. What is cut off or makes no sense is left out; never throws. */
export function decodeMessages(bytes: Uint8Array): NlMessage[] {
  const found: NlMessage[] = []
  for (let at = 0; at + NlMsgHdr.size <= bytes.length; ) {
    const { length, type, seq } = NlMsgHdr.decode(bytes, at)
    if (length < NlMsgHdr.size || at + length > bytes.length) break
    const message = decodeBody(type, seq, bytes.subarray(at + NlMsgHdr.size, at + length))
    if (message) found.push(message)
    at += align(length)
  }
  return found
}

export type AttributeList = readonly (readonly [type: number, payload: Uint8Array])[]

export interface NlRequest {
  readonly type: number
  readonly flags: number
  readonly seq: number
  readonly cmd: number
  readonly version: number
  readonly attributes: AttributeList
}

export function encodeAttributes(list: AttributeList): Uint8Array {
  const out = new Uint8Array(list.reduce((n, [, payload]) => n + align(NlAttr.size + payload.length), 0))
  let at = 0
  for (const [type, payload] of list) {
    NlAttr.encode({ length: NlAttr.size + payload.length, type }, out, at)
    out.set(payload, at + NlAttr.size)
    at += align(NlAttr.size + payload.length)
  }
  return out
}

/** A generic netlink message; port 0 lets the kernel fill in the sender's. */
export function encodeMessage({ type, flags, seq, cmd, version, attributes }: NlRequest): Uint8Array {
  const list = encodeAttributes(attributes)
  const out = new Uint8Array(NlMsgHdr.size + GenlMsgHdr.size + list.length)
  NlMsgHdr.encode({ length: out.length, type, flags, seq }, out)
  GenlMsgHdr.encode({ cmd, version }, out, NlMsgHdr.size)
  out.set(list, NlMsgHdr.size + GenlMsgHdr.size)
  return out
}

export const payload = {
  u8: (n: number): Uint8Array => Uint8Array.of(n),
  u32: (n: number): Uint8Array => {
    const b = new Uint8Array(u32le.size)
    u32le.set(b, 0, n >>> 0)
    return b
  },
  u64: (n: number): Uint8Array => {
    const b = new Uint8Array(u64le.size)
    u64le.set(b, 0, n)
    return b
  },
  text: (s: string): Uint8Array => Buffer.from(`${s}\0`, 'utf8'),
} as const

/** An attribute's value; undefined when it is not there or too short. */
export const valueOf = {
  u8: (a: Attributes, type: number): number | undefined => a.get(type)?.[0],
  u16: (a: Attributes, type: number): number | undefined => number(a, type, u16le),
  u32: (a: Attributes, type: number): number | undefined => number(a, type, u32le),
  u64: (a: Attributes, type: number): number | undefined => number(a, type, u64le),
  text: (a: Attributes, type: number): string | undefined => {
    const bytes = a.get(type)
    if (!bytes) return undefined
    const end = bytes.indexOf(0)
    return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8')
  },
} as const

function number(a: Attributes, type: number, field: { size: number; get(b: Uint8Array, at: number): number }): number | undefined {
  const bytes = a.get(type)
  return bytes && bytes.length >= field.size ? field.get(bytes, 0) : undefined
}

export type EventKind = 'added' | 'removed' | 'reconfig'
export type KernelChange =
  | { readonly kind: 'size'; readonly sizeBytes: number }
  | { readonly kind: 'config'; readonly cfgstring: string }
  | { readonly kind: 'writeCache'; readonly on: boolean }

/** What the kernel tells of a device, and waits for an answer to. */
export interface KernelEvent {
  readonly kind: EventKind
  /** The UIO name, `tcm-user/HBA/NAME/CFGSTRING`. */
  readonly name: string
  readonly minor: number
  /** To be given back in the answer; undefined from kernels that want none. */
  readonly deviceId: number | undefined
  /** Of a reconfiguration; undefined when its attribute is one we do not know. */
  readonly change?: KernelChange
}

const kinds: ReadonlyMap<number, EventKind> = new Map([[TcmCmd.ADDED, 'added'], [TcmCmd.REMOVED, 'removed'], [TcmCmd.RECONFIG, 'reconfig']])
const doneOf: Readonly<Record<EventKind, number>> = { added: TcmCmd.ADDED_DONE, removed: TcmCmd.REMOVED_DONE, reconfig: TcmCmd.RECONFIG_DONE }

function changeOf(a: Attributes): KernelChange | undefined {
  const sizeBytes = valueOf.u64(a, TcmAttr.DEV_SIZE)
  if (sizeBytes !== undefined) return { kind: 'size', sizeBytes }
  const cfgstring = valueOf.text(a, TcmAttr.DEV_CFG)
  if (cfgstring !== undefined) return { kind: 'config', cfgstring }
  const on = valueOf.u8(a, TcmAttr.WRITECACHE)
  return on === undefined ? undefined : { kind: 'writeCache', on: on !== 0 }
}

/** The event in a message of the family; undefined for other messages and for those without a device or minor. */
export function eventOf(message: NlMessage): KernelEvent | undefined {
  const kind = kinds.get(message.cmd)
  const { attributes: a, version } = message
  const name = valueOf.text(a, TcmAttr.DEVICE)
  const minor = valueOf.u32(a, TcmAttr.MINOR)
  const deviceId = valueOf.u32(a, TcmAttr.DEVICE_ID)
  if (!kind || name === undefined || minor === undefined || (version >= TCM_VERSION && deviceId === undefined)) return undefined
  return { kind, name, minor, deviceId, ...(kind === 'reconfig' && { change: changeOf(a) }) }
}

/** Command and attributes that answer an event: `status` is 0 or a negative errno. */
export const answerTo = (kind: EventKind, deviceId: number, status: number): { cmd: number; attributes: AttributeList } =>
  ({ cmd: doneOf[kind], attributes: [[TcmAttr.CMD_STATUS, payload.u32(status)], [TcmAttr.DEVICE_ID, payload.u32(deviceId)]] })
