import { type Crc32c, digestAt } from './digest'
import { ProtocolError } from './errors'
import { BasicHeader, BHS, DIGEST, MAX_AHS, padding, RejectReason } from './pdu'

/** What happens with the PDUs that `Framing` finds. Both may throw a ProtocolError. */
export interface PduReceiver {
  /** Header and additional headers are complete in `framing.header`; say with `framing.into` where the data goes. */
  header(): void
  /** The PDU is complete. */
  pdu(): void
}

type Part = 'header' | 'additional' | 'data' | 'tail'

/**
 * Cuts a stream of chunks into PDUs. Headers are copied into `header`; data goes from the chunk straight to where the
 * receiver wants it. Holds no more than one header.
 */
export class Framing {
  /** BHS, AHS and header digest of the PDU at hand; layouts' views lie on it. */
  readonly header = Buffer.alloc(BHS + MAX_AHS + DIGEST)
  headerDigest = false
  dataDigest = false
  /** Longest data segment that is taken. */
  maxData: number
  /** No more PDUs are wanted. */
  stopped = false
  ahsLength = 0
  dataLength = 0

  private readonly bhs = BasicHeader.view(this.header)
  private readonly tail = Buffer.alloc(3 + DIGEST)
  private part: Part = 'header'
  private filled = 0
  private need = BHS
  private target: Buffer | undefined
  private targetAt = 0
  private room = 0
  private crc = 0

  constructor(private readonly receiver: PduReceiver, maxData: number, private readonly crc32c: Crc32c) {
    this.maxData = maxData
  }

  /** Put the first `room` bytes of this PDU's data into `target` from byte `at` on; the rest is dropped. */
  into(target: Buffer, at: number, room: number): void {
    this.target = target
    this.targetAt = at
    this.room = room
  }

  /** Drop what is still to come of this PDU's data: its buffer is another command's now. */
  discard(): void {
    this.target = undefined
    this.room = 0
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && !this.stopped) {
      const n = Math.min(this.need - this.filled, chunk.length - at)
      this.take[this.part](chunk, at, n)
      at += n
      this.filled += n
      // Parts without bytes are complete at once.
      while (this.filled === this.need && !this.stopped) this.complete[this.part]()
    }
  }

  private readonly take: Readonly<Record<Part, (chunk: Buffer, at: number, n: number) => void>> = {
    header: (chunk, at, n) => void chunk.copy(this.header, this.filled, at, at + n),
    additional: (chunk, at, n) => void chunk.copy(this.header, BHS + this.filled, at, at + n),
    data: (chunk, at, n) => {
      if (this.dataDigest) this.crc = this.crc32c(this.crc, chunk, at, at + n)
      const kept = Math.min(n, this.room)
      if (kept === 0 || !this.target) return
      chunk.copy(this.target, this.targetAt, at, at + kept)
      this.targetAt += kept
      this.room -= kept
    },
    tail: (chunk, at, n) => void chunk.copy(this.tail, this.filled, at, at + n),
  }

  private enter(part: Part, need: number): void {
    this.part = part
    this.need = need
    this.filled = 0
  }

  private readonly complete: Readonly<Record<Part, () => void>> = {
    header: () => {
      this.ahsLength = this.bhs.ahsLength * 4
      this.dataLength = this.bhs.dataLength
      // Before anything is believed of a header its digest is checked, so lengths beyond the limit end it here.
      if (this.dataLength > this.maxData) {
        throw new ProtocolError(`a data segment of ${this.dataLength} bytes came where at most ${this.maxData} are taken`, RejectReason.INVALID_FIELD)
      }
      this.enter('additional', this.ahsLength + (this.headerDigest ? DIGEST : 0))
    },
    additional: () => {
      const end = BHS + this.ahsLength
      if (this.headerDigest && this.crc32c(0, this.header, 0, end) !== digestAt(this.header, end)) throw new ProtocolError('header digest error')
      this.discard()
      this.crc = 0
      this.receiver.header()
      this.enter('data', this.dataLength)
    },
    data: () => this.enter('tail', this.dataLength === 0 ? 0 : padding(this.dataLength) + (this.dataDigest ? DIGEST : 0)),
    tail: () => {
      if (this.dataDigest && this.dataLength > 0) this.checkData()
      this.enter('header', BHS)
      this.receiver.pdu()
    },
  }

  private checkData(): void {
    const pad = padding(this.dataLength)
    const crc = this.crc32c(this.crc, this.tail, 0, pad)
    if (crc !== digestAt(this.tail, pad)) throw new ProtocolError('data digest error', RejectReason.DATA_DIGEST)
  }
}
