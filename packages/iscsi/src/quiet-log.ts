import type { PortalLog } from './options'

/** Lines that one address gets at once, and how long each of them takes to come back. */
const BURST = 20
const REFILL_MS = 5000
/** Addresses that are told apart; the others share one allowance. */
const MOST_ADDRESSES = 256
const OTHERS = 'others'

interface Allowance {
  lines: number
  since: number
  leftOut: number
}

/** Peers write the log by what they do wrong, so each address gets so many lines and no more. `debug` is not counted. */
export class QuietLog {
  private readonly allowances = new Map<string, Allowance>()

  constructor(private readonly log: PortalLog, private readonly now: () => number = Date.now) {}

  /** The log for a connection from `address`. */
  of(address: string): PortalLog {
    const limited = (level: 'error' | 'warn' | 'info') => (message: string, facts?: object): void => {
      const allowance = this.allowance(address)
      if (allowance.lines < 1) return void allowance.leftOut++
      allowance.lines--
      const { leftOut } = allowance
      allowance.leftOut = 0
      this.log[level](message, leftOut > 0 ? { ...facts, leftOut } : facts)
    }
    return { error: limited('error'), warn: limited('warn'), info: limited('info'), debug: (message, facts) => this.log.debug(message, facts) }
  }

  private allowance(address: string): Allowance {
    const now = this.now()
    if (!this.allowances.has(address) && this.allowances.size >= MOST_ADDRESSES) address = this.room(now) ? address : OTHERS
    let allowance = this.allowances.get(address)
    if (!allowance) this.allowances.set(address, (allowance = { lines: BURST, since: now, leftOut: 0 }))
    const back = Math.floor((now - allowance.since) / REFILL_MS)
    if (back > 0) {
      allowance.lines = Math.min(BURST, allowance.lines + back)
      allowance.since += back * REFILL_MS
    }
    return allowance
  }

  /** Forget addresses that have been quiet until their allowance was whole again; tells whether there is room now. */
  private room(now: number): boolean {
    for (const [address, { lines, since }] of this.allowances) {
      if (lines + (now - since) / REFILL_MS >= BURST) this.allowances.delete(address)
    }
    return this.allowances.size < MOST_ADDRESSES
  }
}
