import type { NetlinkPort } from '../kernel/family'
import {
  Ctrl, decodeAttributes, encodeAttributes, encodeMessage, type EventKind, GenlMsgHdr, type KernelChange, NlMsgHdr, NlType, payload, TCM_FAMILY, TCM_GROUP, TCM_VERSION,
  TcmAttr, TcmCmd, valueOf,
} from '../kernel/netlink'

/** What user space answered to an event. */
export interface Answered {
  readonly kind: EventKind
  readonly deviceId: number
  readonly status: number
}

const FAMILY = 0x20
const GROUP = 9
const commands: Readonly<Record<EventKind, number>> = { added: TcmCmd.ADDED, removed: TcmCmd.REMOVED, reconfig: TcmCmd.RECONFIG }
const answers: ReadonlyMap<number, EventKind> = new Map([[TcmCmd.ADDED_DONE, 'added'], [TcmCmd.REMOVED_DONE, 'removed'], [TcmCmd.RECONFIG_DONE, 'reconfig']])

const changeAttribute = (c: KernelChange): [number, Uint8Array] =>
  c.kind === 'size' ? [TcmAttr.DEV_SIZE, payload.u64(c.sizeBytes)]
    : c.kind === 'config' ? [TcmAttr.DEV_CFG, payload.text(c.cfgstring)] : [TcmAttr.WRITECACHE, payload.u8(c.on ? 1 : 0)]

/** The kernel's side of the TCM-USER netlink family: knows the family, takes requests, and posts what a test tells it to. */
export class NetlinkPeer implements NetlinkPort {
  readonly joined: number[] = []
  readonly answered: Answered[] = []
  features: number | undefined
  closed = false
  /** Errno the next requests of a command are refused with, by command. */
  readonly refuse = new Map<number, number>()
  /** False: there is no such family. */
  known = true
  private onDatagrams: (datagrams: readonly Uint8Array[], overrun: boolean) => void = () => undefined
  private onError: (e: Error) => void = () => undefined
  private readonly waiting = new Map<number, (status: number) => void>()

  start(onDatagrams: (datagrams: readonly Uint8Array[], overrun: boolean) => void, onError: (e: Error) => void): void {
    this.onDatagrams = onDatagrams
    this.onError = onError
  }
  join(group: number): void {
    this.joined.push(group)
  }
  close(): void {
    this.closed = true
  }

  send(bytes: Uint8Array): void {
    const { type, seq } = NlMsgHdr.decode(bytes)
    const { cmd } = GenlMsgHdr.decode(bytes, NlMsgHdr.size)
    const attributes = decodeAttributes(bytes.subarray(NlMsgHdr.size + GenlMsgHdr.size))
    const error = this.refuse.get(cmd) ?? 0
    const reply = error ? undefined : type === Ctrl.FAMILY ? this.family(seq, valueOf.text(attributes, Ctrl.ATTR_FAMILY_NAME)) : undefined
    if (type === FAMILY && !error) this.take(cmd, attributes)
    const status = type === Ctrl.FAMILY && !reply ? -2 : -error
    setImmediate(() => this.onDatagrams([...(reply ? [reply] : []), this.ack(seq, status)], false))
  }

  private family(seq: number, name: string | undefined): Uint8Array | undefined {
    if (!this.known || name !== TCM_FAMILY) return undefined
    const group = encodeAttributes([[Ctrl.GROUP_NAME, payload.text(TCM_GROUP)], [Ctrl.GROUP_ID, payload.u32(GROUP)]])
    return encodeMessage({
      type: Ctrl.FAMILY, flags: 0, seq, cmd: 1, version: 2,
      attributes: [[Ctrl.ATTR_FAMILY_ID, payload.u32(FAMILY).subarray(0, 2)], [Ctrl.ATTR_MCAST_GROUPS, encodeAttributes([[1, group]])]],
    })
  }

  private ack(seq: number, status: number): Uint8Array {
    const body = payload.u32(status)
    const out = new Uint8Array(NlMsgHdr.size + body.length)
    NlMsgHdr.encode({ length: out.length, type: NlType.ERROR, seq }, out)
    out.set(body, NlMsgHdr.size)
    return out
  }

  private take(cmd: number, attributes: ReadonlyMap<number, Uint8Array>): void {
    if (cmd === TcmCmd.SET_FEATURES) this.features = valueOf.u8(attributes, TcmAttr.KERN_CMD_REPLY)
    const kind = answers.get(cmd)
    if (!kind) return
    const status = (valueOf.u32(attributes, TcmAttr.CMD_STATUS) ?? 0) | 0
    const deviceId = valueOf.u32(attributes, TcmAttr.DEVICE_ID) ?? -1
    this.answered.push({ kind, deviceId, status })
    this.waiting.get(deviceId)?.(status)
    this.waiting.delete(deviceId)
  }

  /** Post an event; resolves with the status it is answered with. */
  event(kind: EventKind, name: string, minor: number, change?: KernelChange, deviceId = minor + 100): Promise<number> {
    const done = new Promise<number>((resolve) => this.waiting.set(deviceId, resolve))
    this.onDatagrams([encodeMessage({
      type: FAMILY, flags: 0, seq: 0, cmd: commands[kind], version: TCM_VERSION,
      attributes: [
        [TcmAttr.DEVICE, payload.text(name)], [TcmAttr.MINOR, payload.u32(minor)], [TcmAttr.DEVICE_ID, payload.u32(deviceId)],
        ...(change ? [changeAttribute(change)] : []),
      ],
    })], false)
    return done
  }

  /** The receive buffer was full. */
  overrun(): void {
    this.onDatagrams([], true)
  }
  fail(e: Error): void {
    this.onError(e)
  }
  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.onDatagrams([bytes], false)
  }
}
