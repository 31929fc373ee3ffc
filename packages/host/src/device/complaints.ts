import type { HandlerLog } from '../handler/types'

const QUIET_MS = 10_000
const MOST_KINDS = 64

/** One log line for the first of a kind, and then one each ten seconds with how many there were. */
export class Complaints {
  private readonly kinds = new Map<string, { since: number; hidden: number }>()

  constructor(private readonly log: HandlerLog, private readonly now: () => number = Date.now) {}

  error(kind: string, message: string, facts: object = {}): void {
    const now = this.now()
    const seen = this.kinds.get(kind)
    if (seen && now - seen.since < QUIET_MS) {
      seen.hidden++
      return
    }
    if (!seen && this.kinds.size >= MOST_KINDS) this.kinds.clear()
    this.kinds.set(kind, { since: now, hidden: 0 })
    this.log.error(message, seen?.hidden ? { ...facts, repeated: seen.hidden } : facts)
  }
}
