import { getSystemErrorName } from 'node:util'
import { reasonOf, tcmuError } from '../errors'
import {
  answerTo, type AttributeList, Ctrl, decodeAttributes, decodeMessages, encodeMessage, eventOf, type KernelEvent, type NlMessage, NlFlag, NlType,
  payload, TCM_FAMILY, TCM_GROUP, TCM_VERSION, TcmAttr, TcmCmd, valueOf,
} from './netlink'
import { EOPNOTSUPP } from './reply'

/** Bytes to and from the kernel: the addon's socket, or a test's. */
export interface NetlinkPort {
  start(onDatagrams: (datagrams: readonly Uint8Array[], overrun: boolean) => void, onError: (error: Error) => void): void
  join(group: number): void
  send(bytes: Uint8Array): void
  close(): void
}

export interface FamilyListener {
  event(event: KernelEvent): void
  /** Events were lost: look at what is there. */
  overrun(): void
  /** The socket is gone. */
  failed(error: Error): void
}

/** The kernel answers from inside `send`; more than this means that it does not answer at all. */
const ANSWER_MS = 5000

interface Waiting {
  reply: NlMessage | undefined
  resolve(reply: NlMessage | undefined): void
  reject(error: Error): void
}

/** An error of the kernel's answer, with its errno. */
function refusal(what: string, error: number): Error {
  const code = getSystemErrorName(error)
  return Object.assign(tcmuError('E_NETLINK', { what, reason: code }), { errno: error })
}

/** User space's side of the TCM-USER netlink family. */
export class TcmuFamily {
  private seq = 0
  private id = 0
  private readonly waiting = new Map<number, Waiting>()

  private constructor(private readonly port: NetlinkPort, private readonly listener: FamilyListener) {
    port.start((datagrams, overrun) => this.take(datagrams, overrun), (e) => this.fail(e))
  }

  /** Find the family, and hear its events from now on. Rejects with E_NETLINK. */
  static async open(port: NetlinkPort, listener: FamilyListener): Promise<TcmuFamily> {
    const family = new TcmuFamily(port, listener)
    try {
      port.join(await family.resolve())
      return family
    } catch (e) {
      port.close()
      throw e
    }
  }

  private take(datagrams: readonly Uint8Array[], overrun: boolean): void {
    if (overrun) this.listener.overrun()
    for (const bytes of datagrams) for (const message of decodeMessages(bytes)) this.deliver(message)
  }

  private deliver(message: NlMessage): void {
    const waiting = this.waiting.get(message.seq)
    if (message.type === NlType.ERROR) {
      if (!waiting) return
      if (message.error) waiting.reject(refusal('the kernel refused a request', message.error))
      else waiting.resolve(waiting.reply)
    } else if (message.type === this.id && message.seq === 0) {
      const event = eventOf(message)
      if (event) this.listener.event(event)
    } else if (waiting) waiting.reply = message
  }

  private fail(error: Error): void {
    for (const w of this.waiting.values()) w.reject(error)
    this.listener.failed(error)
  }

  private request(type: number, cmd: number, version: number, attributes: AttributeList): Promise<NlMessage | undefined> {
    const seq = (this.seq = (this.seq % 0x7fffffff) + 1)
    return new Promise<NlMessage | undefined>((resolve, reject) => {
      const timer = setTimeout(() => reject(tcmuError('E_NETLINK', { what: `request ${cmd}`, reason: `no answer in ${ANSWER_MS / 1000} s` })), ANSWER_MS)
      this.waiting.set(seq, { reply: undefined, resolve: (m) => (clearTimeout(timer), resolve(m)), reject: (e) => (clearTimeout(timer), reject(e)) })
      try {
        this.port.send(encodeMessage({ type, flags: NlFlag.REQUEST | NlFlag.ACK, seq, cmd, version, attributes }))
      } catch (e) {
        this.waiting.get(seq)!.reject(e as Error)
      }
    }).finally(() => this.waiting.delete(seq))
  }

  /** Learn the family's number; returns that of its multicast group. */
  private async resolve(): Promise<number> {
    let reply: NlMessage | undefined
    try {
      reply = await this.request(Ctrl.FAMILY, Ctrl.GETFAMILY, Ctrl.VERSION, [[Ctrl.ATTR_FAMILY_NAME, payload.text(TCM_FAMILY)]])
    } catch (e) {
      throw tcmuError('E_NETLINK', { what: `there is no family ${TCM_FAMILY}`, reason: reasonOf(e) }, { cause: e })
    }
    const id = reply && valueOf.u16(reply.attributes, Ctrl.ATTR_FAMILY_ID)
    const groups = decodeAttributes(reply?.attributes.get(Ctrl.ATTR_MCAST_GROUPS) ?? new Uint8Array(0))
    for (const group of groups.values()) {
      const attributes = decodeAttributes(group)
      const number = valueOf.u32(attributes, Ctrl.GROUP_ID)
      if (id !== undefined && number !== undefined && valueOf.text(attributes, Ctrl.GROUP_NAME) === TCM_GROUP) {
        this.id = id
        return number
      }
    }
    throw tcmuError('E_NETLINK', { what: `the family ${TCM_FAMILY}`, reason: `it has no group ${TCM_GROUP}` })
  }

  /** From now on the kernel waits for our answers. False when it is too old to. */
  async setFeatures(replies: boolean): Promise<boolean> {
    try {
      await this.request(this.id, TcmCmd.SET_FEATURES, TCM_VERSION, [[TcmAttr.KERN_CMD_REPLY, payload.u8(replies ? 1 : 0)]])
      return true
    } catch (e) {
      if ((e as { errno?: number }).errno === EOPNOTSUPP) return false
      throw e
    }
  }

  /** Answer an event: 0, or a negative errno that whoever caused it gets. Does nothing when the kernel wants no answer. */
  async done(event: KernelEvent, status: number): Promise<void> {
    if (event.deviceId === undefined) return
    const { cmd, attributes } = answerTo(event.kind, event.deviceId, status)
    await this.request(this.id, cmd, TCM_VERSION, attributes)
  }

  close(): void {
    this.port.close()
    for (const w of this.waiting.values()) w.reject(tcmuError('E_NETLINK', { what: 'a request', reason: 'the socket was closed' }))
  }
}
