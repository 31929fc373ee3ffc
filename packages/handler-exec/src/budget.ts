const WINDOW_MS = 600_000
const FIRST_MS = 100
const LONGEST_MS = 10_000

/** How often a program may end by itself before it is left alone, and how long to wait before it is started again. */
export class RestartBudget {
  private ends: number[] = []

  constructor(private readonly most: number, private readonly now: () => number = () => performance.now()) {}

  /** It ended: milliseconds until the next start, undefined when there is to be none. */
  spend(): number | undefined {
    const now = this.now()
    this.ends = [...this.ends.filter((t) => now - t < WINDOW_MS), now]
    return this.ends.length > this.most ? undefined : Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.ends.length - 1))
  }

  forget(): void {
    this.ends = []
  }
}
