import type { Task } from '../scsi'
import type { Inflight } from './inflight'

/** What a live task holds on its extent. */
export const Claim = { NONE: 0, SHARED: 1, EXCLUSIVE: 2 } as const
type Claim = (typeof Claim)[keyof typeof Claim]

interface Waiter {
  readonly task: Task
  readonly claim: Claim
  readonly go: () => void
}

function overlap(a: Task, b: Task): boolean {
  const whole = !a.row?.extent || !b.row?.extent
  return whole || (a.offset < b.offset + b.length && b.offset < a.offset + a.length)
}

/**
 * Keeps commands that must not be interleaved with writes (COMPARE AND WRITE, WRITE SAME, UNMAP ...) apart from every
 * overlapping writing command: writers share, those wait for their turn in order of arrival. A task without an extent
 * claims the whole medium. Without an exclusive task around, a writer costs two comparisons.
 */
export class RangeGate {
  private exclusive = 0
  private waiting: Waiter[] = []

  constructor(private readonly live: Inflight) {}

  /** Claim now: undefined. Otherwise resolves when it is this task's turn. Released by `release`. */
  enter(task: Task, exclusive: boolean): Promise<void> | undefined {
    const claim = exclusive ? Claim.EXCLUSIVE : Claim.SHARED
    if ((this.exclusive === 0 && this.waiting.length === 0 && !exclusive) || this.free(task, claim, this.waiting.length)) {
      this.grant(task, claim)
      return undefined
    }
    return new Promise((go) => this.waiting.push({ task, claim, go }))
  }

  release(task: Task): void {
    if (task.claim === Claim.EXCLUSIVE) this.exclusive--
    task.claim = Claim.NONE
    if (this.waiting.length) this.advance()
  }

  private grant(task: Task, claim: Claim): void {
    task.claim = claim
    if (claim === Claim.EXCLUSIVE) this.exclusive++
  }

  /** No holder that excludes it, and nobody overlapping among the first `ahead` that wait. */
  private free(task: Task, claim: Claim, ahead: number): boolean {
    for (let i = 0; i < this.live.count; i++) {
      const other = this.live.at(i)
      const clash = other.claim === Claim.EXCLUSIVE || (other.claim === Claim.SHARED && claim === Claim.EXCLUSIVE)
      if (clash && other !== task && overlap(task, other)) return false
    }
    for (let i = 0; i < ahead; i++) {
      const other = this.waiting[i]!
      if ((claim === Claim.EXCLUSIVE || other.claim === Claim.EXCLUSIVE) && overlap(task, other.task)) return false
    }
    return true
  }

  private advance(): void {
    const ready: Waiter[] = []
    for (let i = 0; i < this.waiting.length; ) {
      const w = this.waiting[i]!
      if (this.free(w.task, w.claim, i)) {
        this.grant(w.task, w.claim)
        this.waiting.splice(i, 1)
        ready.push(w)
      } else i++
    }
    for (const w of ready) w.go()
  }
}
