import { join, resolve } from 'node:path'
import {
  type Config, DEFAULT_TARGET, defaultSocket, isLoopback, loadConfig, type LunConfig, parseAddress, parseLun, readChap, checkIscsiName,
} from '../control'
import { MOST_POLL_US } from '../control/config-schema'
import { quote, tcmuError } from '../errors'
import type { HostOptions } from '../host-options'
import { systemRoots, tcmuUsable } from '../kernel'
import { importModule, withSdk } from '../plugins'
import { parsePlacement, type Placement } from '../supervisor/placement'
import { createLog, HostLog, type Logger } from '../log'
import { COMMAND_LINE } from './command-line'
import { busOf, levelOf, logSettings } from './daemon'

type Env = Readonly<Record<string, string | undefined>>

/** Where a process runs: what the defaults depend on. */
export interface Surroundings {
  readonly env: Env
  readonly uid: number | undefined
  /** In place of /etc/tcmu. */
  readonly system?: string
}

/** Flags that every command understands which looks at handlers. */
export interface HandlerFlags {
  readonly config?: string
  readonly handlerRoot?: string
  readonly handlerPath?: readonly string[]
  readonly logLevel?: string
  /** SUBTYPE=PLACEMENT, as given. */
  readonly placement?: readonly string[]
  /** Names of filters. */
  readonly inlineFilter?: readonly string[]
}

export interface ServeFlags extends HandlerFlags {
  readonly frontend: string
  readonly ioEngine?: 'auto' | 'uring' | 'threads'
  readonly netlink: boolean
  readonly foreign: 'reject' | 'ignore'
  readonly resetRing: 'retry' | 'fail'
  readonly pollUs?: string
  readonly handlerPath: readonly string[]
  readonly portal?: string
  readonly lun: readonly string[]
  readonly targetName?: string
  readonly chapUser?: string
  readonly chapSecretFile?: string
  readonly chapMutualUser?: string
  readonly chapMutualSecretFile?: string
  readonly allowOpenPortal?: boolean
  readonly stateDir?: string
  readonly socket?: string
  readonly debug?: boolean
  readonly nofile?: string
  readonly tcmuLogDir?: string
  /** True: the system's; text: the address of another one. */
  readonly dbus?: boolean | string
}

/** Where `npm install --prefix` puts handlers: one place for root, one for each user. */
export function defaultHandlerRoot({ env, uid }: Surroundings): string {
  if (uid === 0) return '/var/lib/tcmu/handlers'
  return join(env.XDG_DATA_HOME || join(env.HOME || '/', '.local/share'), 'tcmu/handlers')
}

/** What there is, and the log of it. */
interface Prepared { readonly log: Logger; readonly config: Config }

/** What handlers there are, by configuration and flags; the flags win. */
export function handlerOptions(flags: HandlerFlags, at: Surroundings, open?: (config: Config) => Logger): HostOptions & Prepared {
  const faults: Error[] = []
  const config = loadConfig(flags.config, at.env, { system: at.system, fault: (e) => void faults.push(e) })
  const log = open?.(config) ?? createLog({ level: levelOf(flags) ?? config.logLevel })
  for (const fault of faults) log.warn(`${fault.message}; this line is left out`)
  const asked = flags.handlerRoot ?? config.handlerRoot
  return {
    config, log,
    isolate: true,
    placement: { ...config.placement, ...Object.fromEntries((flags.placement ?? []).map(parsePlacement)) as Record<string, Placement> },
    devices: config.devices,
    inlineFilters: [...(flags.inlineFilter ?? []), ...(config.inlineFilters ?? [])],
    handlerRoot: asked ?? defaultHandlerRoot(at),
    handlerRootAsked: asked !== undefined,
    handlerPaths: [...(flags.handlerPath ?? []).map((p) => resolve(p)), ...config.handlerPaths],
    parts: { loadModule: withSdk(join(__dirname, '../..'), importModule) },
  }
}

function lunsOf(flags: ServeFlags, config: Config, kernel: boolean): readonly LunConfig[] {
  const luns = flags.lun.length ? flags.lun.map(parseLun) : config.luns
  if (kernel && luns.length) throw tcmuError('E_FRONT_END_CHOICE', { what: 'front end tcmu', reason: 'its devices are made with targetcli or configfs, not with --lun or `luns`; use --frontend iscsi for these' })
  if (!kernel && !luns.length) throw tcmuError('E_NO_LUNS')
  const names = new Set<string>()
  for (const { name } of luns) {
    if (names.has(name)) throw tcmuError('E_LUN_TEXT', { text: name, reason: 'two LUNs have this name' })
    names.add(name)
  }
  return luns
}

/** Which front end serves, and why that one. */
export interface Choice {
  readonly frontend: 'tcmu' | 'iscsi'
  readonly why: string
}

/** `auto`: the portal for LUNs that were given; without any, the kernel where that works. Rejects as serveOptions throws. */
export async function chooseFrontEnd(flags: ServeFlags, at: Surroundings): Promise<Choice> {
  if (flags.frontend === 'tcmu' || flags.frontend === 'iscsi') return { frontend: flags.frontend, why: 'as asked' }
  if (flags.lun.length || loadConfig(flags.config, at.env, { system: at.system, fault: () => undefined }).luns.length) return { frontend: 'iscsi', why: 'for the LUNs that were given' }
  const { usable, why } = await tcmuUsable(systemRoots, at.uid)
  return { frontend: usable ? 'tcmu' : 'iscsi', why }
}

/** The bound of the busy-poll, by flag or file. Throws E_CONFIG. */
function pollMicrosOf({ pollUs }: ServeFlags, config: Config): number | undefined {
  if (pollUs === undefined) return config.pollUs
  const micros = Number(pollUs)
  if (/^\d+$/.test(pollUs) && micros <= MOST_POLL_US) return micros
  throw tcmuError('E_CONFIG', { file: COMMAND_LINE, key: '--poll-us', wanted: `a whole number from 0 to ${MOST_POLL_US}`, found: quote(pollUs) })
}

/** What to serve with the front end that was chosen, by configuration and flags; the flags win, and `--lun` replaces all LUNs of the file. */
export function serveOptions(flags: ServeFlags, at: Surroundings): HostOptions & Prepared & { readonly hostLog: HostLog } {
  let hostLog: HostLog | undefined
  const { config, ...handlers } = handlerOptions(flags, at, (c) => (hostLog = new HostLog(logSettings(flags, at, c))).logger)
  const { log } = handlers
  const kernel = flags.frontend === 'tcmu'
  const luns = lunsOf(flags, config, kernel)
  if (flags.lun.length && config.luns.length) log.info(`--lun replaces the ${config.luns.length} LUNs of ${config.file}`)
  const portal = parseAddress(flags.portal ?? config.portal ?? '127.0.0.1')
  const chap = readChap({
    user: flags.chapUser ?? config.chap.user,
    secretFile: flags.chapSecretFile ?? config.chap.secretFile,
    mutualUser: flags.chapMutualUser ?? config.chap.mutualUser,
    mutualSecretFile: flags.chapMutualSecretFile ?? config.chap.mutualSecretFile,
  }, (message) => log.warn(message))
  if (!chap && !flags.allowOpenPortal && !isLoopback(portal.address)) throw tcmuError('E_PORTAL_OPEN', { address: portal.address })
  const socket = flags.socket ?? defaultSocket(at.env, at.uid, kernel)
  const pollMicros = pollMicrosOf(flags, config)
  return {
    ...handlers, config, hostLog: hostLog!, luns, portal: { ...portal, pollMicros },
    ...(kernel && { kernel: { netlink: flags.netlink, foreign: flags.foreign, resetRing: flags.resetRing, pollMicros } }),
    chap, socket,
    dbus: busOf(flags, at, config) ?? false,
    targetName: checkIscsiName(flags.targetName ?? config.targetName ?? DEFAULT_TARGET),
    ioEngine: flags.ioEngine ?? config.ioEngine,
    acl: config.acl,
    portGroup: config.portGroup,
    allowOpen: flags.allowOpenPortal === true,
    stateDir: flags.stateDir,
    socketAsked: flags.socket !== undefined,
  }
}
