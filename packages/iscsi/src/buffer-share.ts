import { type BufferPool, capacityFor, type PooledBuffer } from './buffers'

/** One session holds at most this part of the pool, so that one that does not read cannot starve the others. */
const MOST = 1 / 4
/** What every session gets whatever others hold, so that small commands always go on. */
const GUARANTEE = 2 ** 20
/** Immediate and unsolicited data has to go somewhere at once: a session's may exceed the pool by this. */
const RESERVE = 16 * 2 ** 20

interface Waiter {
  readonly size: number
  readonly grant: (buffer: PooledBuffer) => boolean
}

/** The buffers of one session. */
export class BufferShare {
  private held = 0
  private readonly waiting: Waiter[] = []
  private asking = false
  private closed = false

  constructor(private readonly pool: BufferPool) {}

  private get full(): boolean {
    return this.held >= this.pool.limit * MOST
  }

  /** A buffer of at least `size` bytes, or undefined. `urgent`: data for it comes at once. */
  take(size: number, urgent = false): PooledBuffer | undefined {
    const held = this.held + capacityFor(size)
    const entitled = held <= GUARANTEE || (urgent && held <= RESERVE)
    if (!entitled && (this.full || this.waiting.length > 0)) return undefined
    const buffer = this.pool.take(size, entitled ? Infinity : 0)
    if (buffer) this.held += buffer.capacity
    return buffer
  }

  /** Call `grant` when a buffer is there, in order; false from it: not wanted any more. */
  wait(size: number, grant: (buffer: PooledBuffer) => boolean): void {
    this.waiting.push({ size, grant })
    if (this.waiting.length === 1) this.next()
  }

  give(buffer: PooledBuffer): void {
    this.held -= buffer.capacity
    this.pool.give(buffer)
    this.next()
  }

  /** Let the pool serve the first that waits; one at a time, so that order is kept. */
  private next(): void {
    const first = this.waiting[0]
    if (!first || this.asking || this.full || this.closed) return
    this.asking = true
    this.pool.wait(first.size, (buffer) => {
      this.asking = false
      if (this.closed) return false
      this.waiting.shift()
      this.held += buffer.capacity
      const taken = first.grant(buffer)
      if (!taken) this.held -= buffer.capacity
      this.next()
      return taken
    })
  }

  /** Nobody waits any more. Buffers that are held still come back. */
  close(): void {
    this.closed = true
    this.waiting.length = 0
  }
}
