import type { Connection } from './connection'
import { LoginError, LoginStatus, ProtocolError } from './errors'
import { Login } from './login'
import { IscsiNexus } from './nexus'
import { CommandOrder } from './order'
import { LoginRequest, LoginResponse, Opcode } from './pdu'
import { Session } from './session'
import { formatText, type Pair } from './text'
import { CommandWindow } from './window'

type Header = ReturnType<typeof LoginRequest.decode>

const answerOf = (h: Header): { opcode: number; isid: Uint8Array; itt: number; currentStage: number } =>
  ({ opcode: Opcode.LOGIN_RESPONSE, isid: h.isid, itt: h.itt, currentStage: h.currentStage })

/** Login requests and responses of one connection; what they mean is decided by `Login`. */
export class LoginExchange {
  readonly login: Login
  private started = false
  /** The request that is answered once the session before has ended. */
  private admitting: Header | undefined
  private abandoned = false

  constructor(private readonly c: Connection) {
    this.login = new Login(c.host.policy)
  }

  request(): void {
    const { c } = this
    if (this.admitting) throw new ProtocolError('a PDU came before the login was answered')
    const h = LoginRequest.decode(c.framing.header)
    if (!this.started) this.start(h)
    try {
      const reply = this.login.request({ ...h, transit: h.transit === 1, more: h.more === 1 }, c.data)
      if (!this.login.done) this.answer(h, { transit: reply.transit, nextStage: reply.nextStage }, reply.pairs)
      else if (this.login.discovery) this.succeed(h, reply.pairs, undefined)
      else void this.admit(h, reply.pairs)
    } catch (e) {
      this.refuse(h, e)
    }
  }

  /** The connection has ended; a login that is being decided comes to nothing. */
  abandon(): void {
    this.abandoned = true
  }

  /** The time for it is up. False: the initiator is to blame; otherwise it is told to try again (RFC 7143 11.13.5). */
  late(): boolean {
    if (!this.admitting) return false
    this.refuse(this.admitting, new LoginError(LoginStatus.UNAVAILABLE, 'commands of the session before have not ended yet'))
    return true
  }

  private start(h: Header): void {
    const { c } = this
    this.started = true
    c.cid = h.cid
    c.order = new CommandOrder(new CommandWindow(h.cmdSn, c.host.limits.commands))
    c.channel.window = c.order.window
    c.channel.statSn = h.expStatSn
  }

  private answer(h: Header, more: { transit?: boolean; nextStage?: number; tsih?: number }, pairs: readonly Pair[]): void {
    this.c.channel.send(LoginResponse, { ...answerOf(h), ...more }, formatText(pairs))
  }

  private refuse(h: Header, e: unknown): void {
    const { c } = this
    if (!(e instanceof LoginError)) throw e
    c.log.warn(`${c.peer}: ${this.login.initiatorName || 'an initiator'}: ${e.message}`)
    c.channel.send(LoginResponse, { ...answerOf(h), statusClass: e.status >>> 8, statusDetail: e.status & 0xff })
    c.finish('login refused')
  }

  private succeed(h: Header, pairs: readonly Pair[], session: Session | undefined): void {
    const { c } = this
    c.channel.parameters = this.login.parameters
    this.answer(h, { transit: true, nextStage: h.nextStage, tsih: c.host.newTsih() }, pairs)
    c.begin(this.login, session)
  }

  /** Make the session, once an older one of the same initiator port has ended (RFC 7143 6.3.5). */
  private async admit(h: Header, pairs: readonly Pair[]): Promise<void> {
    const { c } = this
    const { target } = c.host
    this.admitting = h
    try {
      const nexus = new IscsiNexus(this.login.initiatorName, Buffer.from(h.isid).toString('hex'))
      // MaxConnections is 1: a TSIH asks to join a session, or to recover one, and neither can be.
      if (h.tsih !== 0) throw new LoginError(target.sessionOf(nexus.name) ? LoginStatus.TOO_MANY_CONNECTIONS : LoginStatus.NO_SESSION, `there is no session ${h.tsih} to join`)
      for (let old = target.sessionOf(nexus.name); old; old = target.sessionOf(nexus.name)) {
        old.disconnect('the initiator logged in anew')
        await old.end()
      }
      if (this.abandoned) return
      c.channel.parameters = this.login.parameters
      const session = new Session({
        channel: c.channel, target, nexus, buffers: c.host.buffers, order: c.order, tick: c.host.tick, disconnect: (why) => c.finish(why),
      })
      target.join(session)
      this.succeed(h, pairs, session)
    } catch (e) {
      this.handle(h, e)
    } finally {
      this.admitting = undefined
    }
  }

  private handle(h: Header, e: unknown): void {
    try {
      this.refuse(h, e)
    } catch (other) {
      this.c.fail(other)
    }
  }
}
