import { fixedSense, sam, sense, senseKey } from '../scsi'
import { CmdResponse, cmdEntrySize, ENTRY_ALIGN, EntryHeader, Mailbox, MAILBOX_VERSION, MailboxFlag, Op, tmrEntrySize, UserFlag } from '../ring/abi'
import { DataBlocks } from './data-blocks'
import { breaches, EntryRing, type PostedEntry } from './entry-ring'
import { delivered, type FakeKernelOptions, type KernelAnswer, none, type Request, type Response, type Transfer } from './fake-requests'
import { Interrupt } from './interrupt'
import { Random } from './random'

export type { FakeKernelOptions, KernelAnswer, Transfer } from './fake-requests'

const notReady = fixedSense(senseKey.NOT_READY, sense.LOGICAL_UNIT_COMMUNICATION_FAILURE)
const invalidField = fixedSense(senseKey.ILLEGAL_REQUEST, sense.INVALID_FIELD_IN_CDB)
const all = MailboxFlag.OOOC | MailboxFlag.READ_LEN | MailboxFlag.TMR | MailboxFlag.KEEP_BUF
/** CMD ids are 16 bits, 0 is taken. */
const MOST_IDS = 65535

/**
 * The kernel's side of a TCMU ring in plain memory, and what it would object to: `violations` lists every breach of the
 * protocol, `broken` says that completions are no longer taken. Satisfies what a pump asks of a UIO device.
 */
export class FakeKernel {
  readonly memory: ArrayBuffer
  readonly bytes: Uint8Array
  readonly violations: string[] = []
  /** Doorbells so far. */
  kicks = 0
  broken = false
  blocked = false
  private readonly ring: EntryRing
  private readonly data: DataBlocks
  private readonly flags: number
  private readonly requests = new Map<number, Request>()
  private waiting: Request[] = []
  private notices: { type: number; ids: readonly number[] }[] = []
  private answers: KernelAnswer[] = []
  private readonly interrupt = new Interrupt()
  private processing = false

  constructor(private readonly options: FakeKernelOptions = {}) {
    const { ringBytes = 4096, dataBytes = 1 << 20, blockBytes = 4096, seed = 1, flags = all, memory = new ArrayBuffer(ringBytes + dataBytes) } = options
    this.flags = flags
    this.bytes = new Uint8Array((this.memory = memory))
    Mailbox.encode({ version: MAILBOX_VERSION, flags: this.flags, cmdrOff: Mailbox.size, cmdrSize: ringBytes - Mailbox.size }, this.bytes)
    this.ring = new EntryRing(this.bytes, Mailbox.size, ringBytes - Mailbox.size)
    this.data = new DataBlocks(this.bytes, ringBytes, blockBytes, new Random(seed))
  }

  /** The poll loop: `fn` runs soon after entries were posted, once for however many. */
  onWake(fn: () => void): void {
    this.interrupt.listen(fn)
  }

  /** The doorbell: the 4-byte write to the UIO node. */
  kick(): void {
    this.kicks++
    this.process()
  }

  close(): void {
    this.interrupt.listen(undefined)
  }

  /** Commands an initiator waits for, posted or not. */
  get outstanding(): number {
    return this.requests.size
  }

  /** Positions as the mailbox has them. */
  get positions(): { head: number; tail: number } {
    return { head: this.ring.head, tail: this.ring.tail }
  }

  /** An initiator's command. Its answer goes to `tell`, or waits for `reap`. Returns its id; 0 when it got none. */
  queue(cdb: Uint8Array, transfer: Transfer = {}, tell?: (a: KernelAnswer) => void): number {
    const request: Request = {
      id: this.freeId(), cdb, dataIn: transfer.dataIn ?? 0, dataOut: transfer.dataOut ?? none, tell, state: 'waiting', aborted: false, out: [], in: [],
    }
    const refused = this.refusal(request)
    if (refused) {
      this.answer(request, ...refused)
      return request.id
    }
    this.requests.set(request.id, request)
    if (this.waiting.length > 0 || !this.post(request)) {
      if (this.options.whenFull === 'fail') this.end(request, sam.TASK_SET_FULL, null)
      else this.waiting.push(request)
    }
    return request.id
  }

  private freeId(): number {
    for (let id = 1; id <= MOST_IDS; id++) if (!this.requests.has(id)) return id
    return 0
  }

  private refusal(r: Request): [number, Uint8Array | null] | undefined {
    if (r.id === 0) return [sam.TASK_SET_FULL, null]
    if (this.blocked) return [sam.BUSY, null]
    if (this.broken) return [sam.CHECK_CONDITION, notReady]
    const blocks = this.data.blocksFor(r.dataIn) + this.data.blocksFor(r.dataOut.length)
    const tooLarge = blocks > this.data.total || cmdEntrySize(blocks, r.cdb.length) > this.ring.size / 2
    return tooLarge ? [sam.CHECK_CONDITION, invalidField] : undefined
  }

  private post(r: Request): boolean {
    const blocks = this.data.blocksFor(r.dataIn) + this.data.blocksFor(r.dataOut.length)
    if (!this.data.has(blocks) || !this.ring.fits(cmdEntrySize(blocks, r.cdb.length))) return false
    r.out = this.data.allocate(r.dataOut.length)
    r.in = this.data.allocate(r.dataIn)
    this.checkBlocks([...r.out, ...r.in])
    const out = this.data.extents(r.out, r.dataOut.length)
    const into = this.data.extents(r.in, r.dataIn)
    let at = 0
    for (const e of out) this.bytes.set(r.dataOut.subarray(at, (at += e.length)), e.offset)
    const bidi = r.dataOut.length > 0 && r.dataIn > 0
    this.ring.command(r.id, r.cdb, bidi || r.dataIn === 0 ? out : into, bidi ? into : [])
    r.state = 'posted'
    this.interrupt.raise()
    return true
  }

  /** Task management: a notice that these commands were aborted. Waits when the ring is full; nothing without the flag. */
  tmr(type: number, ids: readonly number[]): void {
    for (const id of ids) {
      const r = this.requests.get(id)
      if (r) r.aborted = true
    }
    if (!(this.flags & MailboxFlag.TMR)) return
    this.notices.push({ type, ids })
    this.postNotices()
  }

  private postNotices(): void {
    while (this.notices.length > 0 && this.ring.fits(tmrEntrySize(this.notices[0].ids.length))) {
      const n = this.notices.shift()!
      this.ring.taskManagement(n.type, n.ids)
      this.interrupt.raise()
    }
  }

  /** Post an entry of an unknown operation; false when there is no room. */
  strange(op: number, length = ENTRY_ALIGN): boolean {
    if (!this.ring.fits(length)) return false
    this.ring.strange(op, length)
    this.interrupt.raise()
    return true
  }

  /** Ids of the commands in the ring whose initiator waits. */
  get posted(): number[] {
    return [...this.requests.values()].filter((r) => r.state === 'posted').map((r) => r.id)
  }

  /** cmd_time_out ran out: the initiator is told, the entry stays until user space answers. */
  expire(id: number): void {
    const r = this.requests.get(id)
    if (r?.state !== 'posted') throw new Error(`command ${id} is not in the ring`)
    r.state = 'expired'
    this.answer(r, sam.CHECK_CONDITION, notReady)
  }

  /** action/block_dev */
  block(on: boolean): void {
    this.process()
    this.blocked = on
    if (on) for (const r of this.waiting.splice(0)) this.end(r, sam.BUSY, null)
  }

  /** action/reset_ring: everything in the ring is dropped, to be retried by the initiator or failed. */
  reset(how: 'retry' | 'fail' = 'retry'): void {
    for (const r of [...this.requests.values()]) {
      if (r.state === 'waiting') continue
      if (r.state === 'posted') this.answer(r, how === 'retry' ? sam.BUSY : sam.CHECK_CONDITION, how === 'retry' ? null : notReady)
      this.drop(r)
    }
    this.notices = []
    this.ring.reset()
    this.broken = false
    this.refill()
  }

  /** action/free_kept_buf; throws as the write would fail. */
  freeKeptBuffer(id: number): void {
    const r = this.requests.get(id)
    if (r?.state !== 'kept') throw Object.assign(new Error(`EINVAL: command ${id} keeps no buffer`), { code: 'EINVAL' })
    this.drop(r)
    this.refill()
  }

  /** Take completions, as the kernel also does without a doorbell now and then, and return the answers since last time. */
  reap(): KernelAnswer[] {
    this.process()
    return this.answers.splice(0)
  }

  private process(): void {
    if (this.processing) return
    this.processing = true
    try {
      this.clean()
      if (!this.broken) this.refill()
    } finally {
      this.processing = false
    }
  }

  private clean(): void {
    const { ring } = this
    const tail = ring.tail
    while (!this.broken && ring.clean !== tail) {
      const entry = ring.entries[0]
      if (!entry || !this.isOnTheWay(tail)) {
        this.violate(`tail ${tail} is not where an entry ends (clean ${ring.clean}, head ${ring.head})`)
        this.broken = true
        return
      }
      this.consume(entry)
      if (!this.broken) ring.cleaned(entry)
    }
  }

  private isOnTheWay(tail: number): boolean {
    return this.ring.entries.some((e) => (e.position + e.length) % this.ring.size === tail)
  }

  private refill(): void {
    this.postNotices()
    while (!this.broken && !this.blocked && this.waiting.length > 0 && this.post(this.waiting[0])) this.waiting.shift()
  }

  private consume(entry: PostedEntry): void {
    const at = this.ring.offset + entry.position
    const header = EntryHeader.decode(this.bytes, at)
    this.violations.push(...breaches(entry, header))
    if (entry.op === Op.CMD) this.complete(header.cmdId, header.uflags, at)
  }

  private complete(id: number, uflags: number, at: number): void {
    const r = this.requests.get(id)
    if (!r || r.state === 'waiting' || r.state === 'kept') {
      this.violate(`completion of command ${id}, which is ${r ? r.state : 'unknown'}`)
      this.broken = true
      return
    }
    const rsp = CmdResponse.decode(this.bytes, at)
    if (this.bytes.subarray(at + CmdResponse.at.scsiStatus + 1, at + CmdResponse.at.readLen).some((b) => b !== 0)) {
      this.violate(`reserved bytes of the response to command ${id} are not zero`)
    }
    if (r.state === 'posted') this.deliver(r, uflags, rsp)
    if (uflags & UserFlag.KEEP_BUF && this.flags & MailboxFlag.KEEP_BUF) r.state = 'kept'
    else this.drop(r)
  }

  private deliver(r: Request, uflags: number, response: Response): void {
    if (r.aborted) return this.answer(r, sam.TASK_ABORTED, null)
    if (uflags & UserFlag.UNKNOWN_OP) return this.answer(r, sam.CHECK_CONDITION, notReady)
    const { scsiStatus: status, sense: bytes } = response
    const data = this.data.gather(r.in, r.dataIn).subarray(0, delivered(r, uflags, this.flags, response))
    this.answer(r, status, status === sam.CHECK_CONDITION ? bytes : null, data)
  }

  private answer(r: Request, status: number, senseBytes: Uint8Array | null, data: Uint8Array = none): void {
    const a: KernelAnswer = { id: r.id, status, sense: senseBytes, data, residual: r.dataIn - data.length, aborted: r.aborted }
    if (r.tell) r.tell(a)
    else this.answers.push(a)
  }

  private end(r: Request, status: number, senseBytes: Uint8Array | null): void {
    this.drop(r)
    this.answer(r, status, senseBytes)
  }

  private drop(r: Request): void {
    this.requests.delete(r.id)
    this.data.release([...r.out, ...r.in])
  }

  private violate(what: string): void {
    this.violations.push(what)
  }

  private checkBlocks(blocks: readonly number[]): void {
    const block = this.data.dirty(blocks)
    if (block !== undefined) this.violate(`data block ${block} was written while it belonged to no command`)
  }

  private checkFree(): void {
    this.checkBlocks(this.data.free)
    const entry = this.ring.dirty()
    if (entry !== undefined) this.violate(`byte ${entry} of the command ring was written, and belongs to no entry`)
    const { version, flags, cmdrOff, cmdrSize, cmdHead } = Mailbox.decode(this.bytes)
    const mine = [MAILBOX_VERSION, this.flags, this.ring.offset, this.ring.size, this.ring.head]
    if ([version, flags, cmdrOff, cmdrSize, cmdHead].some((value, i) => value !== mine[i])) this.violate('the kernel\'s part of the mailbox was written')
  }

  /** Throws, listing what is wrong, unless every command was answered, all memory is free and the protocol was kept. */
  assertIdle(): void {
    this.process()
    this.checkFree()
    const { head, tail } = this.positions
    const wrong = [...this.violations]
    if (this.broken) wrong.push('the ring is broken')
    if (this.requests.size > 0) wrong.push(`commands ${[...this.requests.keys()].join(', ')} were not answered`)
    if (head !== tail) wrong.push(`the ring is not empty: head ${head}, tail ${tail}`)
    if (this.data.used > 0) wrong.push(`${this.data.used} data blocks are in use`)
    if (wrong.length > 0) throw new Error(`the kernel objects:\n  ${wrong.join('\n  ')}`)
  }
}
