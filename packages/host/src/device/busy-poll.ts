import { availableParallelism } from 'node:os'

/** Times in a row that the peer must have been quick before anybody waits for it without sleeping; doubled by each wait in vain. */
const ARMED_AFTER = 3
const MOST_BEFORE = 1024
/** Loads of the peer's head between two looks at the clock: some 15 ns each, against 40 ns. */
const LOOKS = 8
/** However well it goes, others have their turn after that many microseconds. */
const MOST_AT_A_TIME = 100
const MICROS = 1000

/** Two rings that are both at work within so many milliseconds are not waited for: one would keep the other waiting. */
const ALONE_MS = 1
/** Where a processor of a virtual machine is asleep, being woken takes 20 to 25 us, on both sides of the ring. */
const DEFAULT_MICROS = 50

/** Microseconds that a ring which fell idle is looked at before its consumer sleeps; on one processor the peer needs it to post anything. */
export const defaultPollMicros = (): number => (availableParallelism() > 1 ? DEFAULT_MICROS : 0)

/** Which of the rings of one thread was at work last. */
export class RingTurns {
  private last: BusyPoll | undefined = undefined
  private at = 0

  /** Whether no other ring has been at work lately. */
  alone(ring: BusyPoll, now: number): boolean {
    const alone = this.last === ring || this.last === undefined || now - this.at > ALONE_MS
    this.last = ring
    this.at = now
    return alone
  }
}

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
  /** The last `await` ended because others had to have their turn: it is to go on after that. */
  interrupted = false

  /** `micros` 0: never. `now` gives milliseconds of a monotonic clock. */
  constructor(private readonly micros: number, private readonly turns = new RingTurns(), private readonly now: () => number = () => performance.now()) {}

  get enabled(): boolean {
    return this.micros > 0
  }

  /** The consumer was woken: the peer was as quick as that, and what it takes to be woken. */
  woken(): void {
    if (this.idleSince === 0) return
    this.quick = (this.now() - this.idleSince) * MICROS <= this.micros * 2 ? Math.min(this.quick + 1, this.needed) : 0
    this.idleSince = 0
  }

  /** Whether so little time has gone by that sleeping would be most of what a command takes. */
  isShort(since: number): boolean {
    return (this.now() - since) * MICROS <= this.micros * 2
  }

  /** Something came. */
  served(): void {
    this.idleSince = 0
  }

  /** A batch begins in which `await` may be called. */
  begin(): void {
    this.until = 0
    this.interrupted = false
  }

  /** All is answered. True when `news` came while the consumer waited for it; false: sleep, or let others have their turn. */
  await(news: () => boolean): boolean {
    const start = this.now()
    if (this.idleSince === 0) this.idleSince = start
    if (!this.turns.alone(this, start) || this.quick < this.needed) return false
    if (this.until === 0) this.until = start + MOST_AT_A_TIME / MICROS
    const end = this.idleSince + this.micros / MICROS
    if (this.look(Math.min(end, this.until), news)) {
      this.idleSince = 0
      this.needed = Math.max(ARMED_AFTER, this.needed / 2)
      this.quick = this.needed
      return true
    }
    this.interrupted = this.until < end
    if (!this.interrupted) this.inVain()
    return false
  }

  private look(end: number, news: () => boolean): boolean {
    while (this.now() < end) {
      for (let i = 0; i < LOOKS; i++) if (news()) return true
    }
    return false
  }

  private inVain(): void {
    this.quick = 0
    this.needed = Math.min(this.needed * 2, MOST_BEFORE)
  }
}
