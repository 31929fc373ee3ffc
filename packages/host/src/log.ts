import pino, { type DestinationStream, type Logger as PinoLogger } from 'pino'
import { oneLine, reasonOf } from './errors'
import { type LazySink, openLogFile, prepareDirectory, stderrSink } from './log/file'
import { runnerLine } from './log/line'
import { type LineSink, Repeats } from './log/repeats'

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

const nameOf = (level: number | string | undefined): string => levels[levelNumber(level ?? DEFAULT_LEVEL) ?? DEFAULT_LEVEL]

function pinoTo(destination: LineSink, level: string, onChild: (child: Logger) => void = () => undefined): Logger {
  const options = { level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label: string) => ({ level: label }) }, onChild }
  return pino(options, destination)
}

/** The log of a host: one JSON object a line on stderr, or a short line for people on a terminal. Lines are written at once. */
export function createLog({ level = DEFAULT_LEVEL, human = process.stderr.isTTY, to }: LogOptions = {}): Logger {
  const out = to ?? pino.destination({ fd: 2, sync: true })
  return pinoTo(human ? { write: (line) => void out.write(humanLine(line)) } : out, nameOf(level))
}

/** How a log is kept, as configuration, flags and environment have it. */
export interface LogSettings {
  readonly level?: number | string
  /** Levels of devices by name, where they differ. */
  readonly deviceLevels?: Readonly<Record<string, number | string>>
  /** Folder of the log file; none: stderr alone. */
  readonly directory?: string
  /** Of the file: lines as the C daemon writes them, or JSON. Default: text. */
  readonly format?: 'text' | 'json'
}

/**
 * The log of a daemon: on stderr and, where there is a folder for it, in a file. Nothing that logs waits for either. Settings
 * can be changed while it is used; loggers made from it before follow.
 */
export class HostLog {
  readonly logger: Logger
  private readonly stderr: LineSink & { flushSync?(): void }
  private readonly repeats: Repeats
  private readonly children = new Set<WeakRef<Logger>>()
  private readonly gone = new FinalizationRegistry<WeakRef<Logger>>((ref) => this.children.delete(ref))
  private settings: LogSettings = {}
  private file: LazySink | undefined
  /** Of the file's folder: device and inode. */
  private folder: string | undefined

  /** Throws E_LOG_DIR. */
  constructor(settings: LogSettings, private readonly human = process.stderr.isTTY, stderr?: LineSink) {
    this.stderr = stderr ?? stderrSink()
    this.repeats = new Repeats({ write: (line) => this.put(line) })
    this.logger = pinoTo(this.repeats, nameOf(settings.level), (child) => this.adopt(child))
    this.apply(settings)
  }

  /** Throws E_LOG_DIR, and nothing has changed then. */
  apply(settings: LogSettings): void {
    const { directory } = settings
    const folder = directory === undefined ? undefined : prepareDirectory(directory)
    this.settings = settings
    if (folder !== this.folder) {
      this.repeats.flush()
      const before = this.file
      this.file = directory === undefined ? undefined : this.opened(directory)
      before?.end()
      this.folder = this.file && folder
    }
    this.logger.level = nameOf(settings.level)
    for (const ref of this.children) {
      const child = ref.deref()
      if (child) this.adjust(child)
    }
  }

  private opened(directory: string): LazySink | undefined {
    const complain = (text: string): void => this.logger.error(text)
    try {
      return openLogFile(directory, complain)
    } catch (e) {
      complain(`the log file does not open, stderr has everything: ${reasonOf(e)}`)
      return undefined
    }
  }

  /** After the file was moved away: go on in a new one of the same name. */
  reopen(): void {
    this.repeats.flush()
    this.file?.reopen()
  }

  /** Say what is held back, and wait until it is written. */
  flush(): void {
    this.repeats.flush()
    this.file?.flushSync()
    this.stderr.flushSync?.()
  }

  private adopt(child: Logger): void {
    this.adjust(child)
    const ref = new WeakRef(child)
    this.children.add(ref)
    this.gone.register(child, ref)
  }

  private adjust(child: Logger): void {
    const { device } = child.bindings()
    const { level, deviceLevels = {} } = this.settings
    child.level = nameOf(Object.hasOwn(deviceLevels, String(device)) ? deviceLevels[String(device)] : level)
  }

  private put(line: string): void {
    this.file?.write(this.settings.format === 'json' ? line : runnerLine(line))
    // Every command of every device: too much for a journal that has the rest.
    if (this.file && line.startsWith('{"level":"trace"')) return
    this.stderr.write(this.human ? humanLine(line) : line)
  }
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
