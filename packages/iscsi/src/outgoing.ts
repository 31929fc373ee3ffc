import type { Socket } from 'node:net'
import type { PooledBuffer } from './buffers'
import { type Crc32c, putDigest } from './digest'
import { BasicHeader, BHS, DIGEST, padding, put24 } from './pdu'

const SLAB = 32768
/** Free slabs a connection keeps. */
const SPARE_SLABS = 4

interface Slab {
  readonly bytes: Buffer
  at: number
  /** Batches not yet written that have bytes here. */
  pending: number
}

/** What one write to the socket carries, and what is free again when it is done. */
interface Batch {
  readonly slabs: Slab[]
  readonly buffers: PooledBuffer[]
  bytes: number
}

/** Where written buffers go back to. */
export interface BufferSink {
  give(buffer: PooledBuffer): void
}

/**
 * PDUs on their way to the socket. Headers and small data lie one after another in slabs; Data-In goes as a view of its
 * pooled buffer, which goes back to the pool when the socket has written it. One batch is one writev.
 */
export class Outgoing {
  headerDigest = false
  dataDigest = false
  /** Bytes handed to the socket and not yet written. */
  queued = 0
  /** Called when something goes to the socket. */
  sent: () => void = () => {}
  /** Called when a batch was written. */
  drained: () => void = () => {}

  private slab: Slab = { bytes: Buffer.alloc(SLAB), at: 0, pending: 0 }
  private readonly spare: Slab[] = []
  private runStart = 0
  private chunks: Buffer[] = []
  private batch: Batch = { slabs: [], buffers: [], bytes: 0 }
  private closed = false

  constructor(private readonly socket: Socket, private readonly pool: BufferSink, private readonly crc32c: Crc32c) {}

  /** Room for `length` bytes in one piece, zeroed; the memory to write to is `bytes` from the returned position on. */
  private reserve(length: number): number {
    if (this.slab.at + length > SLAB) this.renew(length)
    const at = this.slab.at
    this.slab.at += length
    this.slab.bytes.fill(0, at, at + length)
    return at
  }

  private renew(length: number): void {
    this.closeRun()
    this.slab = (length <= SLAB ? this.spare.pop() : undefined) ?? { bytes: Buffer.alloc(Math.max(SLAB, length)), at: 0, pending: 0 }
    this.runStart = 0
  }

  /** Memory of the PDU that `begin` started. */
  get bytes(): Buffer {
    return this.slab.bytes
  }

  /** Start a PDU whose header and `dataLength` bytes of data go into the slab; returns where its header is. */
  begin(dataLength: number): number {
    const tail = dataLength === 0 ? 0 : padding(dataLength) + (this.dataDigest ? DIGEST : 0)
    const at = this.reserve(this.headLength + dataLength + tail)
    put24(this.slab.bytes, at + BasicHeader.at.dataLength, dataLength)
    return at
  }

  /** Bytes before the data of a PDU. */
  get headLength(): number {
    return this.headerDigest ? BHS + DIGEST : BHS
  }

  /** The PDU at `at` is filled in. */
  end(at: number, dataLength: number): void {
    this.sign(this.slab.bytes, at, dataLength)
  }

  /** Add the digests that are in force to a PDU that lies in one piece. */
  private sign(b: Buffer, at: number, dataLength: number): void {
    const data = at + this.headLength
    if (this.headerDigest) putDigest(b, at + BHS, this.crc32c(0, b, at, at + BHS))
    if (!this.dataDigest || dataLength === 0) return
    const end = data + dataLength + padding(dataLength)
    putDigest(b, end, this.crc32c(0, b, data, end))
  }

  /**
   * A PDU whose header was written right before its data in a pooled buffer: sent without a copy. Bytes behind the
   * data are overwritten with padding and digest.
   */
  piece(b: Buffer, at: number, dataLength: number): void {
    const data = at + this.headLength
    const pad = padding(dataLength)
    if (pad) b.fill(0, data + dataLength, data + dataLength + pad)
    this.sign(b, at, dataLength)
    const end = data + dataLength + pad + (this.dataDigest ? DIGEST : 0)
    this.chunk(b, at, end)
  }

  /** A PDU whose header is in the slab at `at` (made by `begin(0)`) and whose data is bytes [from, from+length) of `b`. */
  split(at: number, b: Buffer, from: number, length: number): void {
    put24(this.slab.bytes, at + BasicHeader.at.dataLength, length)
    if (this.headerDigest) putDigest(this.slab.bytes, at + BHS, this.crc32c(0, this.slab.bytes, at, at + BHS))
    this.chunk(b, from, from + length)
    const pad = padding(length)
    const tail = pad + (this.dataDigest ? DIGEST : 0)
    if (tail === 0) return
    const end = this.reserve(tail)
    if (this.dataDigest) putDigest(this.slab.bytes, end + pad, this.crc32c(this.crc32c(0, b, from, from + length), this.slab.bytes, end, end + pad))
  }

  private chunk(b: Buffer, from: number, to: number): void {
    this.closeRun()
    this.chunks.push(from === 0 && to === b.length ? b : b.subarray(from, to))
    this.batch.bytes += to - from
  }

  private closeRun(): void {
    const { slab, runStart } = this
    if (slab.at === runStart) return
    this.chunks.push(slab.bytes.subarray(runStart, slab.at))
    this.batch.bytes += slab.at - runStart
    this.runStart = slab.at
    if (this.batch.slabs[this.batch.slabs.length - 1] !== slab) {
      this.batch.slabs.push(slab)
      slab.pending++
    }
  }

  /** The pool gets `buffer` back when everything up to here has been written. */
  release(buffer: PooledBuffer): void {
    this.batch.buffers.push(buffer)
  }

  get empty(): boolean {
    return this.chunks.length === 0 && this.slab.at === this.runStart
  }

  flush(): void {
    this.closeRun()
    if (this.chunks.length === 0) return
    const { chunks, batch } = this
    this.chunks = []
    this.batch = { slabs: [], buffers: [], bytes: 0 }
    if (this.closed) return this.written(batch)
    this.queued += batch.bytes
    this.sent()
    const done = (): void => {
      this.queued -= batch.bytes
      this.written(batch)
      this.drained()
    }
    const last = chunks.length - 1
    if (last === 0) {
      this.socket.write(chunks[0]!, done)
      return
    }
    this.socket.cork()
    for (let i = 0; i < last; i++) this.socket.write(chunks[i]!)
    this.socket.write(chunks[last]!, done)
    this.socket.uncork()
  }

  private written(batch: Batch): void {
    for (const buffer of batch.buffers) this.pool.give(buffer)
    for (const slab of batch.slabs) {
      if (--slab.pending > 0) continue
      if (slab !== this.slab) {
        if (this.spare.length < SPARE_SLABS && slab.bytes.length === SLAB) {
          slab.at = 0
          this.spare.push(slab)
        }
      } else if (this.runStart === slab.at) {
        slab.at = this.runStart = 0
      }
    }
  }

  /** The connection has ended: what is still added goes nowhere, buffers go back. */
  close(): void {
    this.closed = true
    this.flush()
  }
}
