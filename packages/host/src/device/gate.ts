import type { Task } from '../scsi'
import type { Inflight } from './inflight'

/** What a live task holds on its extent. */
export const Claim = { NONE: 0, SHARED: 1, EXCLUSIVE: 2, UNCHANGED: 3 } as const
export type Claim = (typeof Claim)[keyof typeof Claim]

interface Waiter {
  readonly task: Task
  readonly claim: Claim
  readonly go: () => void
}

type Stretch = { readonly offset: number; readonly length: number }
const meet = (a: Stretch, b: Stretch): boolean => a.offset < b.offset + b.length && b.offset < a.offset + a.length

function overlap(a: Task, b: Task): boolean {
  if (!a.row?.extent || !b.row?.extent || meet(a, b)) return true
  return (a.also !== undefined && (meet(a.also, b) || (b.also !== undefined && meet(a.also, b.also)))) || (b.also !== undefined && meet(a, b.also))
}

/** Whether two that overlap have to wait for each other: writers share, and so do those that want no change. */
const clash = (a: Claim, b: Claim): boolean => a !== Claim.NONE && b !== Claim.NONE && (a !== b || a === Claim.EXCLUSIVE)
/** What a row claims. */
export const claimOf = (exclusive: boolean | 'unchanged' | undefined): Claim =>
  exclusive === undefined || exclusive === false ? Claim.SHARED : exclusive === true ? Claim.EXCLUSIVE : Claim.UNCHANGED

/**
 * Keeps commands that must not be interleaved with writes (COMPARE AND WRITE, WRITE SAME, UNMAP ...) apart from every
 * overlapping writing command: writers share, those wait for their turn in order of arrival. A task without an extent
 * claims the whole medium; one with a second stretch gets both at once, so that nobody who holds one waits for the other. Without an exclusive task around, a writer costs two comparisons.
 */
export class RangeGate {
  private exclusive = 0
  private waiting: Waiter[] = []

  constructor(private readonly live: Inflight) {}

  /** Claim now: undefined. Otherwise resolves when it is this task's turn. Released by `release`. */
  enter(task: Task, claim: Claim): Promise<void> | undefined {
    if ((this.exclusive === 0 && this.waiting.length === 0 && claim === Claim.SHARED) || this.free(task, claim, this.waiting.length)) {
      this.grant(task, claim)
      return undefined
    }
    return new Promise((go) => this.waiting.push({ task, claim, go }))
  }

  release(task: Task): void {
    if (task.claim > Claim.SHARED) this.exclusive--
    task.claim = Claim.NONE
    if (this.waiting.length) this.advance()
  }

  private grant(task: Task, claim: Claim): void {
    task.claim = claim
    if (claim > Claim.SHARED) this.exclusive++
  }

  /** No holder that excludes it, and nobody overlapping among the first `ahead` that wait. */
  private free(task: Task, claim: Claim, ahead: number): boolean {
    for (let i = 0; i < this.live.count; i++) {
      const other = this.live.at(i)
      if (clash(other.claim as Claim, claim) && other !== task && overlap(task, other)) return false
    }
    for (let i = 0; i < ahead; i++) {
      const other = this.waiting[i]!
      if (clash(other.claim, claim) && overlap(task, other.task)) return false
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
