import { isIPv6 } from 'node:net'

/** A management daemon that hands out the layout of a volume. */
export interface Server {
  readonly transport: 'tcp' | 'unix'
  /** A name, an address, or the path of a socket. */
  readonly host: string
  /** 0 with `unix`. */
  readonly port: number
}

/** What a cfgstring names: a file of a volume, and who knows the volume. */
export interface Location {
  readonly volume: string
  /** Asked in this order. */
  readonly servers: readonly Server[]
  /** From the volume's root, without a slash in front. */
  readonly path: string
}

/** IANA's port of glusterd. */
export const GLUSTERD_PORT = 24007
/** glusterd refuses longer names of volumes. */
const VOLUME_MAX = 255
const FORM = 'write glfs/VOLUME@HOST/FILE, as in glfs/vol0@server1/disk0.img'

const namePattern = /^[A-Za-z0-9._-]{1,253}$/
const volumePattern = /^[A-Za-z0-9_-]+$/
/** In brackets, or what holds neither a bracket nor what ends a server. */
const serversPattern = /^(?:\[[^\]]*\]|[^[\]/])*/
const serverPattern = /^(?:\[(?<inside>[^\]]*)\]|(?<bare>[^[\]:]*))(?::(?<port>[^:]*))?$/

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return GLUSTERD_PORT
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  return port > 0 && port < 2 ** 16 ? port : undefined
}

/** A server, or a sentence that says what is wrong with it. */
function parseServer(text: string): Server | string {
  if (isIPv6(text)) return { transport: 'tcp', host: text, port: GLUSTERD_PORT }
  const { inside, bare, port: portText } = serverPattern.exec(text)?.groups ?? {}
  if (inside?.startsWith('/')) {
    return portText === undefined ? { transport: 'unix', host: inside, port: 0 } : `the socket ${inside} has no port; leave :${portText} out`
  }
  const host = inside ?? bare
  if (host === undefined || !(inside === undefined ? namePattern.test(host) : isIPv6(host))) {
    return `'${text}' is neither a host name nor an address; IPv6 addresses go without a port or in brackets, paths of sockets in brackets`
  }
  const port = portOf(portText)
  return port === undefined ? `'${portText}' is no port; ports are numbers from 1 to 65535` : { transport: 'tcp', host, port }
}

/** Server texts between commas, those in brackets taken as a whole. */
const splitServers = (text: string): string[] => text.match(/(?:\[[^\]]*\]|[^,])+|(?<=^|,)(?=,|$)/g) ?? ['']

/** The cfgstring after `glfs/`, or a sentence that says what is wrong with it. */
export function parseLocation(config: string): Location | string {
  if (config.includes('\0')) return 'it contains a zero byte'
  const text = config.startsWith('/') ? config.slice(1) : config
  const at = text.indexOf('@')
  if (at < 0) return `the volume's host is missing; ${FORM}`
  const volume = text.slice(0, at)
  if (volume === '') return `the volume is missing; ${FORM}`
  if (!volumePattern.test(volume) || volume.length > VOLUME_MAX) return `'${volume}' cannot be a volume; they are named by letters, digits, - and _`
  const list = serversPattern.exec(text.slice(at + 1))![0]
  const rest = text.slice(at + 1 + list.length)
  if (list === '') return `the volume's host is missing; ${FORM}`
  const servers = splitServers(list).map(parseServer)
  const wrong = servers.find((s) => typeof s === 'string')
  if (wrong !== undefined) return wrong
  const path = rest.replace(/^\/+/, '')
  if (!rest.startsWith('/') || path === '') return rest.startsWith('/') || rest === '' ? `the file is missing; ${FORM}` : `'${rest}' follows the host; ${FORM}`
  return path.endsWith('/') ? `${path} ends in a slash; name a file` : { volume, servers: servers as Server[], path }
}

const serverText = ({ transport, host, port }: Server): string => {
  if (transport === 'unix') return `[${host}]`
  if (port === GLUSTERD_PORT) return host
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}

/** As a cfgstring has it, for people and for comparing. */
export const locationText = ({ volume, servers, path }: Location): string => `${volume}@${servers.map(serverText).join(',')}/${path}`
