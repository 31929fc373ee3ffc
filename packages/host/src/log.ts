import pino, { type DestinationStream, type Logger as PinoLogger } from 'pino'
import { oneLine } from './errors'

/** pino levels by the numbers of the C daemon (0 to 5). */
const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LevelName = 'crit' | 'error' | 'warning' | 'info' | 'debug' | 'debug-scsi-cmd'
const names: Readonly<Record<LevelName, number>> = { crit: 0, error: 1, warning: 2, info: 3, debug: 4, 'debug-scsi-cmd': 5 }
export const DEFAULT_LEVEL = 3

export type Logger = PinoLogger

/** 0 to 5 from a level's number or name, larger and smaller numbers taken as the nearest, as the C daemon does. */
export function levelNumber(level: number | string): number | undefined {
  const n = typeof level === 'number' ? level : /^\d+$/.test(level) ? Number(level) : names[level.toLowerCase() as LevelName]
  return n === undefined || !Number.isInteger(n) ? undefined : Math.min(5, Math.max(0, n))
}

const tags: ReadonlyMap<unknown, string> = new Map([['fatal', 'CRIT'], ['error', 'ERROR'], ['warn', 'WARN'], ['info', 'INFO'], ['debug', 'DEBUG'], ['trace', 'SCSI']])
const silent: ReadonlySet<string> = new Set(['time', 'level', 'msg', 'pid', 'stack'])

/** A log record as people read it: `12:00:01.234 WARN  message (device=disk0)`. */
export function humanLine(json: string): string {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(json) as Record<string, unknown>
  } catch {
    return json
  }
  const text = (v: unknown): string => (typeof v === 'string' ? v : JSON.stringify(v))
  const facts = Object.entries(record).filter(([k]) => !silent.has(k)).map(([k, v]) => `${k}=${text(v)}`).join(' ')
  const time = typeof record.time === 'string' ? record.time.slice(11, 23) : ''
  const stack = typeof record.stack === 'string' ? record.stack.split('\n').slice(1).map((l) => `\n${oneLine(l)}`).join('') : ''
  return `${oneLine(time)} ${(tags.get(record.level) ?? '').padEnd(5)} ${oneLine(text(record.msg ?? ''))}${facts && ` (${oneLine(facts)})`}${stack}\n`
}

export interface LogOptions {
  readonly level?: number | string
  /** Lines for people instead of JSON. Default: whether stderr is a terminal. */
  readonly human?: boolean
  /** Where lines go. Default: stderr. */
  readonly to?: DestinationStream
}

/** The log of a host: one JSON object a line on stderr, or a short line for people on a terminal. Lines are written at once. */
export function createLog({ level = DEFAULT_LEVEL, human = process.stderr.isTTY, to }: LogOptions = {}): Logger {
  const out = to ?? pino.destination({ fd: 2, sync: true })
  const destination = human ? { write: (line: string): void => void out.write(humanLine(line)) } : out
  return pino(
    {
      level: levels[levelNumber(level) ?? DEFAULT_LEVEL],
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
}

/** One line a call, facts beside it: what handlers, devices and front ends log to. */
export interface FactLog {
  error(message: string, facts?: object): void
  warn(message: string, facts?: object): void
  info(message: string, facts?: object): void
  debug(message: string, facts?: object): void
}

/** The log as a device or a handler sees it; `bindings` go with every line. */
export function handlerLog(log: Logger, bindings: Readonly<Record<string, unknown>> = {}): FactLog {
  const child = log.child(bindings)
  return {
    error: (message, facts = {}) => child.error(facts, message),
    warn: (message, facts = {}) => child.warn(facts, message),
    info: (message, facts = {}) => child.info(facts, message),
    debug: (message, facts = {}) => child.debug(facts, message),
  }
}
