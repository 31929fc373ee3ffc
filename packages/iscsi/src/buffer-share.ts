import type { BufferPool, PooledBuffer } from './buffers'

interface Waiter {
  readonly size: number
  readonly grant: (buffer: PooledBuffer) => boolean
}

/** What one session may hold of the pool at a time, so that one that does not read cannot starve the others. */
export class BufferShare {
  private held = 0
  private readonly waiting: Waiter[] = []
  private closed = false

  constructor(private readonly pool: BufferPool, private readonly most: number) {}

  private get full(): boolean {
    return this.held >= this.most
  }

  /** See `BufferPool.take`. */
  take(size: number, reserve = 0): PooledBuffer | undefined {
    if (reserve === 0 && (this.full || this.waiting.length > 0)) return undefined
    const buffer = this.pool.take(size, reserve)
    if (buffer) this.held += buffer.capacity
    return buffer
  }

  /** See `BufferPool.wait`. */
  wait(size: number, grant: (buffer: PooledBuffer) => boolean): void {
    this.waiting.push({ size, grant })
    if (this.waiting.length === 1) this.next()
  }

  give(buffer: PooledBuffer): void {
    this.held -= buffer.capacity
    this.pool.give(buffer)
    if (this.waiting.length && !this.asking) this.next()
  }

  private asking = false
  /** Let the pool serve the first that waits; one at a time, so that order is kept. */
  private next(): void {
    const first = this.waiting[0]
    if (!first || this.full || this.closed) return
    this.asking = true
    this.pool.wait(first.size, (buffer) => {
      this.asking = false
      if (this.closed) return false
      this.waiting.shift()
      this.held += buffer.capacity
      const taken = first.grant(buffer)
      if (!taken) this.held -= buffer.capacity
      if (this.waiting.length) this.next()
      return taken
    })
  }

  /** Nobody waits any more. Buffers that are held still come back. */
  close(): void {
    this.closed = true
    this.waiting.length = 0
  }
}
