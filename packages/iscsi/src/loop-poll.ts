import { availableParallelism } from 'node:os'

/** Times in a row that peers must have been quick before the loop is kept awake for them; doubled by each wait in vain, halved by a success. */
const ARMED_AFTER = 3
const MOST_BEFORE = 1024
const MICROS = 1000
/** Two wake-ups of a virtual machine's sleeping processor, 20 to 25 us each, and TCP both ways: with 50 no initiator came back in time. */
const DEFAULT_MICROS = 100

export const defaultPollMicros = (): number => (availableParallelism() > 1 ? DEFAULT_MICROS : 0)

/**
 * Keeps the event loop from sleeping for a moment after an answer has gone, while peers come back within that time: it goes round
 * without waiting, and looks at every socket each time.
 */
export class LoopPoll {
  private quick = 0
  private needed = ARMED_AFTER
  /** When the last answer went (milliseconds); 0: somebody was heard since. */
  private sentAt = 0
  private looking = false
  private readonly look = (): void => {
    const waits = this.sentAt !== 0
    if (waits && (this.now() - this.sentAt) * MICROS < this.micros) return void setImmediate(this.look)
    this.looking = false
    // What was heard takes its time to be answered.
    if (!waits) return
    this.quick = 0
    this.needed = Math.min(this.needed * 2, MOST_BEFORE)
  }

  /** `micros` 0: never. `now` gives milliseconds of a monotonic clock. */
  constructor(private readonly micros = defaultPollMicros(), private readonly now: () => number = () => performance.now()) {}

  /** Bytes have come. */
  heard(): void {
    if (this.sentAt === 0) return
    const quick = (this.now() - this.sentAt) * MICROS <= this.micros * 2
    this.quick = quick ? Math.min(this.quick + 1, this.needed) : 0
    this.sentAt = 0
    if (this.looking) this.needed = Math.max(ARMED_AFTER, this.needed / 2)
  }

  /** An answer has gone. */
  sent(): void {
    if (this.micros === 0) return
    this.sentAt = this.now()
    if (this.looking || this.quick < this.needed) return
    this.looking = true
    setImmediate(this.look)
  }
}
