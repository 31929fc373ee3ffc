import { closeSync, constants, fstatSync, mkdirSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import { reasonOf, tcmuError } from '../errors'
import type { LineSink } from './repeats'

/** What the C daemon's packages rotate and its users look for. */
export const LOG_FILE = 'tcmu-runner.log'
/** PATH_MAX less what the C daemon keeps for the name of the file. */
const MAX_DIRECTORY = 4096 - 32
/** Bytes that wait for a slow disk; lines beyond are dropped and counted. */
const MAX_WAITING = 4 * 1024 * 1024

type Destination = ReturnType<typeof pino.destination>

/** Lines written behind the caller's back: what cannot be kept waiting is dropped and counted, never waited for. */
export class LazySink implements LineSink {
  private dropped = 0
  private broken: string | undefined

  constructor(private readonly out: Destination, private readonly complain: (text: string) => void, private readonly what: string) {
    // pino flushes it, too, as the process exits, and would throw when that is before the file is open.
    const flush = out.flushSync.bind(out)
    out.flushSync = () => {
      try {
        flush()
      } catch {
        // Not open yet, or broken: there is nothing more to be done for these lines.
      }
    }
    out.on('drop', () => this.dropped++)
    out.on('drain', () => this.tell())
    out.on('error', (e: unknown) => {
      const reason = reasonOf(e)
      if (reason !== this.broken) complain(`${what}: ${reason}; what is logged there is lost until that is mended`)
      this.broken = reason
    })
  }

  private tell(): void {
    this.broken = undefined
    const n = this.dropped
    this.dropped = 0
    if (n) this.complain(`${this.what}: ${n} lines were dropped, it is too slow for what is logged`)
  }

  write(line: string): void {
    this.out.write(line)
  }

  reopen(): void {
    this.out.reopen()
  }

  end(): void {
    this.out.end()
  }

  flushSync(): void {
    this.out.flushSync()
  }
}

/** stderr, without waiting for whoever reads it. */
export const stderrSink = (): LazySink => new LazySink(pino.destination({ fd: 2, sync: false, maxLength: MAX_WAITING }), () => undefined, 'stderr')

/** Make the folder of logs. Throws E_LOG_DIR. Gives what tells it from others. */
export function prepareDirectory(directory: string): string {
  const wrong = (reason: string, cause?: unknown): Error => tcmuError('E_LOG_DIR', { directory, reason }, { cause })
  if (Buffer.byteLength(directory) >= MAX_DIRECTORY) throw wrong(`the path is longer than ${MAX_DIRECTORY - 1} bytes`)
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 })
    const { dev, ino } = statSync(directory)
    return `${dev}:${ino}`
  } catch (e) {
    throw wrong(reasonOf(e), e)
  }
}

/** Append to the log file of a folder. Throws an errno error when it cannot be opened for writing. */
export function openLogFile(directory: string, complain: (text: string) => void): LazySink {
  const path = join(directory, LOG_FILE)
  // Opened here to hear of errors now, and of a pipe that nobody reads.
  const fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o600)
  try {
    if (!fstatSync(fd).isFile()) throw new Error(`${path} is no regular file`)
  } finally {
    closeSync(fd)
  }
  return new LazySink(pino.destination({ dest: path, append: true, mode: 0o600, sync: false, maxLength: MAX_WAITING }), complain, path)
}
