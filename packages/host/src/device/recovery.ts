import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf } from '../errors'
import type { HandlerLog } from '../handler/types'
import type { Backend } from './backend'

export interface RecoveryTiming {
  /** Pause after the first attempt that failed; each one after it is twice as long, up to `maxMs`. */
  readonly firstMs: number
  readonly maxMs: number
  /** How long commands under way may end by themselves before they are told to. */
  readonly graceMs: number
}
export const recoveryTiming: RecoveryTiming = { firstMs: 500, maxMs: 30_000, graceMs: 5000 }

export interface RecoveryParts {
  readonly name: string
  readonly backend: Backend
  /** Resolves when no command is with the handler, at the latest after `ms`; tells whether it is so. */
  readonly drained: (ms: number) => Promise<boolean>
  readonly abortAll: () => void
  /** It is not open again, for this reason. */
  readonly failed: (reason: string) => void
  readonly log: HandlerLog
  readonly timing?: RecoveryTiming
}

/** Gets a device whose backend was lost open again: commands end, it is closed, and opened until that works or the device goes. */
export class Recovery {
  private readonly stopping = new AbortController()
  private running: Promise<boolean> | undefined

  constructor(private readonly parts: RecoveryParts) {}

  /** True when the device is open again; false when it was stopped before. Never rejects. */
  run(): Promise<boolean> {
    return (this.running ??= this.recover().finally(() => (this.running = undefined)))
  }

  /** Give up, and wait until nothing is tried any more, at most for `ms`. */
  async stop(ms: number): Promise<void> {
    this.stopping.abort()
    if (!this.running) return
    const late = new AbortController()
    await Promise.race([this.running, sleep(ms, undefined, { signal: late.signal }).catch(() => undefined)])
    late.abort()
  }

  private async recover(): Promise<boolean> {
    const { name, log, backend, timing = recoveryTiming } = this.parts
    if (!(await this.emptied(timing.graceMs))) return false
    await backend.close().catch((e: unknown) => log.warn(`${name}: closing what was lost: ${reasonOf(e)}`))
    const since = Date.now()
    for (let pause = timing.firstMs; !this.stopping.signal.aborted; pause = Math.min(pause * 2, timing.maxMs)) {
      try {
        await backend.reopen()
        log.info(`${name} is open again after ${Math.ceil((Date.now() - since) / 1000)} s`)
        return true
      } catch (e) {
        this.parts.failed(`it does not open: ${reasonOf(e)}`)
        log.warn(`${name} does not open: ${reasonOf(e)}; tried again in ${pause / 1000} s`)
      }
      await sleep(pause, undefined, { signal: this.stopping.signal, ref: false }).catch(() => undefined)
    }
    return false
  }

  /** What is with the handler still may write: nothing is closed under it. */
  private async emptied(graceMs: number): Promise<boolean> {
    const { name, log, drained, abortAll } = this.parts
    if (await drained(graceMs)) return true
    abortAll()
    for (let told = false; !this.stopping.signal.aborted; told = true) {
      if (await drained(graceMs)) return true
      if (told) continue
      this.parts.failed('its commands do not end, so that it cannot be opened again yet')
      log.error(`${name}: its commands do not end, so that it cannot be opened again yet`)
    }
    return false
  }
}
