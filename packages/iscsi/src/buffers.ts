import { DataArea } from '@tcmu/host/scsi'

/** Before the data: room for one header with digest, so that a Data-In PDU is one piece of memory. A multiple of 64. */
export const HEADROOM = 64
/** Behind the data: padding and digest. */
export const TAILROOM = 64
const SMALLEST = 4096

/** Memory for the data of one command. The I/O engine registers `area` once, so buffers are kept and given out again. */
export class PooledBuffer {
  readonly area: DataArea
  /** The same memory as `area`. */
  readonly bytes: Buffer
  constructor(readonly capacity: number) {
    this.bytes = Buffer.from(new ArrayBuffer(HEADROOM + capacity + TAILROOM))
    this.area = new DataArea(this.bytes)
  }
}

interface Waiter {
  readonly size: number
  /** False: not wanted any more, try the next one. */
  readonly grant: (buffer: PooledBuffer) => boolean
}

/** Bytes of a buffer for `size` bytes. */
export const capacityFor = (size: number): number => capacityOf(classOf(size))
const classOf = (size: number): number => Math.max(0, 32 - Math.clz32(Math.max(1, size) - 1) - 12)
const capacityOf = (index: number): number => SMALLEST * 2 ** index

/**
 * Buffers by powers of two, never more than `limit` bytes in all, but that one command is always served when nothing
 * else is. What cannot be had now is waited for in order.
 */
export class BufferPool {
  private readonly free: PooledBuffer[][] = []
  private readonly waiting: Waiter[] = []
  /** Bytes of all buffers, and of those that are given out. */
  allocated = 0
  inUse = 0

  constructor(readonly limit: number) {}

  /**
   * A buffer of at least `size` bytes now, or undefined. `reserve` lets it exceed the limit by that many bytes, and
   * pass those that wait.
   */
  take(size: number, reserve = 0): PooledBuffer | undefined {
    if (reserve === 0 && this.waiting.length > 0) return undefined
    return this.find(size, reserve)
  }

  private find(size: number, reserve: number): PooledBuffer | undefined {
    const index = classOf(size)
    const capacity = capacityOf(index)
    let buffer = this.free[index]?.pop()
    if (!buffer) {
      if (this.inUse > 0 && this.inUse + capacity > this.limit + reserve) return undefined
      this.evict(this.limit - capacity)
      buffer = new PooledBuffer(capacity)
      this.allocated += capacity
    }
    this.inUse += capacity
    return buffer
  }

  /** Drop free buffers until no more than `target` bytes are allocated, the largest first. */
  private evict(target: number): void {
    for (let i = this.free.length - 1; i >= 0 && this.allocated > target; i--) {
      const list = this.free[i]
      while (list?.length && this.allocated > target) this.allocated -= list.pop()!.capacity
    }
  }

  /** Call `grant` as soon as a buffer is there and everybody before has been served, possibly at once. */
  wait(size: number, grant: (buffer: PooledBuffer) => boolean): void {
    this.waiting.push({ size, grant })
    if (this.waiting.length === 1) this.serve()
  }

  give(buffer: PooledBuffer): void {
    this.inUse -= buffer.capacity
    if (this.allocated > this.limit) this.allocated -= buffer.capacity
    else (this.free[classOf(buffer.capacity)] ??= []).push(buffer)
    if (this.waiting.length) this.serve()
  }

  private serving = false
  /** Not reentrant: a grant may finish a command that gives a buffer back. */
  private serve(): void {
    if (this.serving) return
    this.serving = true
    try {
      while (this.waiting.length) {
        const buffer = this.find(this.waiting[0]!.size, 0)
        if (!buffer) break
        const waiter = this.waiting.shift()!
        if (!waiter.grant(buffer)) {
          this.inUse -= buffer.capacity
          ;(this.free[classOf(buffer.capacity)] ??= []).push(buffer)
        }
      }
    } finally {
      this.serving = false
    }
  }
}
