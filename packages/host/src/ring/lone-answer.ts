import type { Answering } from '../wire'

const TURN = 0
const TAIL = 1
/** Of `state[TURN]`, besides a turn, which is positive. native/src/core/lone_answer.cpp has the same. */
const NOBODYS = 0
const GIVEN = -2
const MOST_TURNS = 2 ** 30

/**
 * Whose turn it is to tell the kernel of the answer to the only command of a ring. Its transfer may end on a thread of the backend: that
 * thread then stores the tail and rings the doorbell, which spares the command a wake-up of the event loop (20 to 25 us where processors
 * sleep). Everything else about the command is done here afterwards. Both sides take the turn by compare and exchange: one of them has it.
 */
export class LoneAnswer {
  private readonly state = new Int32Array(2)
  private turn = 0

  /** How an engine is to give answers, of a ring whose tail is that many bytes into its memory. */
  asGiven(tailAt: number, kickFd: number, wordSize: number): Answering {
    return { state: this.state, tailAt, kickFd, wordSize }
  }

  /** The answer is in the ring, and `tail` is what the kernel is to be told: a turn for the transfer. */
  offer(tail: number): number {
    this.turn = this.turn === MOST_TURNS ? 1 : this.turn + 1
    Atomics.store(this.state, TAIL, tail)
    Atomics.store(this.state, TURN, this.turn)
    return this.turn
  }

  /** Nobody else gives it from now on. True: it has been given, and the tail is the one of the offer. */
  takeBack(): boolean {
    return Atomics.compareExchange(this.state, TURN, this.turn, NOBODYS) !== this.turn && this.waitGiven()
  }

  /** Whether it has been given. */
  get given(): boolean {
    return Atomics.load(this.state, TURN) !== this.turn && this.waitGiven()
  }

  /** The few instructions between taking the turn and the tail. */
  private waitGiven(): true {
    while (Atomics.load(this.state, TURN) !== GIVEN) continue
    return true
  }
}
