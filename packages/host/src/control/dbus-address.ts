import { quote, tcmuError } from '../errors'

type Env = Readonly<Record<string, string | undefined>>
const DEFAULT_SYSTEM_BUS = 'unix:path=/run/dbus/system_bus_socket'

/** The address that programs of this machine take for the system bus. */
export const systemBusAddress = (env: Env): string => env.DBUS_SYSTEM_BUS_ADDRESS || DEFAULT_SYSTEM_BUS

const unescaped = (text: string, wrong: (reason: string) => Error): string =>
  text.replace(/%(..?)?/g, (_, hex: string | undefined) => {
    if (!hex || !/^[0-9a-f]{2}$/i.test(hex)) throw wrong('% stands before two hexadecimal digits')
    return String.fromCharCode(parseInt(hex, 16))
  })

/**
 * Paths of Unix sockets in a bus address (D-Bus Specification, Server Addresses), in order; abstract ones begin with a zero
 * byte. Throws E_DBUS_ADDRESS when there is none.
 */
export function socketPaths(address: string): string[] {
  const wrong = (reason: string): Error => tcmuError('E_DBUS_ADDRESS', { text: quote(address), reason })
  const paths = address.split(';').filter((a) => a !== '').flatMap((one) => {
    const [, family, rest] = /^([a-z0-9-]+):(.*)$/s.exec(one) ?? []
    if (family === undefined) throw wrong('it does not begin with unix:')
    if (family !== 'unix') return []
    const keys = new Map(rest.split(',').map((pair): [string, string] => {
      const at = pair.indexOf('=')
      return [pair.slice(0, at), unescaped(pair.slice(at + 1), wrong)]
    }))
    const path = keys.get('path')
    const abstract = keys.get('abstract')
    return path ? [path] : abstract ? [`\0${abstract}`] : []
  })
  if (!paths.length) throw wrong('it names no Unix socket')
  if (paths.some((p) => p.lastIndexOf('\0') > 0)) throw wrong('there is a zero byte in it')
  return paths
}
