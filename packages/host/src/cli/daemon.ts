import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type Config, socketPaths, systemBusAddress } from '../control'
import { quote, reasonOf, tcmuError } from '../errors'
import { levelNumber, type LogSettings } from '../log'
import { COMMAND_LINE } from './command-line'
import type { ServeFlags, Surroundings } from './options'

/** The front end of the kernel's ring has the defaults of the C daemon. */
const KERNEL = 'tcmu'
const DEBUG_LEVEL = 5
const MIN_FILES = 65536
const MAX_FILES = 1048576

/** The level that was asked for on the command line. Throws E_CONFIG. */
export function levelOf(flags: { readonly logLevel?: string; readonly debug?: boolean }): string | number | undefined {
  const { logLevel, debug } = flags
  if (logLevel !== undefined && levelNumber(logLevel) === undefined) {
    throw tcmuError('E_CONFIG', { file: COMMAND_LINE, key: '--log-level', wanted: '0 to 5, or crit, error, warning, info, debug, debug-scsi-cmd', found: quote(logLevel) })
  }
  return logLevel ?? (debug ? DEBUG_LEVEL : undefined)
}

/** How the log of a daemon is kept: flags win over the environment, that over the configuration, and so after every reload. */
export function logSettings(flags: ServeFlags, { env }: Surroundings, config: Config): LogSettings {
  return {
    level: levelOf(flags) ?? config.logLevel,
    deviceLevels: config.logLevels,
    directory: (flags.tcmuLogDir ?? env.TCMU_LOGDIR) || (config.logDir ?? (flags.frontend === KERNEL ? '/var/log' : undefined)),
    format: config.logFormat,
  }
}

/** The bus to be on, or none. Throws E_DBUS_ADDRESS. */
export function busOf(flags: ServeFlags, { env }: Surroundings, config: Config): string | undefined {
  const asked = flags.dbus ?? config.dbus ?? flags.frontend === KERNEL
  const address = typeof asked === 'string' ? asked : asked ? systemBusAddress(env) : undefined
  if (address !== undefined) socketPaths(address)
  return address
}

/** What the process may have open: soft and hard limit. */
function fileLimits(): [soft: number, hard: number] {
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
  const read = (text: string | undefined): number => (text === 'unlimited' ? Infinity : Number(text))
  return [read(soft), read(hard)]
}

/** Let the process open as many files as `text` says; never lowers a limit. Throws E_NOFILE. */
export function raiseFiles(text: string): void {
  const n = /^[0-9]{1,9}$/.test(text) ? Number(text) : NaN
  if (!(n >= MIN_FILES && n <= MAX_FILES)) throw tcmuError('E_NOFILE', { text: quote(text), reason: `it is no number from ${MIN_FILES} to ${MAX_FILES}` })
  try {
    const [soft, hard] = fileLimits()
    if (soft >= n) return
    execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${n}:${Math.max(n, hard === Infinity ? n : hard)}`], { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'latin1' })
  } catch (e) {
    throw tcmuError('E_NOFILE', { text: quote(text), reason: (e as { stderr?: string }).stderr?.trim() || reasonOf(e) }, { cause: e })
  }
}
