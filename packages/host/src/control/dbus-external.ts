import { constants } from 'node:os'
import { quote, reasonOf } from '../errors'
import { RESERVED_SUBTYPE, SUBTYPE_MAX, SUBTYPE_PATTERN } from '../handler/manifest'
import { BUS_NAME, MANAGER_NAME, MANAGER_PATH, type ServedHandler, type Verdict } from './dbus-objects'
import { type DbusConnection, DbusFault, type DbusSignal, fault } from './dbus-transport'

const subtypePattern = new RegExp(SUBTYPE_PATTERN)
const MAX_EXTERNAL = 256
const MAX_DESCRIPTION = 64 * 1024
const BUS_CALL_MS = 5000
/** Clients of ours give up after 25 s. */
const FORWARD_MS = 20_000
const BUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' } as const

const busNameOf = (subtype: string): string => `${MANAGER_NAME}.${subtype}`
const refused = (message: string): Verdict => ({ ok: false, message })

/** Where external handlers come and go. */
export interface Exports {
  has(subtype: string): boolean
  add(handler: ServedHandler): void
  remove(subtype: string): void
}

/**
 * Handlers that other processes run and have registered over the bus, for one connection. They are there for as long as their
 * bus name has an owner; the host lists them and passes CheckConfig on, and stays silent about their devices.
 */
export class ExternalHandlers {
  private readonly owners = new Map<string, string>()
  /** Subtypes being registered, with what the bus said of their name meanwhile. */
  private readonly pending = new Map<string, string | undefined>()

  constructor(private readonly bus: () => DbusConnection | undefined, private readonly exports: Exports, private readonly say: (text: string) => void) {}

  get subtypes(): readonly string[] {
    return [...this.owners.keys()].sort()
  }

  /** Be told when owners of handlers' names go: one match for all, so that none has to be taken back. */
  async watch(bus: DbusConnection): Promise<void> {
    const rule = `type='signal',sender='${BUS.destination}',interface='${BUS.interface}',member='NameOwnerChanged',arg0namespace='${MANAGER_NAME}'`
    await bus.call({ ...BUS, member: 'AddMatch', signature: 's', body: [rule] }, BUS_CALL_MS)
  }

  signal({ sender, interface: name, member, body }: DbusSignal): void {
    if (sender !== BUS.destination || name !== BUS.interface || member !== 'NameOwnerChanged') return
    const [changed, , owner] = body as readonly [string, string, string]
    const subtype = changed.slice(MANAGER_NAME.length + 1)
    if (changed !== busNameOf(subtype)) return
    if (this.pending.has(subtype)) this.pending.set(subtype, owner)
    if (this.owners.has(subtype) && this.owners.get(subtype) !== owner) this.drop(subtype, 'its process left the bus')
  }

  /** The connection is gone, and everybody on it. */
  clear(): void {
    for (const subtype of this.owners.keys()) this.drop(subtype, 'the bus is gone')
  }

  private drop(subtype: string, why: string): void {
    this.owners.delete(subtype)
    this.exports.remove(subtype)
    this.say(`external handler ${subtype} is gone: ${why}`)
  }

  async register(subtype: string, configHelp: string): Promise<Verdict> {
    if (!subtypePattern.test(subtype) || subtype.length > SUBTYPE_MAX || subtype === RESERVED_SUBTYPE) return refused('failed to watch for DBus handler name')
    if (configHelp.length > MAX_DESCRIPTION) return refused(`the description is longer than ${MAX_DESCRIPTION} characters`)
    if (this.exports.has(subtype) && !this.owners.has(subtype)) return refused(`this host has a handler ${subtype} of its own`)
    if (this.owners.size >= MAX_EXTERNAL) return refused(`there are ${MAX_EXTERNAL} external handlers already`)
    this.pending.set(subtype, undefined)
    const answered = await this.ownerOf(subtype)
    // What the bus said of the name last is what holds: its answer may be older than a signal.
    const owner = this.pending.get(subtype) ?? answered
    this.pending.delete(subtype)
    if (typeof owner !== 'string') return owner
    if (owner === '') return refused(`Cannot find handler bus name: ${busNameOf(subtype)}`)
    if (this.exports.has(subtype) && !this.owners.has(subtype)) return refused(`this host has a handler ${subtype} of its own`)
    if (this.owners.has(subtype)) this.exports.remove(subtype)
    this.owners.set(subtype, owner)
    this.exports.add(this.served(subtype, configHelp))
    this.say(`external handler ${subtype} was registered by ${owner}`)
    return { ok: true, message: 'succeeded' }
  }

  async unregister(subtype: string, sender: string): Promise<Verdict> {
    const owner = this.owners.get(subtype)
    if (owner === undefined) return refused(`there is no external handler ${quote(subtype)}`)
    if (owner !== sender) return refused(`only the owner of ${busNameOf(subtype)} may take it back`)
    this.drop(subtype, 'it was taken back')
    return { ok: true, message: 'succeeded' }
  }

  private async ownerOf(subtype: string): Promise<string | Verdict> {
    try {
      const [owner] = await this.call({ ...BUS, member: 'GetNameOwner', signature: 's', body: [busNameOf(subtype)] }, BUS_CALL_MS)
      return String(owner)
    } catch (e) {
      if (e instanceof DbusFault && e.fault === fault.noOwner) return refused(`Cannot find handler bus name: ${busNameOf(subtype)}`)
      return refused(reasonOf(e))
    }
  }

  private call(...[request, ms]: Parameters<DbusConnection['call']>): Promise<readonly unknown[]> {
    const bus = this.bus()
    return bus ? bus.call(request, ms) : Promise.reject(new Error('the bus is gone'))
  }

  private served(subtype: string, configHelp: string): ServedHandler {
    const to = { destination: busNameOf(subtype), path: `${MANAGER_PATH}/${subtype}`, interface: BUS_NAME }
    return {
      subtype, configHelp,
      check: async (cfgstring) => {
        try {
          const [ok, message] = await this.call({ ...to, member: 'CheckConfig', signature: 's', body: [cfgstring] }, FORWARD_MS)
          if (typeof ok !== 'boolean' || typeof message !== 'string') return refused(`the external handler ${subtype} gave no (bs) for an answer`)
          return { ok, message }
        } catch (e) {
          return refused(reasonOf(e))
        }
      },
      changeMedium: async () => ({ rc: -constants.errno.EOPNOTSUPP, message: `${subtype} is run by another process; ask that one to change a medium` }),
    }
  }
}
