import { setTimeout as sleep } from 'node:timers/promises'
import type { TcmuError } from '../errors'
import { type Command, type MalformedEntry, Ring, type RingOwner } from '../ring'
import { BusyPoll, defaultPollMicros, RingTurns } from './busy-poll'
import { fixedSense, type Nexus, sam, sense, senseKey } from '../scsi'
import type { PumpedUnit, PumpOptions, RingPort } from './pump-options'

export type { PumpedUnit, PumpOptions, RingPort } from './pump-options'

/** Commands taken before other devices and I/O completions get their turn. */
const BATCH = 128
/** Above this many live commands nothing more is taken; the kernel then queues. */
const MAX_IN_FLIGHT = 4096
/** What is done in this time is worth a doorbell of its own, which costs 2 to 5 us. */
const PART_MS = 0.045
const LEAST_PART = 8
const QUIET_POLL_MS = 2
/** All rings of one event loop: a thread has one, and an instance of this module. */
const turnsOfThread = new RingTurns()

/** How many commands make a part, when so many took so long. */
const partOf = (commands: number, ms: number): number => Math.max(LEAST_PART, Math.floor(commands * PART_MS / Math.max(ms, PART_MS / 1000)))

/**
 * Carries commands from a ring to a logical unit and their results back: many commands a wake-up, one doorbell a batch.
 * Results that come later are collected until the callbacks of the moment and their microtasks have run.
 */
export class Pump implements RingOwner {
  readonly nexus: Nexus
  readonly ring: Ring
  private readonly batch: number
  private readonly maxInFlight: number
  private readonly flush: (() => void) | undefined
  private readonly poll: BusyPoll
  private readonly news: () => boolean
  private readonly now = (): number => performance.now()
  /** Commands of the next part of a batch, and of the rest of the batch. */
  private part: number
  private left = 0
  private running = false
  /** `run` or `publish` is due: from `setImmediate`, from `process.nextTick`. */
  private runDue = false
  private publishDue = false
  /** Stopped at the limit of live commands. */
  private full = false
  private taking = true
  /** When the last commands were taken. */
  private takenAt = 0
  private closed = false
  private idlers: (() => void)[] = []
  /** Given up, and perhaps still being read into or written from. */
  private orphans: Command[] = []
  private readonly runLater = (): void => {
    this.runDue = false
    this.run()
  }
  /** When the microtasks of the moment have run: answers by promise to what was taken before are there. */
  private readonly resume = (): void => {
    this.runDue = false
    if (this.running || !this.taking) return
    this.publish()
    this.perform()
  }
  private readonly resumeLater = (): void => process.nextTick(this.resume)
  private readonly publishLater = (): void => {
    this.publishDue = false
    this.publish()
    // A backend that takes longer may need this processor for it (librbd on two processors: 0.8 of the commands).
    if (this.expectsMore && this.poll.isShort(this.takenAt)) this.goOn()
    if (this.full && this.ring.inFlight < this.maxInFlight) this.later()
  }

  /** Throws E_RING_MAILBOX. Commands are taken from now on. */
  constructor(private readonly port: RingPort, private readonly unit: PumpedUnit, private readonly options: PumpOptions = {}) {
    this.nexus = { name: `kernel ring of ${unit.name}` }
    this.batch = options.batch ?? BATCH
    this.maxInFlight = options.maxInFlight ?? MAX_IN_FLIGHT
    this.part = this.batch
    this.flush = options.flush
    this.ring = new Ring(port.memory, this)
    if (port.doorbell) this.ring.lendTo(port.doorbell.fd, port.doorbell.wordSize)
    this.poll = new BusyPoll(options.pollMicros ?? defaultPollMicros(), turnsOfThread)
    this.news = () => this.ring.news
    unit.join(this.nexus)
    port.onWake(() => this.wake())
    this.later()
  }

  /** Entries may have been posted. */
  wake(): void {
    if (this.running) return this.later()
    if (this.poll.enabled) this.poll.woken()
    this.run()
  }

  private later(): void {
    if (this.runDue) return
    this.runDue = true
    setImmediate(this.runLater)
  }

  private run(): void {
    if (this.running || !this.taking) return
    this.poll.begin()
    this.left = this.batch
    this.perform()
  }

  private perform(): void {
    this.running = true
    try {
      this.turns()
    } finally {
      this.running = false
    }
    this.goOn()
  }

  /** Look at the idle ring for a moment, and do what comes. Others have their turn after a time that began with `run`. */
  private goOn(): void {
    if (this.running) return
    this.running = true
    try {
      while (this.expectsMore && this.poll.await(this.news)) {
        this.left = this.batch
        this.turns()
      }
    } finally {
      this.running = false
    }
    if (this.poll.interrupted) this.later()
  }

  /**
   * The rest of a batch, in parts that the peer hears of one by one: it works on the first while the second is done. Where answers come by
   * promise, they come before the next part.
   */
  private turns(): void {
    let before = this.now()
    while (this.left > 0) {
      this.takenAt = before
      const wanted = Math.min(this.part, this.left)
      const taken = this.takeSome(wanted)
      this.flush?.()
      this.publish()
      this.left -= taken
      const now = this.now()
      if (taken >= LEAST_PART) this.part = partOf(taken, now - before)
      before = now
      if (taken < wanted) return
      if (this.ring.inFlight > 0) return this.afterAnswers()
    }
    this.later()
  }

  private afterAnswers(): void {
    if (this.runDue) return
    this.runDue = true
    queueMicrotask(this.resumeLater)
  }

  /** All that was taken is answered, nothing else of this ring is due: what comes next is up to the peer alone. */
  private get expectsMore(): boolean {
    return this.poll.enabled && this.taking && !this.runDue && this.ring.inFlight === 0
  }

  /** How many were taken: fewer than wanted when there were no more, or too many live. */
  private takeSome(wanted: number): number {
    try {
      return this.takeUpTo(wanted)
    } catch (e) {
      this.taking = false
      this.options.broken?.(e as TcmuError)
      return 0
    }
  }

  private takeUpTo(wanted: number): number {
    const { ring, unit } = this
    this.full = false
    for (let n = 0; n < wanted; n++) {
      if (ring.inFlight >= this.maxInFlight) {
        this.full = true
        return n
      }
      const command = ring.next()
      if (command === undefined) return n
      if (n === 0) this.poll.served()
      try {
        unit.execute(command)
      } catch (e) {
        this.fail(command, e)
      }
    }
    return wanted
  }

  /** `execute` does not throw; if it did, the initiator still gets its answer. */
  private fail(command: Command, e: unknown): void {
    this.options.failed?.(e)
    if (this.ring.find(command.id) !== command) return
    command.status = sam.CHECK_CONDITION
    command.dataInLength = 0
    command.setSense(fixedSense(senseKey.HARDWARE_ERROR, sense.INTERNAL_TARGET_FAILURE))
    this.finished(command)
  }

  lend(command: Command): number {
    return this.ring.lend(command)
  }

  finished(command: Command): void {
    this.ring.complete(command)
    if (this.running || this.publishDue || this.closed) return
    this.publishDue = true
    process.nextTick(this.publishLater)
  }

  private publish(): void {
    if (this.closed) return
    if (this.ring.publish()) this.port.kick()
    if (this.ring.inFlight === 0 && this.idlers.length > 0) for (const tell of this.idlers.splice(0)) tell()
  }

  aborted(_type: number, commands: readonly Command[]): void {
    const those = new Set<unknown>(commands)
    void this.unit.abort((task) => those.has(task))
  }

  malformed(fault: MalformedEntry): void {
    this.options.malformed?.(fault)
  }

  /** Take nothing more, and wait until all that was taken is answered and the kernel told; false at the deadline. */
  async stop(deadlineMs: number): Promise<boolean> {
    this.taking = false
    this.publish()
    if (this.ring.inFlight === 0) return true
    let timer: NodeJS.Timeout | undefined
    const idle = new Promise<boolean>((resolve) => this.idlers.push(() => resolve(true)))
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, deadlineMs, false)))
    const result = await Promise.race([idle, late])
    clearTimeout(timer)
    return result
  }

  /** Take commands again after `stop` or `abandon`. */
  start(): void {
    this.taking = true
    this.later()
  }

  /**
   * Give up what is live, because the kernel is about to forget it: it is told to stop, and its data is dead. Resolves
   * when no I/O of the host touches that memory any more; before that the kernel must not hand it out again. `start`
   * begins anew, at the start of the ring.
   */
  async abandon(): Promise<void> {
    this.taking = false
    this.orphan()
    await this.quiet()
  }

  private orphan(): void {
    this.orphans.push(...this.ring.reset())
    const those = new Set<unknown>(this.orphans)
    if (those.size > 0) void this.unit.abort((task) => those.has(task))
  }

  /** Resolves when no I/O of the host touches the data of commands that were given up. */
  async quiet(): Promise<void> {
    while ((this.orphans = this.orphans.filter((c) => c.orphan && c.segments.pins > 0)).length > 0) await sleep(QUIET_POLL_MS)
  }

  /** Give up what is live, at once: what still comes back is swallowed. After `quiet` the port can be closed. */
  close(): void {
    if (this.closed) return
    this.taking = false
    this.publish()
    this.closed = true
    this.orphan()
    this.unit.leave(this.nexus)
  }
}
