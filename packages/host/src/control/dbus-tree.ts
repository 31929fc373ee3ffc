import { readFileSync } from 'node:fs'
import { oneLine } from '../errors'
import { type DbusAnswer, type DbusCall, DbusFault, DbusVariant, fault } from './dbus-transport'

/** Name and signature of arguments, in order. */
export type DbusArguments = readonly (readonly [name: string, signature: string])[]

export interface DbusMethod {
  readonly takes: DbusArguments
  readonly gives: DbusArguments
  run(body: readonly unknown[], call: DbusCall): readonly unknown[] | Promise<readonly unknown[]>
}

export interface DbusProperty {
  readonly signature: string
  readonly value: unknown
}

export interface DbusInterface {
  readonly name: string
  readonly methods?: Readonly<Record<string, DbusMethod>>
  readonly properties?: Readonly<Record<string, DbusProperty>>
  readonly signals?: Readonly<Record<string, DbusArguments>>
}

const signatureOf = (list: DbusArguments): string => list.map(([, signature]) => signature).join('')
const own = <T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined =>
  record && Object.hasOwn(record, key) ? record[key] : undefined

/** Properties of one interface, as in `a{sv}`. */
const propertiesOf = (i: DbusInterface): Record<string, DbusVariant> =>
  Object.fromEntries(Object.entries(i.properties ?? {}).map(([name, p]) => [name, new DbusVariant(p.signature, p.value)]))

/** Interfaces with their properties, as in `a{sa{sv}}`. */
export const interfacesWithProperties = (list: readonly DbusInterface[]): Record<string, Record<string, DbusVariant>> =>
  Object.fromEntries(list.map((i) => [i.name, propertiesOf(i)]))

function argumentsXml(list: DbusArguments, direction: string): string {
  return list.map(([name, type]) => `      <arg name="${name}" type="${type}"${direction}/>\n`).join('')
}

function interfaceXml(i: DbusInterface): string {
  const methods = Object.entries(i.methods ?? {}).map(([name, m]) =>
    `    <method name="${name}">\n${argumentsXml(m.takes, ' direction="in"')}${argumentsXml(m.gives, ' direction="out"')}    </method>\n`)
  const signals = Object.entries(i.signals ?? {}).map(([name, list]) => `    <signal name="${name}">\n${argumentsXml(list, '')}    </signal>\n`)
  const properties = Object.entries(i.properties ?? {}).map(([name, p]) => `    <property name="${name}" type="${p.signature}" access="read"/>\n`)
  return `  <interface name="${i.name}">\n${[...methods, ...signals, ...properties].join('')}  </interface>\n`
}

const DOCTYPE = '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n'

/** Objects of one connection by path: rows of interfaces, and the standard interfaces over them. */
export class DbusTree {
  private readonly objects = new Map<string, readonly DbusInterface[]>()

  set(path: string, interfaces: readonly DbusInterface[]): void {
    this.objects.set(path, interfaces)
  }

  delete(path: string): void {
    this.objects.delete(path)
  }

  /** Rejects with DbusFault. */
  async answer(call: DbusCall): Promise<DbusAnswer> {
    const method = this.methodFor(call)
    const takes = signatureOf(method.takes)
    if (call.signature !== takes) throw new DbusFault(fault.invalidArgs, `${oneLine(call.member)} takes (${takes}), not (${call.signature})`)
    return { signature: signatureOf(method.gives), body: await method.run(call.body, call) }
  }

  private methodFor({ path, interface: name, member }: DbusCall): DbusMethod {
    const interfaces = this.interfacesAt(path)
    const asked = name === undefined ? interfaces : interfaces.filter((i) => i.name === name)
    if (!asked.length) throw new DbusFault(fault.unknownInterface, `${path} has no interface ${name}; it has ${interfaces.map((i) => i.name).join(', ')}`)
    const method = asked.map((i) => own(i.methods, member)).find((m) => m !== undefined)
    if (!method) throw new DbusFault(fault.unknownMethod, `${asked.map((i) => i.name).join(', ')} has no method ${member}`)
    return method
  }

  private childrenOf(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`
    const names = [...this.objects.keys()].filter((p) => p.startsWith(prefix) && p !== path).map((p) => p.slice(prefix.length).split('/', 1).join())
    return [...new Set(names)].sort()
  }

  private interfacesAt(path: string): readonly DbusInterface[] {
    const exported = this.objects.get(path)
    if (!exported && !this.childrenOf(path).length) throw new DbusFault(fault.unknownObject, `there is no object ${path}`)
    const properties = exported?.length ? [this.properties(exported)] : []
    return [...(exported ?? []), ...properties, this.introspectable(path, [...(exported ?? []), ...properties]), peer]
  }

  private introspectable(path: string, described: readonly DbusInterface[]): DbusInterface {
    const self: DbusInterface = {
      name: 'org.freedesktop.DBus.Introspectable',
      methods: { Introspect: { takes: [], gives: [['xml_data', 's']], run: () => [xml()] } },
    }
    const xml = (): string =>
      `${DOCTYPE}<node>\n${[...described, self, peer].map(interfaceXml).join('')}${this.childrenOf(path).map((c) => `  <node name="${c}"/>\n`).join('')}</node>\n`
    return self
  }

  private properties(interfaces: readonly DbusInterface[]): DbusInterface {
    const named = (name: unknown): readonly DbusInterface[] => {
      const found = name === '' ? interfaces : interfaces.filter((i) => i.name === name)
      if (!found.length) throw new DbusFault(fault.unknownInterface, `there is no interface ${String(name)} here`)
      return found
    }
    const find = (name: unknown, property: unknown): DbusProperty => {
      const found = named(name).map((i) => own(i.properties, String(property))).find((p) => p !== undefined)
      if (!found) throw new DbusFault(fault.unknownProperty, `there is no property ${String(property)} here`)
      return found
    }
    return {
      name: 'org.freedesktop.DBus.Properties',
      methods: {
        Get: {
          takes: [['interface_name', 's'], ['property_name', 's']], gives: [['value', 'v']],
          run: ([name, property]) => {
            const p = find(name, property)
            return [new DbusVariant(p.signature, p.value)]
          },
        },
        // Interfaces without properties give none: GDBus clients ask for those of the ObjectManager and take an error for absence.
        GetAll: { takes: [['interface_name', 's']], gives: [['properties', 'a{sv}']], run: ([name]) => [Object.fromEntries(named(name).flatMap((i) => Object.entries(propertiesOf(i))))] },
        Set: {
          takes: [['interface_name', 's'], ['property_name', 's'], ['value', 'v']], gives: [],
          run: ([name, property]) => {
            find(name, property)
            throw new DbusFault(fault.readOnly, `${String(property)} cannot be set`)
          },
        },
      },
      signals: { PropertiesChanged: [['interface_name', 's'], ['changed_properties', 'a{sv}'], ['invalidated_properties', 'as']] },
    }
  }
}

const peer: DbusInterface = {
  name: 'org.freedesktop.DBus.Peer',
  methods: {
    GetMachineId: { takes: [], gives: [['machine_uuid', 's']], run: () => [readFileSync('/etc/machine-id', 'latin1').trim()] },
    Ping: { takes: [], gives: [], run: () => [] },
  },
}
