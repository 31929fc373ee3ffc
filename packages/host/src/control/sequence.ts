import { reasonOf, tcmuError } from '../errors'

/** One part of the host: started after those before it, stopped before them. */
export interface Step {
  readonly name: string
  start(): Promise<void> | void
  /** Also called when `start` failed half way. */
  stop?(deadlineMs: number): Promise<void> | void
}

/** Parts that start in order and stop in the opposite one. */
export class Sequence {
  private readonly started: Step[] = []
  private starting: Promise<void> | undefined
  private stopping: Promise<void> | undefined

  constructor(private readonly steps: readonly Step[], private readonly complain: (e: Error) => void) {}

  /** Start everything; when a step fails, those before it are stopped again and its error is thrown. */
  start(): Promise<void> {
    return (this.starting ??= this.run())
  }

  private async run(): Promise<void> {
    for (const step of this.steps) {
      if (this.stopping) return
      this.started.push(step)
      try {
        await step.start()
      } catch (e) {
        await this.unwind(0)
        throw e
      }
    }
  }

  /** Stop what was started. Waits for a start under way, for `deadlineMs` at most. Errors are told, and stop nothing. */
  stop(deadlineMs: number): Promise<void> {
    return (this.stopping ??= this.end(deadlineMs))
  }

  private async end(deadlineMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<void>((resolve) => (timer = setTimeout(resolve, deadlineMs)))
    await Promise.race([this.starting?.catch(() => undefined), deadline])
    clearTimeout(timer)
    await this.unwind(deadlineMs)
  }

  private async unwind(deadlineMs: number): Promise<void> {
    for (let step = this.started.pop(); step; step = this.started.pop()) {
      try {
        await step.stop?.(deadlineMs)
      } catch (e) {
        this.complain(tcmuError('E_STOP', { part: step.name, reason: reasonOf(e) }, { cause: e }))
      }
    }
  }
}
