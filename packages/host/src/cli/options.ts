import { join } from 'node:path'
import {
  type Config, DEFAULT_TARGET, defaultSocket, isLoopback, loadConfig, type LunConfig, parseAddress, parseLun, readChap, checkIscsiName,
} from '../control'
import { quote, tcmuError } from '../errors'
import type { HostOptions } from '../host'
import { systemRoots, tcmuUsable } from '../kernel'
import { importModule, withSdk } from '../plugins'
import { createLog, levelNumber, type Logger } from '../log'

/** What stands for a file in errors about flags. */
export const COMMAND_LINE = 'command line'

type Env = Readonly<Record<string, string | undefined>>

/** Where a process runs: what the defaults depend on. */
export interface Surroundings {
  readonly env: Env
  readonly uid: number | undefined
}

/** Flags that every command understands which looks at handlers. */
export interface HandlerFlags {
  readonly config?: string
  readonly handlerRoot?: string
  readonly logLevel?: string
}

export interface ServeFlags extends HandlerFlags {
  readonly frontend: string
  readonly netlink: boolean
  readonly foreign: 'reject' | 'ignore'
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
}

/** Where `npm install --prefix` puts handlers: one place for root, one for each user. */
export function defaultHandlerRoot({ env, uid }: Surroundings): string {
  if (uid === 0) return '/var/lib/tcmu/handlers'
  return join(env.XDG_DATA_HOME || join(env.HOME || '/', '.local/share'), 'tcmu/handlers')
}

function logOf(config: Config, level: string | undefined): Logger {
  if (level !== undefined && levelNumber(level) === undefined) {
    throw tcmuError('E_CONFIG', { file: COMMAND_LINE, key: '--log-level', wanted: '0 to 5, or crit, error, warning, info, debug, debug-scsi-cmd', found: quote(level) })
  }
  return createLog({ level: level ?? config.logLevel })
}

/** What handlers there are, by configuration and flags; the flags win. */
export function handlerOptions(flags: HandlerFlags, at: Surroundings): HostOptions & { readonly log: Logger; readonly config: Config } {
  const config = loadConfig(flags.config, at.env)
  const asked = flags.handlerRoot ?? config.handlerRoot
  return {
    config,
    handlerRoot: asked ?? defaultHandlerRoot(at),
    handlerRootAsked: asked !== undefined,
    handlerPaths: config.handlerPaths,
    log: logOf(config, flags.logLevel),
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
  if (flags.lun.length || loadConfig(flags.config, at.env).luns.length) return { frontend: 'iscsi', why: 'for the LUNs that were given' }
  const { usable, why } = await tcmuUsable(systemRoots, at.uid)
  return { frontend: usable ? 'tcmu' : 'iscsi', why }
}

/** What to serve, by configuration and flags; the flags win, and `--lun` replaces all LUNs of the file. */
export function serveOptions(flags: ServeFlags, at: Surroundings, frontend: Choice['frontend'] = 'iscsi'): HostOptions & { readonly log: Logger } {
  const { config, ...found } = handlerOptions(flags, at)
  const { log } = found
  const handlers = { ...found, handlerPaths: [...flags.handlerPath, ...(found.handlerPaths ?? [])] }
  const luns = lunsOf(flags, config, frontend === 'tcmu')
  if (flags.lun.length && config.luns.length) log.info(`--lun replaces the ${config.luns.length} LUNs of ${config.file}`)
  const portal = parseAddress(flags.portal ?? config.portal ?? '127.0.0.1')
  const chap = readChap({
    user: flags.chapUser ?? config.chap.user,
    secretFile: flags.chapSecretFile ?? config.chap.secretFile,
    mutualUser: flags.chapMutualUser ?? config.chap.mutualUser,
    mutualSecretFile: flags.chapMutualSecretFile ?? config.chap.mutualSecretFile,
  }, (message) => log.warn(message))
  if (!chap && !flags.allowOpenPortal && !isLoopback(portal.address)) throw tcmuError('E_PORTAL_OPEN', { address: portal.address })
  const socket = flags.socket ?? defaultSocket(at.env, at.uid)
  return {
    ...handlers, luns, portal,
    ...(frontend === 'tcmu' && { kernel: { netlink: flags.netlink, foreign: flags.foreign } }),
    chap, socket,
    targetName: checkIscsiName(flags.targetName ?? config.targetName ?? DEFAULT_TARGET),
    acl: config.acl,
    allowOpen: flags.allowOpenPortal === true,
    stateDir: flags.stateDir,
    socketAsked: flags.socket !== undefined,
  }
}
