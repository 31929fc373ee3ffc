import type { Task } from '../scsi'

/** How long a command may be with its handler. */
export interface CommandLimits {
  /** Seconds after which a command counts as late: it is told of, and the connection as lost. 0: never. */
  readonly lateSeconds: number
  /** Seconds after which whoever sent it gives up; 0 when that is not known. */
  readonly peerSeconds: number
}

/** Of the time that the peer waits, when it is told that a command takes long. */
const WARN_AT = 0.8
const TICKS = 8
const SHORTEST_TICK_MS = 100

export interface DeadlineParts {
  readonly live: () => readonly Task[]
  /** A command has nearly had its time. */
  readonly slow: (task: Task, seconds: number) => void
  readonly late: (task: Task, seconds: number) => void
}

/** Looks from time to time which commands have been under way for too long. Costs a command one stored number. */
export class Deadlines {
  /** What a command's time is counted from: the last tick. */
  now = performance.now()
  private readonly lateMs: number
  private readonly slowMs: number
  private readonly timer: NodeJS.Timeout
  private readonly told = new WeakMap<Task, number>()

  constructor({ lateSeconds, peerSeconds }: CommandLimits, private readonly parts: DeadlineParts) {
    this.lateMs = lateSeconds > 0 ? lateSeconds * 1000 : Infinity
    this.slowMs = peerSeconds > 0 ? peerSeconds * 1000 * WARN_AT : Infinity
    this.timer = setInterval(() => this.tick(), Math.max(SHORTEST_TICK_MS, Math.min(this.lateMs, this.slowMs) / TICKS)).unref()
  }

  /** Whether there is anything to look for. */
  static wanted(limits: CommandLimits | undefined): limits is CommandLimits {
    return limits !== undefined && (limits.lateSeconds > 0 || limits.peerSeconds > 0)
  }

  private tick(): void {
    this.now = performance.now()
    for (const task of this.parts.live()) {
      const ms = this.now - task.started
      if (ms >= this.lateMs) this.tell(task, 2, () => this.parts.late(task, ms / 1000))
      else if (ms >= this.slowMs) this.tell(task, 1, () => this.parts.slow(task, ms / 1000))
    }
  }

  /** Once for each command; tasks are used again for others, with another start. */
  private tell(task: Task, what: number, say: () => void): void {
    const mark = task.started * 4 + what
    if (this.told.get(task) === mark) return
    this.told.set(task, mark)
    say()
  }

  stop(): void {
    clearInterval(this.timer)
  }
}
