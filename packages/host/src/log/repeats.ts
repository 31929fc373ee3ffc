export interface LineSink {
  write(line: string): void
}

const WINDOW_MS = 10_000
/** Different lines that take turns are told apart up to here. */
const KEPT = 8

interface Seen {
  count: number
  last: string
  readonly until: number
}

const TIME = /"time":"[^"]*",?/

function summary({ last, count }: Seen): string {
  try {
    const record = JSON.parse(last) as Record<string, unknown>
    return `${JSON.stringify({ ...record, msg: `${String(record.msg)} [${count} times more]` })}\n`
  } catch {
    return last
  }
}

/** Lines that differ in nothing but their time within ten seconds: the first goes out at once, the others as a count. */
export class Repeats implements LineSink {
  private readonly seen = new Map<string, Seen>()
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly out: LineSink, private readonly windowMs = WINDOW_MS) {}

  write(line: string): void {
    const key = line.replace(TIME, '')
    const before = this.seen.get(key)
    const now = performance.now()
    if (before && now < before.until) {
      before.count++
      before.last = line
      return
    }
    if (before) this.end(key, before)
    this.seen.set(key, { count: 0, last: line, until: now + this.windowMs })
    for (const [oldest, entry] of this.seen) {
      if (this.seen.size <= KEPT) break
      this.end(oldest, entry)
    }
    this.out.write(line)
    this.arm()
  }

  /** Say what was held back. */
  flush(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    for (const [key, entry] of this.seen) this.end(key, entry)
  }

  private end(key: string, entry: Seen): void {
    this.seen.delete(key)
    if (entry.count) this.out.write(summary(entry))
  }

  private arm(): void {
    if (this.timer) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      const now = performance.now()
      for (const [key, entry] of this.seen) if (entry.until <= now) this.end(key, entry)
      if (this.seen.size) this.arm()
    }, this.windowMs / 2)
    this.timer.unref()
  }
}
