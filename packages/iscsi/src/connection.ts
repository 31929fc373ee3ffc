import type { Socket } from 'node:net'
import type { BufferPool } from './buffers'
import { Channel } from './channel'
import type { Crc32c } from './digest'
import { answerText, targetAddress } from './discovery'
import { ProtocolError } from './errors'
import { Framing, type PduReceiver } from './framing'
import { type Login, type LoginPolicy } from './login'
import { LoginExchange } from './login-exchange'
import type { LoopPoll } from './loop-poll'
import { normalName } from './names'
import { DEFAULT_RECEIVE, MAX_RECEIVE } from './negotiation'
import { CommandOrder } from './order'
import type { PortalLimits, PortalLog } from './options'
import type { QuietLog } from './quiet-log'
import { Outgoing } from './outgoing'
import { BasicHeader, NO_TAG, NopIn, Opcode, RejectReason } from './pdu'
import { requestTable, sendReject } from './requests'
import type { Session } from './session'
import type { Target } from './target'
import { TextExchange } from './text-exchange'
import { CommandWindow } from './window'

/** What a connection needs of its portal. */
export interface ConnectionHost {
  readonly target: Target
  readonly policy: LoginPolicy
  readonly limits: PortalLimits
  readonly buffers: BufferPool
  readonly crc32c: Crc32c
  readonly poll: LoopPoll
  readonly log: QuietLog
  /** Seconds since the portal began. */
  readonly tick: () => number
  /** A TSIH that no session has. */
  readonly newTsih: () => number
  readonly gone: (c: Connection) => void
  readonly disconnectAll: () => void
}

const none = Buffer.alloc(0)
/** After a connection was told to end, how long its peer has to read what is left. */
const LINGER_SECONDS = 2
const PING_TAG = 0
/** Data of one request that came ahead of its turn; there can be a window full of them. */
const MOST_HELD = 8192

/** One TCP connection, from its first byte to its last. Whatever goes wrong on it ends it and nothing else. */
export class Connection implements PduReceiver {
  readonly framing: Framing
  readonly channel: Channel
  readonly log: PortalLog
  /** Data of the PDU at hand, for all but commands and Data-Out. */
  data: Buffer = none
  session: Session | undefined
  cid = 0
  order: CommandOrder
  readonly peer: string
  readonly text: TextExchange
  private readonly login: LoginExchange
  private full = false
  private closed = false
  private heard: number
  private pinged = -1
  private readonly since: number
  /** Bytes that waited for the peer at the last sweep. */
  private waiting = 0
  private lingering = -1
  private readonly bhs

  constructor(private readonly socket: Socket, readonly host: ConnectionHost) {
    const outgoing = new Outgoing(socket, { give: (b) => (this.session?.buffers ?? host.buffers).give(b) }, host.crc32c)
    this.framing = new Framing(this, DEFAULT_RECEIVE, host.crc32c)
    this.login = new LoginExchange(this)
    this.channel = new Channel(this.framing, outgoing, this.login.login.parameters)
    this.order = new CommandOrder(new CommandWindow(0, host.limits.commands))
    this.bhs = BasicHeader.view(this.framing.header)
    this.log = host.log.of(socket.remoteAddress ?? '?')
    this.peer = targetAddress(socket.remoteAddress ?? '?', socket.remotePort ?? 0)
    this.text = new TextExchange((pairs) => answerText(pairs, this.directory()))
    this.since = this.heard = host.tick()
    outgoing.drained = () => this.resume()
    outgoing.sent = () => host.poll.sent()
    this.listen(socket)
  }

  private listen(socket: Socket): void {
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.receive(chunk))
    socket.on('error', (e) => this.log.debug(`${this.peer}: ${e.message}`))
    socket.on('end', () => this.finish('the peer has ended it'))
    socket.on('close', () => this.release())
  }

  private receive(chunk: Buffer): void {
    this.heard = this.host.tick()
    this.host.poll.heard()
    if (this.closed) return
    this.channel.batch(() => {
      try {
        this.framing.push(chunk)
      } catch (e) {
        this.fail(e)
      }
    })
    // Who does not read what it asked for is not heard until it does.
    if (this.channel.outgoing.queued > this.host.limits.queuedBytes) this.socket.pause()
  }

  private resume(): void {
    if (!this.closed && this.socket.isPaused() && this.channel.outgoing.queued <= this.host.limits.queuedBytes / 2) this.socket.resume()
  }

  header(): void {
    const row = this.full ? requestTable[this.bhs.opcode] : undefined
    if (row?.header && this.session) return row.header(this)
    this.data = this.framing.dataLength > 0 ? Buffer.allocUnsafe(this.framing.dataLength) : none
    this.framing.into(this.data, 0, this.data.length)
  }

  pdu(): void {
    if (!this.full) {
      if (this.bhs.opcode !== Opcode.LOGIN) throw new ProtocolError(`operation code ${this.bhs.opcode} came before login`)
      return this.login.request()
    }
    const row = requestTable[this.bhs.opcode]
    if (!row) return sendReject(this, RejectReason.NOT_SUPPORTED)
    if (!this.session && !row.discovery) throw new ProtocolError(`${row.name} came in a discovery session`, RejectReason.PROTOCOL)
    row.pdu(this)
    this.data = none
  }

  ordered(cmdSn: number, immediate: boolean, action: () => void): void {
    const early = !immediate && this.order.takes(cmdSn) && !this.order.isNext(cmdSn)
    if (early && this.data.length > MOST_HELD) throw new ProtocolError(`a request with ${this.data.length} bytes came ahead of its turn`, RejectReason.OUT_OF_RESOURCES)
    this.order.run(cmdSn, immediate, action)
  }

  /** Login has succeeded and its last response is on its way. */
  begin(login: Login, session: Session | undefined): void {
    this.full = true
    this.session = session
    this.framing.maxData = MAX_RECEIVE
    const { HeaderDigest, DataDigest } = this.channel.parameters
    for (const direction of [this.framing, this.channel.outgoing]) {
      direction.headerDigest = HeaderDigest === 'CRC32C'
      direction.dataDigest = DataDigest === 'CRC32C'
    }
    this.log.info(`${this.peer}: ${login.initiatorName} logged in${session ? '' : ' for discovery'}`, { HeaderDigest, DataDigest })
  }

  get loggedIn(): boolean {
    return this.full
  }
  get loggingIn(): boolean {
    return !this.full && !this.closed
  }

  private directory(): Parameters<typeof answerText>[1] {
    const { policy } = this.host
    const initiator = normalName(this.login.login.initiatorName)
    return {
      targetName: policy.targetName, discovery: this.session === undefined, visible: !policy.acl || policy.acl.has(initiator),
      address: targetAddress(this.socket.localAddress ?? '127.0.0.1', this.socket.localPort ?? 0),
    }
  }

  /** Called every second: whoever keeps us waiting too long is let go. */
  sweep(now: number): void {
    const { loginSeconds, pingSeconds, pongSeconds, dataSeconds } = this.host.limits
    if (this.reads()) this.heard = now
    if (this.lingering >= 0) {
      if (now - this.lingering >= LINGER_SECONDS) this.socket.destroy()
    } else if (!this.full) {
      if (now - this.since >= loginSeconds && !this.login.late()) this.fail(new ProtocolError(`login took longer than ${loginSeconds} s`))
    } else if (this.pinged >= 0 && this.heard >= this.pinged) {
      this.pinged = -1
    } else if (this.pinged >= 0) {
      if (now - this.pinged >= pongSeconds) this.fail(new ProtocolError(`no answer to a ping for ${pongSeconds} s`))
    } else if (now - this.heard >= pingSeconds) this.ping(now)
    if (this.session?.stalled(now - dataSeconds)) this.fail(new ProtocolError(`Data-Out did not come for ${dataSeconds} s`))
  }

  /**
   * Whether the peer has read since the last sweep: however slowly it does, it is there, and its answer to a ping has to
   * wait for its turn. Node tells how much of a write is still to go on the handle alone.
   */
  private reads(): boolean {
    const { _handle } = this.socket as unknown as { _handle?: { writeQueueSize?: number } | null }
    const before = this.waiting
    this.waiting = _handle?.writeQueueSize ?? 0
    return this.waiting < before
  }

  /** RFC 7143 11.19: a NOP-In that wants an answer. */
  private ping(now: number): void {
    this.pinged = now
    this.channel.send(NopIn, { opcode: Opcode.NOP_IN, final: 1, itt: NO_TAG, ttt: PING_TAG }, undefined, false)
  }

  disconnectAll(): void {
    this.host.disconnectAll()
  }

  /** The end, because of what the peer did, or of a mistake of ours. */
  fail(e: unknown): void {
    if (this.closed) return
    const error = e instanceof Error ? e : new Error(String(e))
    if (error instanceof ProtocolError) {
      this.log.warn(`${this.peer}: ${error.message}`)
      if (error.reject !== undefined && this.full) sendReject(this, error.reject)
    } else this.log.error(`${this.peer}: ${error.message}`, { stack: error.stack })
    this.finish('failed')
  }

  /** Send what is left, then end. */
  finish(why: string): void {
    if (this.lingering >= 0) return
    this.log.debug(`${this.peer}: connection ends: ${why}`)
    this.lingering = this.host.tick()
    this.framing.stopped = true
    this.channel.outgoing.flush()
    this.socket.destroySoon()
    this.release()
  }

  /** Give back everything but the socket. */
  private release(): void {
    if (this.closed) return
    this.closed = true
    this.framing.stopped = true
    this.channel.outgoing.close()
    this.login.abandon()
    // Until the socket is closed the portal looks after it: a peer that reads nothing would keep it for ever.
    const gone = (): void => this.host.gone(this)
    Promise.all([this.session?.end(), this.ended()]).then(gone, (e: unknown) => {
      this.log.error(`${this.peer}: ${String(e)}`)
      gone()
    })
  }

  /** Resolves when the socket is closed; at once when it is. */
  async ended(): Promise<void> {
    if (!this.socket.closed) await new Promise<void>((resolve) => this.socket.once('close', () => resolve()))
    await this.session?.end()
  }

  /** Too many others want to log in. */
  crowdedOut(): void {
    this.finish('others want to log in')
    this.socket.destroy()
  }

  destroy(): void {
    this.socket.destroy()
  }
}
