/** One command for the trace; `kind` is what it has in common with others. */
export interface Entry {
  readonly kind: string
  readonly failed: boolean
  readonly us: number
  readonly bytes: number
  readonly line: () => string
}

interface Sum {
  count: number
  bytes: number
  us: number
  longest: number
}

export interface BudgetTiming {
  /** Lines a second of commands that went well, and as many of others. */
  readonly most?: number
  readonly windowMs?: number
}

/** Lets so many lines a second through; what more there is becomes one line for each kind at the end of the second. */
export class LineBudget {
  private readonly sums = new Map<string, Sum>()
  private readonly used = { failed: 0, well: 0 }
  private timer: NodeJS.Timeout | undefined
  private readonly most: number
  private readonly windowMs: number

  constructor(private readonly say: (line: string) => void, private readonly amount: (bytes: number) => string, { most = 50, windowMs = 1000 }: BudgetTiming = {}) {
    this.most = most
    this.windowMs = windowMs
  }

  take(entry: Entry): void {
    this.timer ??= setTimeout(() => this.flush(), this.windowMs)
    const which = entry.failed ? 'failed' : 'well'
    if (this.used[which]++ < this.most) {
      this.say(entry.line())
      return
    }
    const sum = this.sums.get(entry.kind) ?? { count: 0, bytes: 0, us: 0, longest: 0 }
    this.sums.set(entry.kind, sum)
    sum.count++
    sum.bytes += entry.bytes
    sum.us += entry.us
    sum.longest = Math.max(sum.longest, entry.us)
  }

  /** Say what was held back; a new second begins. */
  flush(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.used.failed = this.used.well = 0
    for (const [kind, { count, bytes, us, longest }] of this.sums) {
      this.say(`${kind}: ${count} more, ${this.amount(bytes)}, ${(us / count).toFixed(0)} µs on average, ${longest.toFixed(0)} µs at most`)
    }
    this.sums.clear()
  }
}
