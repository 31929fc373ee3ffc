import { CmdRequest, cmdBaseSize, cmdEntrySize, EntryHeader, Iovec, Mailbox, Op, TmrEntry, tmrEntrySize, TMR_ID_SIZE, UserFlag } from '../ring/abi'
import { u16le } from '../wire'
import { type Extent, POISON } from './data-blocks'

export interface PostedEntry {
  readonly position: number
  readonly length: number
  readonly op: number
}

/** The kernel's side of the command ring: where entries go, and which of them were not cleaned yet. */
export class EntryRing {
  /** Relative to the ring: where the next entry goes, and up to where answers were taken. */
  head = 0
  clean = 0
  readonly entries: PostedEntry[] = []
  readonly words: Uint32Array

  constructor(readonly bytes: Uint8Array, readonly offset: number, readonly size: number) {
    this.words = new Uint32Array(bytes.buffer)
    bytes.fill(POISON, offset, offset + size)
  }

  get tail(): number {
    return Atomics.load(this.words, Mailbox.at.cmdTail >> 2)
  }

  private setHead(head: number): void {
    this.head = head % this.size
    Atomics.store(this.words, Mailbox.at.cmdHead >> 2, this.head)
  }

  /** Whether an entry fits, together with the PAD it may need, leaving one byte unused. */
  fits(length: number): boolean {
    const used = (this.head - this.clean + this.size) % this.size
    const toEnd = this.size - this.head
    return length + (length > toEnd ? toEnd : 0) <= this.size - used - 1
  }

  /** Begin an entry of `length` bytes: a zeroed piece of the ring, after a PAD to the end where it does not fit before. */
  private begin(op: number, length: number, id: number): number {
    if (this.size - this.head < length) this.pad()
    const at = this.offset + this.head
    this.bytes.fill(0, at, at + length)
    EntryHeader.encode({ lenOp: length | op, cmdId: id }, this.bytes, at)
    this.entries.push({ position: this.head, length, op })
    return at
  }

  private pad(): void {
    const length = this.size - this.head
    EntryHeader.encode({ lenOp: length | Op.PAD }, this.bytes, this.offset + this.head)
    this.entries.push({ position: this.head, length, op: Op.PAD })
    this.setHead(0)
  }

  command(id: number, cdb: Uint8Array, out: readonly Extent[], bidi: readonly Extent[]): void {
    const iovecs = [...out, ...bidi]
    const length = cmdEntrySize(iovecs.length, cdb.length)
    const at = this.begin(Op.CMD, length, id)
    const cdbOff = at + cmdBaseSize(iovecs.length)
    CmdRequest.encode({ iovCnt: out.length, iovBidiCnt: bidi.length, cdbOff }, this.bytes, at)
    EntryHeader.encode({ lenOp: length | Op.CMD, cmdId: id }, this.bytes, at)
    iovecs.forEach((e, i) => Iovec.encode({ base: e.offset, length: e.length }, this.bytes, at + CmdRequest.size + i * Iovec.size))
    this.bytes.set(cdb, cdbOff)
    this.setHead(this.head + length)
  }

  taskManagement(type: number, ids: readonly number[]): void {
    const length = tmrEntrySize(ids.length)
    const at = this.begin(Op.TMR, length, 0)
    TmrEntry.encode({ tmrType: type, cmdCnt: ids.length }, this.bytes, at)
    EntryHeader.encode({ lenOp: length | Op.TMR }, this.bytes, at)
    ids.forEach((id, i) => u16le.set(this.bytes, at + TmrEntry.size + i * TMR_ID_SIZE, id))
    this.setHead(this.head + length)
  }

  /** An entry of an operation that does not exist yet. */
  strange(op: number, length: number): void {
    this.begin(op, length, 0)
    this.setHead(this.head + length)
  }

  /** Forget the oldest entry, and poison it. */
  cleaned(entry: PostedEntry): void {
    this.entries.shift()
    const at = this.offset + entry.position
    this.bytes.fill(POISON, at, at + entry.length)
    this.clean = (entry.position + entry.length) % this.size
  }

  /** Offset of the first byte between clean entries and head that is written although no entry is there. */
  dirty(): number | undefined {
    const free = new Uint8Array(this.size).fill(1)
    for (const e of this.entries) free.fill(0, e.position, e.position + e.length)
    const i = free.findIndex((f, k) => f === 1 && this.bytes[this.offset + k] !== POISON)
    return i < 0 ? undefined : this.offset + i
  }

  reset(): void {
    this.entries.length = 0
    this.clean = 0
    this.bytes.fill(POISON, this.offset, this.offset + this.size)
    Atomics.store(this.words, Mailbox.at.cmdTail >> 2, 0)
    this.setHead(0)
  }
}

/** What user space did to the header of an entry that it may not do. */
export function breaches(entry: PostedEntry, header: ReturnType<typeof EntryHeader.decode>): string[] {
  const where = `the entry at ${entry.position}`
  const known = entry.op <= Op.TMR
  return [
    header.lenOp !== (entry.length | entry.op) && `len_op of ${where} was changed to ${header.lenOp}`,
    header.kflags !== 0 && `kflags of ${where} were changed`,
    entry.op !== Op.CMD && header.cmdId !== 0 && `the id of ${where}, a PAD, TMR or unknown one, was changed to ${header.cmdId}`,
    !known && !(header.uflags & UserFlag.UNKNOWN_OP) && `the unknown entry at ${entry.position} is not marked`,
  ].filter((breach) => breach !== false)
}
