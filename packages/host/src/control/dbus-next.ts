import dbus from 'dbus-next'
import { reasonOf } from '../errors'
import { socketPaths } from './dbus-address'
import {
  type DbusAnswer, type DbusCall, type DbusConnection, DbusFault, type DbusListener, type DbusRequest, type DbusSignal, type DbusTransport, DbusVariant, fault,
} from './dbus-transport'

type Bus = ReturnType<typeof dbus.sessionBus>
/** The library tells of a stream's errors, and of its end to nobody. */
interface Stream {
  once(event: 'close', then: () => void): unknown
  destroy(): void
}
const streamOf = (bus: Bus): Stream => (bus as unknown as { _connection: { stream: Stream } })._connection.stream

/** Plain data with the library's own variants in place of ours. */
function outward(value: unknown): unknown {
  if (value instanceof DbusVariant) return new dbus.Variant(value.signature, outward(value.value))
  if (Array.isArray(value)) return value.map(outward)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, outward(v)]))
}

const optionsOf = (path: string): Parameters<typeof dbus.sessionBus>[0] =>
  // `socket` is the one key under which the library leaves its optional native part alone.
  ({ busAddress: `unix:socket=${path}`, authMethods: ['EXTERNAL'] }) as Parameters<typeof dbus.sessionBus>[0]

class Connection implements DbusConnection {
  readonly ended: Promise<string>
  private open = true
  private reason = 'the bus closed the connection'

  constructor(private readonly bus: Bus, private readonly listener: DbusListener) {
    this.ended = new Promise((resolve) => {
      streamOf(bus).once('close', () => {
        this.open = false
        resolve(this.reason)
      })
    })
    bus.on('error', (e: unknown) => {
      this.reason = reasonOf(e)
      streamOf(bus).destroy()
    })
    bus.on('message', (m: dbus.Message) => {
      if (m.type === dbus.MessageType.SIGNAL) listener.signal(m as unknown as DbusSignal)
    })
    bus.addMethodHandler((m: dbus.Message) => {
      void this.answer(m)
      return true
    })
  }

  private async answer(m: dbus.Message): Promise<void> {
    const reply = await this.replyTo(m)
    if ((m.flags & dbus.MessageFlag.NO_REPLY_EXPECTED) === 0) this.send(reply)
  }

  private async replyTo(m: dbus.Message): Promise<() => dbus.Message> {
    try {
      const call: DbusCall = { sender: m.sender, path: m.path, interface: m.interface || undefined, member: m.member, signature: m.signature ?? '', body: m.body ?? [] }
      const { signature, body }: DbusAnswer = await this.listener.call(call)
      return () => dbus.Message.newMethodReturn(m, signature, body.map(outward))
    } catch (e) {
      // Declared as taking the call's text; it takes the call.
      return () => dbus.Message.newError(m as unknown as string, e instanceof DbusFault ? e.fault : fault.failed, reasonOf(e))
    }
  }

  private send(make: () => dbus.Message): void {
    if (!this.open) return
    try {
      this.bus.send(make())
    } catch (e) {
      this.reason = reasonOf(e)
      streamOf(this.bus).destroy()
    }
  }

  async call(request: DbusRequest, timeoutMs: number): Promise<readonly unknown[]> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new DbusFault('org.freedesktop.DBus.Error.NoReply', `no answer from ${request.destination} within ${timeoutMs / 1000} s`)), timeoutMs)
    })
    const gone = this.ended.then((reason) => Promise.reject(new DbusFault('org.freedesktop.DBus.Error.Disconnected', reason)))
    try {
      const reply = await Promise.race([this.bus.call(new dbus.Message({ ...request, body: request.body.map(outward) })), late, gone])
      return (reply?.body as readonly unknown[] | undefined) ?? []
    } catch (e) {
      if (e instanceof DbusFault) throw e
      throw new DbusFault(typeof (e as { type?: unknown }).type === 'string' ? (e as { type: string }).type : fault.failed, reasonOf(e))
    } finally {
      clearTimeout(timer)
    }
  }

  emit(signal: Omit<DbusSignal, 'sender'> & { readonly signature: string }): void {
    this.send(() => dbus.Message.newSignal(signal.path, signal.interface, signal.member, signal.signature, signal.body.map(outward)))
  }

  close(): void {
    this.reason = 'closed'
    streamOf(this.bus).destroy()
  }
}

async function connectTo(path: string, listener: DbusListener, timeoutMs: number): Promise<Connection> {
  const bus = dbus.sessionBus(optionsOf(path))
  const connection = new Connection(bus, listener)
  let timer: NodeJS.Timeout | undefined
  const hello = new Promise<void>((resolve) => void bus.once('connect', resolve))
  const late = new Promise<string>((resolve) => (timer = setTimeout(resolve, timeoutMs, `no hello from the bus within ${timeoutMs / 1000} s`)))
  const failure = await Promise.race([hello, late, connection.ended])
  clearTimeout(timer)
  if (failure === undefined) return connection
  connection.close()
  throw new Error(failure)
}

/** dbus-next without its proxy objects, service objects and match counting: it connects, and packs and unpacks messages. */
export const dbusNext: DbusTransport = {
  async connect(address, listener, timeoutMs) {
    let last: unknown
    for (const path of socketPaths(address)) {
      // The library takes addresses apart at these.
      if (/[,;:=]/.test(path)) throw new Error(`${path}: no comma, colon, semicolon or equals sign can be in the path of a bus`)
      try {
        return await connectTo(path, listener, timeoutMs)
      } catch (e) {
        last = e
      }
    }
    throw last
  },
}
