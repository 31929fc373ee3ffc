import { Status } from '../scsi'
import type { PulledCommand } from './command'

export interface QueueOptions {
  /** Commands that may wait to be pulled; one more is answered TASK SET FULL. */
  readonly mostWaiting: number
  /** How long a command may take, waiting included; then it is answered BUSY. */
  readonly deadlineMs: number
  /** Commands that nobody completed in time. */
  readonly late: (commands: readonly PulledCommand[]) => void
}

/** Commands of one device between the host, that puts them in, and a program that takes them out. */
export class CommandQueue {
  private readonly waiting = new Set<PulledCommand>()
  /** Every command that is not over with the time by which it has to be, oldest first. */
  private readonly due = new Map<PulledCommand, number>()
  private takers: ((command: PulledCommand | undefined) => void)[] = []
  private timer: NodeJS.Timeout | undefined
  private ended = false

  constructor(private readonly options: QueueOptions) {}

  get length(): number {
    return this.waiting.size
  }

  get closed(): boolean {
    return this.ended
  }

  put(command: PulledCommand): void {
    if (this.ended) return command.expire(Status.NOT_READY, 'its device is closed')
    if (this.waiting.size >= this.options.mostWaiting) return command.expire(Status.NO_RESOURCE, 'too many were waiting')
    this.due.set(command, performance.now() + this.options.deadlineMs)
    command.whenOver(() => this.forget(command))
    this.watch()
    const taker = this.takers.shift()
    if (taker) return taker(command)
    this.waiting.add(command)
    command.signal.addEventListener('abort', () => {
      if (this.waiting.has(command)) command.expire(Status.ABORTED, 'it was aborted before it was pulled')
    })
  }

  private forget(command: PulledCommand): void {
    this.waiting.delete(command)
    this.due.delete(command)
  }

  /** The next one if there is any. Never waits. */
  take(): PulledCommand | undefined {
    for (const command of this.waiting) {
      this.waiting.delete(command)
      return command
    }
    return undefined
  }

  /** The next one; undefined when the queue is closed. */
  next(): Promise<PulledCommand | undefined> {
    const now = this.take()
    if (now || this.ended) return Promise.resolve(now)
    return new Promise((resolve) => void this.takers.push(resolve))
  }

  /** One timer, for the command that is due first. */
  private watch(): void {
    if (this.timer) return
    for (const at of this.due.values()) {
      this.timer = setTimeout(() => this.sweep(), Math.max(1, at - performance.now()))
      return
    }
  }

  private sweep(): void {
    this.timer = undefined
    const now = performance.now()
    const late: PulledCommand[] = []
    for (const [command, at] of this.due) {
      if (at > now) break
      late.push(command)
    }
    for (const command of late) command.expire(Status.TIMEOUT, `it was not completed in ${this.options.deadlineMs / 1000} s, and was answered BUSY`)
    if (late.length) this.options.late(late)
    this.watch()
  }

  /** No more commands: who waits for one hears of it, and those that nobody has pulled are answered. */
  close(): void {
    this.ended = true
    for (const command of [...this.waiting]) command.expire(Status.ABORTED, 'its device is closed')
    for (const taker of this.takers.splice(0)) taker(undefined)
    if (this.due.size === 0) clearTimeout(this.timer)
  }
}
