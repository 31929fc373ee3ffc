import { reasonOf } from '../errors'
import type { FactLog } from '../log'
import { BuiltinHandlers, type HandlerSource } from './dbus-builtin'
import { ExternalHandlers } from './dbus-external'
import { BUS_NAME, handlerInterface, handlerPath, MANAGER_PATH, managerInterface, ROOT_PATH, type ServedHandler } from './dbus-objects'
import { dbusNext } from './dbus-next'
import { type DbusAnswer, type DbusCall, type DbusConnection, DbusFault, type DbusListener, type DbusSignal, type DbusTransport, fault } from './dbus-transport'
import { type DbusInterface, DbusTree, interfacesWithProperties } from './dbus-tree'

const CONNECT_MS = 5000
const CALL_MS = 5000
const MIN_RETRY_MS = 100
const MAX_RETRY_MS = 5000
/** Calls that wait for a handler; clients that ask for more are told so. */
const MAX_CALLS = 256
const MANAGER = 'org.freedesktop.DBus.ObjectManager'
const BUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' } as const
/** RequestName: reply values of the D-Bus specification. */
const PRIMARY_OWNER = 1
const IN_QUEUE = 2

export interface DbusOptions {
  readonly address: string
  readonly handlers: HandlerSource
  readonly log: FactLog
  readonly transport?: DbusTransport
  /** Longest pause between attempts to reach the bus. */
  readonly maxRetryMs?: number
}

/**
 * `org.kernel.TCMUService1`: what targetcli lists `user:SUBTYPE` from. The bus is never a reason for the host to fail: it is
 * tried again for as long as the service is wanted, and the name is taken again after a restart of the bus.
 */
export class DbusService implements DbusListener {
  private readonly tree = new DbusTree()
  private readonly served = new Map<string, ServedHandler>()
  private readonly builtin: BuiltinHandlers
  private readonly external: ExternalHandlers
  private connection: DbusConnection | undefined
  private wanted = false
  /** Another process has the name. */
  private queued = false
  private calls = 0
  private retryMs = MIN_RETRY_MS
  private retry: NodeJS.Timeout | undefined
  private complaint: string | undefined

  constructor(private readonly options: DbusOptions) {
    this.builtin = new BuiltinHandlers(options.handlers)
    this.external = new ExternalHandlers(() => this.connection, {
      has: (subtype) => this.served.has(subtype),
      add: (handler) => this.export(handler),
      remove: (subtype) => this.unexport(subtype),
    }, (text) => options.log.info(text))
    this.tree.set(ROOT_PATH, [this.objectManager()])
    this.tree.set(MANAGER_PATH, [managerInterface(
      (subtype, description) => this.external.register(subtype, description),
      (subtype, _, sender) => this.external.unregister(subtype, sender),
    )])
  }

  /** Subtypes that another process serves: the host leaves their devices alone. */
  get externalSubtypes(): readonly string[] {
    return this.external.subtypes
  }

  /** Export the handlers and take the name. Settles after the first attempt, whatever came of it. Never rejects. */
  async start(): Promise<void> {
    this.wanted = true
    this.sync()
    await this.attempt()
  }

  async stop(): Promise<void> {
    this.wanted = false
    clearTimeout(this.retry)
    const { connection } = this
    if (!connection) return
    await connection.call({ ...BUS, member: 'ReleaseName', signature: 's', body: [BUS_NAME] }, CALL_MS).catch(() => undefined)
    connection.close()
    await connection.ended
  }

  /** Look at the handlers of the host again: what is new is exported, what is gone or describes itself anew is taken back. */
  sync(): void {
    const now = new Map(this.builtin.list().map((h) => [h.subtype, h]))
    const external = new Set(this.external.subtypes)
    for (const [subtype, { configHelp }] of [...this.served]) if (!external.has(subtype) && now.get(subtype)?.configHelp !== configHelp) this.unexport(subtype)
    for (const handler of now.values()) if (!this.served.has(handler.subtype)) this.export(handler)
  }

  private async attempt(): Promise<void> {
    const { address, log, transport = dbusNext } = this.options
    try {
      const connection = await transport.connect(address, this, CONNECT_MS)
      if (!this.wanted) return connection.close()
      this.connection = connection
      void connection.ended.then((reason) => this.ended(connection, reason))
      await this.external.watch(connection)
      const [reply] = await connection.call({ ...BUS, member: 'RequestName', signature: 'su', body: [BUS_NAME, 0] }, CALL_MS)
      this.retryMs = MIN_RETRY_MS
      this.complaint = undefined
      this.queued = reply === IN_QUEUE
      if (this.queued) log.warn(`D-Bus: ${BUS_NAME} belongs to another process (is tcmu-runner running?); it is ours when that one ends`)
      else if (reply === PRIMARY_OWNER) log.info(`D-Bus: ${BUS_NAME} is ours on ${address}`)
    } catch (e) {
      this.failed(reasonOf(e))
    }
  }

  /** An attempt failed: end its connection, and try again later. */
  private failed(reason: string): void {
    const denied = /not allowed to own/i.test(reason) ? '; `tcmu-host install-files` writes the policy that allows it' : ''
    if (this.complaint !== reason) this.options.log.warn(`D-Bus: ${this.options.address}: ${reason}${denied}; targetcli does not see this host until that is mended, and it is tried again`)
    this.complaint = reason
    if (this.connection) this.connection.close()
    else this.later()
  }

  private ended(connection: DbusConnection, reason: string): void {
    if (this.connection !== connection) return
    this.connection = undefined
    this.external.clear()
    if (!this.wanted) return
    if (this.complaint === undefined) this.options.log.warn(`D-Bus: ${reason}; connecting again`)
    this.later()
  }

  private later(): void {
    if (!this.wanted) return
    clearTimeout(this.retry)
    this.retry = setTimeout(() => void this.attempt(), this.retryMs)
    this.retryMs = Math.min(this.options.maxRetryMs ?? MAX_RETRY_MS, this.retryMs * 2)
  }

  async call(call: DbusCall): Promise<DbusAnswer> {
    if (this.calls >= MAX_CALLS) throw new DbusFault(fault.limits, `${MAX_CALLS} calls are under way already`)
    this.calls++
    try {
      return await this.tree.answer(call)
    } finally {
      this.calls--
    }
  }

  signal(signal: DbusSignal): void {
    this.external.signal(signal)
    const { sender, member, body } = signal
    if (sender !== BUS.destination || body[0] !== BUS_NAME) return
    if (member === 'NameAcquired' && this.queued) this.options.log.info(`D-Bus: ${BUS_NAME} is ours now`)
    if (member === 'NameLost' && this.wanted) this.options.log.warn(`D-Bus: ${BUS_NAME} was taken from us`)
  }

  private objectManager(): DbusInterface {
    return {
      name: MANAGER,
      methods: {
        GetManagedObjects: {
          takes: [], gives: [['object_paths_interfaces_and_properties', 'a{oa{sa{sv}}}']],
          run: () => [Object.fromEntries([...this.served.values()].map((h) => [handlerPath(h.subtype), interfacesWithProperties([handlerInterface(h)])]))],
        },
      },
      signals: {
        InterfacesAdded: [['object_path', 'o'], ['interfaces_and_properties', 'a{sa{sv}}']],
        InterfacesRemoved: [['object_path', 'o'], ['interfaces', 'as']],
      },
    }
  }

  private export(handler: ServedHandler): void {
    const path = handlerPath(handler.subtype)
    const described = handlerInterface(handler)
    this.served.set(handler.subtype, handler)
    this.tree.set(path, [described])
    this.emit('InterfacesAdded', 'oa{sa{sv}}', [path, interfacesWithProperties([described])])
  }

  private unexport(subtype: string): void {
    const path = handlerPath(subtype)
    this.served.delete(subtype)
    this.tree.delete(path)
    this.emit('InterfacesRemoved', 'oas', [path, [BUS_NAME]])
  }

  private emit(member: string, signature: string, body: readonly unknown[]): void {
    this.connection?.emit({ path: ROOT_PATH, interface: MANAGER, member, signature, body })
  }
}
