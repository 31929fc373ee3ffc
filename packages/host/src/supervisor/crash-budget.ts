/** How often something may end before it is left alone, and how long to wait before it is started again. */
export interface BudgetOptions {
  /** Ends within `windowMs` that are too many. Default 5 in 10 minutes. */
  readonly most?: number
  readonly windowMs?: number
  /** Pause after the first end; each further one doubles it, up to `longestMs`. Default 100 ms to 10 s. */
  readonly firstMs?: number
  readonly longestMs?: number
  readonly now?: () => number
}

export class CrashBudget {
  private ends: number[] = []
  private readonly most: number
  private readonly windowMs: number
  private readonly firstMs: number
  private readonly longestMs: number
  private readonly now: () => number

  constructor({ most = 5, windowMs = 600_000, firstMs = 100, longestMs = 10_000, now = () => performance.now() }: BudgetOptions = {}) {
    this.most = most
    this.windowMs = windowMs
    this.firstMs = firstMs
    this.longestMs = longestMs
    this.now = now
  }

  /** It ended: milliseconds to wait before the next start, undefined when there is to be none. */
  spend(): number | undefined {
    const now = this.now()
    this.ends = [...this.ends.filter((t) => now - t < this.windowMs), now]
    if (this.ends.length > this.most) return undefined
    return Math.min(this.longestMs, this.firstMs * 2 ** (this.ends.length - 1))
  }

  /** Ends that count at the moment. */
  get spent(): number {
    return this.ends.filter((t) => this.now() - t < this.windowMs).length
  }

  forget(): void {
    this.ends = []
  }
}
