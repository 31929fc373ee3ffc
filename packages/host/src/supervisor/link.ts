import { reasonOf } from '../errors'
import type { HandlerLog } from '../handler'
import type { NativeCore } from '../platform'
import { Request, RingProducer, TmrType } from '../ring'
import { Segments } from '../wire'
import { type SharedRing, shape, sharedRing } from './remote-port'

/** What becomes of commands that were in flight when the other side ended. */
export type OnCrash = 'retry' | 'fail'

/** A command for the device; `undefined` comes back when it was given up. */
export interface Ask {
  readonly cdb: Uint8Array
  /** Bytes of data, either way. */
  readonly length: number
  readonly out?: Segments
  readonly signal: AbortSignal
  /** It may run twice. */
  readonly repeatable: boolean
}

/** Copy the first `length` bytes of one command's data into another's. */
export function copySegments(from: Segments, to: Segments, length: number): void {
  const { bytes } = Segments.areaOf(from)
  let at = 0
  for (let i = 0; i < from.count && at < length; i++) {
    const start = from.offsets[i]!
    const n = Math.min(from.lengths[i]!, length - at)
    to.set(bytes.subarray(start, start + n), at)
    at += n
  }
}

/**
 * One device's ring to another process: commands out, answers back, one doorbell for all that is posted in a turn of the
 * loop. It outlives the process at its other end.
 */
export class Link {
  readonly ring: SharedRing
  private readonly producer: RingProducer
  private readonly repeatable = new WeakSet<Request>()
  private kickDue = false
  private up = false
  private parked = false
  private held: Request[] = []
  private readonly kickLater = (): void => {
    this.kickDue = false
    if (this.up) this.ring.map.kick()
  }

  constructor(core: NativeCore, name: string, private readonly onCrash: OnCrash, private readonly log: HandlerLog, private readonly broken: () => void) {
    this.ring = sharedRing(core)
    this.producer = new RingProducer(this.ring.map.memory, name, shape)
    this.ring.map.start(() => this.reap(), (e) => log.error(`${name}: its ring is gone: ${reasonOf(e)}`))
  }

  get inFlight(): number {
    return this.producer.inFlight + this.held.length
  }

  private reap(): void {
    try {
      if (this.producer.reap()) this.kick()
    } catch (e) {
      this.log.error(reasonOf(e))
      this.broken()
    }
  }

  private kick(): void {
    if (this.kickDue) return
    this.kickDue = true
    process.nextTick(this.kickLater)
  }

  /** Send a command; `answered` sees the answer while its data is there. Resolves to what that returned. */
  ask<T>(ask: Ask, answered: (answer: Request) => T): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const { out, signal } = ask
      const request: Request = new Request(ask.cdb, ask.length, out && ((data) => copySegments(out, data, out.length)), (r) => {
        signal.removeEventListener('abort', abort)
        try {
          resolve(r.status === GIVEN_UP ? undefined : answered(r))
        } catch (e) {
          reject(e instanceof Error ? e : new Error(String(e)))
        }
      })
      const abort = (): void => this.abort(request)
      signal.addEventListener('abort', abort)
      if (ask.repeatable) this.repeatable.add(request)
      this.post(request)
    })
  }

  private post(request: Request): void {
    if (this.parked) giveUp(request)
    else if (!this.up) this.held.push(request)
    else if (this.producer.post(request)) this.kick()
  }

  private abort(request: Request): void {
    const at = this.held.indexOf(request)
    if (at >= 0) {
      this.held.splice(at, 1)
      giveUp(request)
    } else if (this.producer.abort(TmrType.ABORT_TASK, [request])) this.kick()
  }

  /** The other side is there: what was held goes out. */
  resume(): void {
    this.up = true
    this.parked = false
    for (const request of this.held.splice(0)) this.post(request)
  }

  /** The other side is gone: hold what comes, and what was in flight where it may run twice. Returns operation codes of that. */
  suspend(): number[] {
    this.up = false
    const orphans = this.producer.reset()
    for (const request of orphans) {
      if (this.onCrash === 'retry' && this.repeatable.has(request)) this.held.push(request)
      else giveUp(request)
    }
    return orphans.map((r) => r.cdb[0]!)
  }

  /** Nobody comes back: everything is given up, now and from now on. */
  park(): void {
    this.suspend()
    this.parked = true
    for (const request of this.held.splice(0)) giveUp(request)
  }

  close(): void {
    this.park()
    this.ring.release()
    this.ring.map.close()
  }
}

/** No SAM status. */
const GIVEN_UP = -1

function giveUp(request: Request): void {
  request.status = GIVEN_UP
  request.answered(request)
}
