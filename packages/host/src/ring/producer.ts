import { tcmuError } from '../errors'
import { DataArea, Segments, u16le } from '../wire'
import { CmdRequest, CmdResponse, cmdBaseSize, cmdEntrySize, EntryHeader, Iovec, Mailbox, MAILBOX_VERSION, MailboxFlag, Op, OP_MASK, SENSE_SIZE, TMR_ID_SIZE, TmrEntry, tmrEntrySize, UserFlag } from './abi'
import { BlockPool } from './data-blocks'

const HEAD = Mailbox.at.cmdHead >> 2
const TAIL = Mailbox.at.cmdTail >> 2
const FLAGS = MailboxFlag.OOOC | MailboxFlag.READ_LEN | MailboxFlag.TMR
const MOST_IDS = 0xffff

export interface ProducerShape {
  /** Mailbox and command ring. */
  readonly ringBytes: number
  /** Unit of the data area. */
  readonly blockBytes: number
}

/** A command for the other side: one goes in, one comes back. */
export class Request {
  id = 0
  readonly data = new Segments()
  /** SAM status, sense data and bytes of Data-In of the answer. */
  status = 0
  readonly sense = new Uint8Array(SENSE_SIZE)
  dataInLength = 0

  constructor(
    readonly cdb: Uint8Array, readonly length: number,
    /** Called once its data is there, before it is posted: to fill in Data-Out. */
    readonly fill: ((data: Segments) => void) | undefined,
    /** Called with the answer; `data` is dead afterwards. */
    readonly answered: (request: Request) => void,
  ) {}
}

/**
 * The kernel's side of a TCMU ring, played by this host towards a device in another process (DESIGN §5a): posts commands,
 * takes answers in any order, and hands out the data area. What the other side writes is checked, for it may have
 * crashed while it wrote; E_RING_BROKEN is thrown then, and the ring has to begin anew.
 */
export class RingProducer {
  readonly area: DataArea
  private readonly bytes: Uint8Array
  private readonly words: Uint32Array
  private readonly cmdrSize: number
  private readonly blocks: BlockPool
  private readonly live = new Map<number, Request>()
  private readonly waiting: Request[] = []
  private head = 0
  private clean = 0
  private nextId = 0

  constructor(memory: ArrayBuffer, private readonly name: string, shape: ProducerShape) {
    this.bytes = new Uint8Array(memory)
    this.words = new Uint32Array(memory)
    this.area = new DataArea(this.bytes)
    this.cmdrSize = shape.ringBytes - Mailbox.size
    this.blocks = new BlockPool(this.area, shape.ringBytes, shape.blockBytes)
    this.begin()
  }

  private begin(): void {
    this.head = this.clean = 0
    this.bytes.fill(0, 0, Mailbox.size)
    Mailbox.encode({ version: MAILBOX_VERSION, flags: FLAGS, cmdrOff: Mailbox.size, cmdrSize: this.cmdrSize }, this.bytes)
  }

  /** Posted and not answered, waiting ones included. */
  get inFlight(): number {
    return this.live.size + this.waiting.length
  }

  /** Largest transfer that can ever be posted. */
  get mostBytes(): number {
    return Math.floor((this.bytes.length - Mailbox.size - this.cmdrSize) / 2)
  }

  /** Post a command, now or as soon as there is room. True when something was posted: ring the doorbell. */
  post(request: Request): boolean {
    if (this.waiting.length > 0 || !this.place(request)) {
      this.waiting.push(request)
      return false
    }
    return true
  }

  /** What would not fit before. True when something was posted. */
  postWaiting(): boolean {
    let posted = false
    while (this.waiting.length > 0 && this.place(this.waiting[0]!)) {
      this.waiting.shift()
      posted = true
    }
    return posted
  }

  private place(request: Request): boolean {
    if (this.blocks.blocksFor(request.length) > this.blocks.available || this.live.size >= MOST_IDS) return false
    this.blocks.take(request.length, request.data)
    const { data, cdb } = request
    const length = cmdEntrySize(data.count, cdb.length)
    if (!this.fits(length)) {
      this.blocks.give(data)
      return false
    }
    request.id = this.freeId()
    this.live.set(request.id, request)
    request.fill?.(data)
    this.write(request, length)
    return true
  }

  private freeId(): number {
    do this.nextId = (this.nextId % MOST_IDS) + 1
    while (this.live.has(this.nextId))
    return this.nextId
  }

  /** Whether an entry fits, with the PAD before it, leaving one byte: a full ring differs from an empty one. */
  private fits(length: number): boolean {
    const used = (this.head - this.clean + this.cmdrSize) % this.cmdrSize
    const toEnd = this.cmdrSize - this.head
    return length + (length > toEnd ? toEnd : 0) <= this.cmdrSize - used - 1
  }

  /** Offset of a new entry, behind a PAD to the end of the ring where it would not fit. */
  private entry(op: number, length: number, id: number): number {
    const toEnd = this.cmdrSize - this.head
    if (toEnd < length) {
      EntryHeader.encode({ lenOp: toEnd | Op.PAD }, this.bytes, Mailbox.size + this.head)
      this.head = 0
    }
    const at = Mailbox.size + this.head
    this.bytes.fill(0, at, at + length)
    EntryHeader.encode({ lenOp: length | op, cmdId: id }, this.bytes, at)
    return at
  }

  private advance(length: number): void {
    this.head = (this.head + length) % this.cmdrSize
    Atomics.store(this.words, HEAD, this.head)
  }

  private write({ id, data, cdb }: Request, length: number): void {
    const at = this.entry(Op.CMD, length, id)
    const cdbOff = at + cmdBaseSize(data.count)
    CmdRequest.encode({ iovCnt: data.count, cdbOff }, this.bytes, at)
    EntryHeader.encode({ lenOp: length | Op.CMD, cmdId: id }, this.bytes, at)
    for (let i = 0; i < data.count; i++) {
      Iovec.encode({ base: data.offsets[i]!, length: data.lengths[i]! }, this.bytes, at + CmdRequest.size + i * Iovec.size)
    }
    this.bytes.set(cdb, cdbOff)
    this.advance(length)
  }

  /** Tell the other side that these are not wanted any more; they are answered all the same. True when it was told. */
  abort(type: number, requests: readonly Request[]): boolean {
    const ids = requests.filter((r) => this.live.get(r.id) === r).map((r) => r.id)
    const length = tmrEntrySize(ids.length)
    if (ids.length === 0 || !this.fits(length)) return false
    const at = this.entry(Op.TMR, length, 0)
    TmrEntry.encode({ tmrType: type, cmdCnt: ids.length }, this.bytes, at)
    EntryHeader.encode({ lenOp: length | Op.TMR }, this.bytes, at)
    ids.forEach((id, i) => u16le.set(this.bytes, at + TmrEntry.size + i * TMR_ID_SIZE, id))
    this.advance(length)
    return true
  }

  /** Take the answers that are there, then post what waited. True when something was posted. Throws E_RING_BROKEN. */
  reap(): boolean {
    const tail = Atomics.load(this.words, TAIL)
    while (this.clean !== tail) {
      const at = Mailbox.size + this.clean
      const header = EntryHeader.decode(this.bytes, at)
      const length = (header.lenOp & ~OP_MASK) >>> 0
      const op = header.lenOp & OP_MASK
      const used = (this.head - this.clean + this.cmdrSize) % this.cmdrSize
      if (length < EntryHeader.size || length > used || length > this.cmdrSize - this.clean) throw this.broken(`an entry of ${length} bytes at ${this.clean} with ${used} in use, tail ${tail}`)
      if (op === Op.CMD) this.take(at, header)
      this.clean = (this.clean + length) % this.cmdrSize
    }
    return this.postWaiting()
  }

  private take(at: number, { cmdId, uflags }: ReturnType<typeof EntryHeader.decode>): void {
    const request = this.live.get(cmdId)
    if (request === undefined) throw this.broken(`an answer for command ${cmdId}, which is not in flight`)
    this.live.delete(cmdId)
    const { scsiStatus, readLen } = CmdResponse.decode(this.bytes, at)
    request.status = scsiStatus
    request.sense.set(this.bytes.subarray(at + CmdResponse.at.sense, at + CmdResponse.at.sense + SENSE_SIZE))
    request.dataInLength = uflags & UserFlag.READ_LEN ? Math.min(readLen, request.length) : request.length
    request.answered(request)
    this.release(request)
  }

  private release(request: Request): void {
    this.blocks.give(request.data)
    request.data.revoke()
  }

  private broken(what: string): Error {
    return tcmuError('E_RING_BROKEN', { ring: this.name, reason: what, position: this.clean })
  }

  /** The other side is gone: an empty ring, and what was in flight, oldest first, to be posted again or given up. */
  reset(): Request[] {
    const orphans = [...this.live.values(), ...this.waiting.splice(0)]
    for (const request of this.live.values()) this.release(request)
    this.live.clear()
    this.begin()
    return orphans
  }
}
