import { availableParallelism } from 'node:os'

/** Times in a row that the peer must have been quick before anybody waits for it without sleeping; doubled by each wait in vain. */
const ARMED_AFTER = 3
const MOST_BEFORE = 1024
/** Loads of the peer's head between two looks at the clock: some 15 ns each, against 40 ns. */
const LOOKS = 8
/** However well it goes, others have their turn after that many microseconds. */
const MOST_AT_A_TIME = 100
const MICROS = 1000

/** Microseconds that a ring which fell idle is looked at before its consumer sleeps; on one processor the peer needs it to post anything. */
export const defaultPollMicros = (): number => (availableParallelism() > 1 ? 10 : 0)

/**
 * Bounded busy-poll of a ring that fell idle. Sleeping and being woken costs more than a quick peer takes to post its next
 * command; a slow one is not waited for. Adaptive: armed by peers that came back within the bound several times in a row,
 * disarmed by the first that did not, and harder to arm from then on, so that waiting in vain costs next to nothing.
 */
export class BusyPoll {
  private quick = 0
  private needed = ARMED_AFTER
  /** When the ring fell idle (milliseconds); 0: it has not. */
  private idleSince = 0
  private until = 0

  /** `micros` 0: never. `now` gives milliseconds of a monotonic clock. */
  constructor(private readonly micros: number, private readonly now: () => number = () => performance.now()) {}

  get enabled(): boolean {
    return this.micros > 0
  }

  /** The consumer was woken: the peer was as quick as that. */
  woken(): void {
    if (this.idleSince === 0) return
    this.quick = (this.now() - this.idleSince) * MICROS <= this.micros * 2 ? Math.min(this.quick + 1, this.needed) : 0
    this.idleSince = 0
  }

  /** A batch begins in which `await` may be called. */
  begin(): void {
    this.until = 0
  }

  /** All is answered. True when `news` came while the consumer waited for it; false: sleep. */
  await(news: () => boolean): boolean {
    const start = this.now()
    this.idleSince = start
    if (this.quick < this.needed) return false
    if (this.until === 0) this.until = start + MOST_AT_A_TIME / MICROS
    const end = Math.min(start + this.micros / MICROS, this.until)
    while (this.now() < end) {
      for (let i = 0; i < LOOKS; i++) {
        if (news()) {
          this.idleSince = 0
          this.needed = ARMED_AFTER
          this.quick = ARMED_AFTER
          return true
        }
      }
    }
    // Cut short by the turn of others is no sign of a slow peer.
    if (end < this.until) {
      this.quick = 0
      this.needed = Math.min(this.needed * 2, MOST_BEFORE)
    }
    return false
  }
}
