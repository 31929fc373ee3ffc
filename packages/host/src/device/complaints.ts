import type { HandlerLog } from '../handler/types'

const QUIET_MS = 10_000
const MOST_KINDS = 64
/** What is complained about together once there are so many kinds. */
const OTHERS = 'others'

/** One log line for the first of a kind, and then one each ten seconds with how many there were. */
export class Complaints {
  private readonly kinds = new Map<string, { since: number; hidden: number }>()

  constructor(private readonly log: HandlerLog, private readonly now: () => number = Date.now) {}

  error(kind: string, message: string, facts: object = {}): void {
    const now = this.now()
    if (!this.kinds.has(kind) && this.kinds.size >= MOST_KINDS) kind = this.room(now) ? kind : OTHERS
    const seen = this.kinds.get(kind)
    if (seen && now - seen.since < QUIET_MS) {
      seen.hidden++
      return
    }
    this.kinds.set(kind, { since: now, hidden: 0 })
    this.log.error(message, seen?.hidden ? { ...facts, repeated: seen.hidden } : facts)
  }

  /** Forget the kinds that have been quiet for long; tells whether there were any. */
  private room(now: number): boolean {
    for (const [kind, { since }] of this.kinds) if (now - since >= QUIET_MS) this.kinds.delete(kind)
    return this.kinds.size < MOST_KINDS
  }
}
