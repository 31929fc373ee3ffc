import { type TcmuError, tcmuError } from '../errors'
import { sam } from '../scsi/status'
import { fixedSense, sense, senseKey } from '../scsi/sense'
// Straight from the modules: a name through an index costs a getter call each time it is used.
import { u16le } from '../wire/fields'
import { DataArea, deadData } from '../wire/segments'
import { CmdResponse, ENTRY_ALIGN, EntryHeader, Mailbox, Op, OP_MASK, TMR_ID_SIZE, TmrEntry, UserFlag } from './abi'
import { type Command, CommandPool, type RingOwner } from './command'
import { EntryReader, EntryWriter } from './entry'
import { LoneAnswer } from './lone-answer'
import { readMailbox, type RingFeatures } from './mailbox'
import { Slots } from './slots'

const WORD = 4
const wordOf = (offset: number): number => offset / WORD
const at = {
  head: wordOf(Mailbox.at.cmdHead),
  tail: wordOf(Mailbox.at.cmdTail),
  lenOp: wordOf(EntryHeader.at.lenOp),
  /** `cmdId`, `kflags` and `uflags` share a word. */
  id: wordOf(EntryHeader.at.cmdId),
} as const
const ID_MASK = 0xffff
/** Commands made at the start: how many others complete before the memory of one is another's. */
const SPARE = 64
const internalFailure = fixedSense(senseKey.HARDWARE_ERROR, sense.INTERNAL_TARGET_FAILURE)

/**
 * User space's side of one TCMU command ring: protocol only, over memory that somebody else has mapped and signals for.
 * Nothing the peer writes makes it throw anything but a TcmuError, or touch memory other than the entries it was given.
 */
export class Ring {
  readonly features: RingFeatures
  /** The mapping; offsets of commands' segments count from its start. */
  readonly area: DataArea
  private readonly words: Uint32Array
  private readonly bytes: Uint8Array
  private readonly cmdrOff: number
  private readonly cmdrSize: number
  private readonly entries: EntryReader
  private readonly answers: EntryWriter

  /** Relative to the ring: what is fetched next, the kernel's head as last seen, and the tail the kernel was told. */
  private position: number
  private head: number
  private tail: number
  /** Where live commands' entries start, oldest first. Kept here, not re-read: the peer may change them. */
  private readonly slots = new Slots()
  private readonly byId: (Command | undefined)[] = []
  private readonly pool: CommandPool
  private fault: TcmuError | undefined = undefined
  private readonly lone = new LoneAnswer()
  private canLend = false
  /** The only command in flight, whose answer a thread of the backend may give. */
  private lent: Command | undefined = undefined
  private lentTail = 0

  /** Throws E_RING_MAILBOX when `memory` does not hold a ring this host can serve. */
  constructor(memory: ArrayBuffer, private readonly owner: RingOwner) {
    this.bytes = new Uint8Array(memory)
    this.words = new Uint32Array(memory, 0, Math.floor(memory.byteLength / WORD))
    this.area = new DataArea(this.bytes)
    const box = readMailbox(this.bytes, owner.nexus.name)
    this.cmdrOff = box.cmdrOff
    this.cmdrSize = box.cmdrSize
    this.position = this.head = this.tail = box.tail
    this.features = box.features
    this.entries = new EntryReader(this.area, this.words, box.cmdrOff + box.cmdrSize)
    this.answers = new EntryWriter(this.bytes, this.words)
    this.pool = new CommandPool(owner, SPARE)
  }

  /** Let threads of the I/O engine answer, by this doorbell. Before the first command. */
  lendTo(kickFd: number, wordSize: number): void {
    this.canLend = true
    this.area.answering = this.lone.asGiven(Mailbox.at.cmdTail, kickFd, wordSize)
  }

  /**
   * Write the answer of a command whose data is about to move as a whole, GOOD without residual, and let whoever moves it give that: a
   * turn for the transfer; 0 where the command is not the only one. It is to be completed here all the same, whatever becomes of it.
   */
  lend(command: Command): number {
    if (!this.canLend || this.slots.count !== 1 || this.lent !== undefined || this.slots.first !== this.tail || this.byId[command.id] !== command || this.news) return 0
    this.answers.write(this.cmdrOff + this.slots.first, command.id, sam.GOOD, 0)
    this.lent = command
    this.lentTail = this.position
    return this.lone.offer(this.position)
  }

  /** Nobody else answers from now on. */
  private takeBack(): void {
    const { lent } = this
    if (lent === undefined) return
    if (this.lone.takeBack()) this.wasAnswered(lent)
    this.lent = undefined
  }

  private wasAnswered(command: Command): void {
    this.lent = undefined
    this.slots.shift()
    this.byId[command.id] = undefined
    command.answered = true
    this.tail = this.lentTail
  }

  /** Whether there is something to take, or the peer's head makes no sense. One load of shared memory. */
  get news(): boolean {
    return this.position !== this.head || Atomics.load(this.words, at.head) !== this.head
  }

  private isPosition(value: number): boolean {
    return value < this.cmdrSize && value % ENTRY_ALIGN === 0
  }

  /** Commands taken and not completed. */
  get inFlight(): number {
    return this.slots.count
  }

  /** Whether everything the kernel posted was taken and completed. */
  get empty(): boolean {
    return this.slots.count === 0 && this.position === Atomics.load(this.words, at.head)
  }

  /** Why nothing is taken any more. */
  get broken(): TcmuError | undefined {
    return this.fault
  }

  /** The live command with this id. */
  find(id: number): Command | undefined {
    return this.byId[id]
  }

  /**
   * The next command, or undefined when the ring is empty. PAD, TMR and unknown entries are passed over; a command
   * that points outside its memory is answered here. Looks at the kernel's head once at most. Throws E_RING_BROKEN
   * when an entry's length or id makes no sense: then, and on every later call until `reset`.
   */
  next(): Command | undefined {
    if (this.fault !== undefined) throw this.fault
    if (this.position === this.head) this.loadHead()
    while (this.position !== this.head) {
      const position = this.position
      const start = this.cmdrOff + position
      const lenOp = this.words[(start >> 2) + at.lenOp]
      const op = lenOp & OP_MASK
      const length = (lenOp & ~OP_MASK) >>> 0
      const limit = this.head > position ? this.head : this.cmdrSize
      if (length > limit - position || length < (op === Op.CMD ? CmdResponse.size : EntryHeader.size)) {
        throw this.breakAt(position, `an entry of ${length} bytes (operation ${op}) with ${limit - position} to the end`)
      }
      if (op === Op.CMD) {
        const command = this.take(position, length)
        this.advance(length)
        if (command !== undefined) return command
      } else {
        this.advance(length)
        this.passOver(op, position, length)
      }
    }
    return undefined
  }

  private advance(length: number): void {
    const end = this.position + length
    this.position = end === this.cmdrSize ? 0 : end
  }

  private loadHead(): void {
    const head = Atomics.load(this.words, at.head)
    if (head === this.head) return
    // Its id and its place in the ring may be another's by now.
    if (this.lent !== undefined && this.lone.given) this.wasAnswered(this.lent)
    const oldest = this.slots.count === 0 ? this.position : this.slots.first
    const used = (this.position - oldest + this.cmdrSize) % this.cmdrSize
    const fresh = (head - this.position + this.cmdrSize) % this.cmdrSize
    // The kernel keeps one byte free, so that a full ring differs from an empty one.
    if (!this.isPosition(head) || used + fresh >= this.cmdrSize) {
      throw this.breakAt(this.position, `head ${head}, with commands in flight from ${oldest} on, in a ring of ${this.cmdrSize} bytes`)
    }
    this.head = head
  }

  private breakAt(position: number, what: string): TcmuError {
    this.fault = tcmuError('E_RING_BROKEN', { ring: this.owner.nexus.name, reason: `at position ${position}: ${what}`, position })
    return this.fault
  }

  private passOver(op: number, position: number, length: number): void {
    if (op === Op.PAD) return
    if (op === Op.TMR) this.takeTmr(position, length)
    else {
      this.bytes[this.cmdrOff + position + EntryHeader.at.uflags] |= UserFlag.UNKNOWN_OP
      this.complain(position, 0, `unknown operation ${op}`)
    }
  }

  private takeTmr(position: number, length: number): void {
    const start = this.cmdrOff + position
    const entry = length < TmrEntry.size ? undefined : TmrEntry.decode(this.bytes, start)
    if (!entry || entry.cmdCnt > ID_MASK || entry.cmdCnt * TMR_ID_SIZE > length - TmrEntry.size) {
      return this.complain(position, 0, `a task management entry of ${length} bytes for ${entry?.cmdCnt ?? '?'} commands`)
    }
    this.takeBack()
    const commands = new Set<Command>()
    for (let i = 0; i < entry.cmdCnt; i++) {
      const command = this.byId[u16le.get(this.bytes, start + TmrEntry.size + i * TMR_ID_SIZE)]
      if (command !== undefined) commands.add(command)
    }
    this.owner.aborted?.(entry.tmrType, [...commands])
  }

  private complain(position: number, id: number, reason: string): void {
    this.owner.malformed?.({ position, id, reason })
  }

  /** Copy a command out of its entry; undefined when it was malformed and has been answered. */
  private take(position: number, length: number): Command | undefined {
    const word = (this.cmdrOff + position) >> 2
    const id = this.words[word + at.id] & ID_MASK
    while (this.byId.length <= id) this.byId.push(undefined)
    if (this.byId[id] !== undefined) throw this.breakAt(position, `command ${id} is in flight already`)
    const command = this.pool.take()
    const stale = command.cdbLength
    // `begin` clears the CDB with a builtin, which costs more than all of the copying below.
    command.cdbLength = 0
    command.begin()
    command.id = id
    this.byId[id] = command
    this.slots.push(position)
    const reason = this.entries.fill(command, word, length)
    for (let i = command.cdbLength; i < stale; i++) command.cdb[i] = 0
    if (reason === undefined) return command
    command.status = sam.CHECK_CONDITION
    command.setSense(internalFailure)
    this.complete(command)
    this.complain(position, id, reason)
    return undefined
  }

  /**
   * Answer a command: `status`, `sense`, `dataInLength` of it go into the entry at the tail, whichever command that was
   * for (the kernel goes by the id). Its data is dead from here on. Throws E_RING_NOT_IN_FLIGHT the second time.
   */
  complete(command: Command): void {
    if (command.orphan) {
      command.orphan = false
      this.pool.put(command)
      return
    }
    // Its answer would go where that of the lent one is.
    if (this.lent !== undefined && !command.answered) this.takeBack()
    if (command.answered) {
      command.answered = false
      this.release(command)
      return
    }
    const { id } = command
    if (this.byId[id] !== command) throw tcmuError('E_RING_NOT_IN_FLIGHT', { ring: this.owner.nexus.name, id })
    const readLength = this.readLengthOf(command)
    const start = this.cmdrOff + this.slots.shift()
    this.answers.write(start, id, command.status & 0xff, readLength)
    if (command.status === sam.CHECK_CONDITION) this.answers.writeSense(start, command)
    this.byId[id] = undefined
    this.release(command)
  }

  /**
   * `read_len` to report, 0 for none. The kernel copies the whole buffer to the initiator when it is not told a length, and
   * takes 0 for not told: what a command that may be Data-In left unfilled is zeroed then, lest stale data of others leaks.
   */
  private readLengthOf(command: Command): number {
    const room = command.data.length
    if (room === 0) return 0
    const filled = command.dataInLength < room ? command.dataInLength : room
    const failed = command.status === sam.CHECK_CONDITION
    if (filled > 0 && this.features.readLength) return failed || filled < room ? filled : 0
    if (filled < room && !failed && command.row?.dataDirection !== 'out') command.data.zero(filled)
    return 0
  }

  private release(command: Command): void {
    command.segments.revoke()
    command.bidi.revoke()
    command.data = deadData
    this.pool.put(command)
  }

  /** Show the kernel what was completed or passed over. True when there is news, which calls for one doorbell. */
  publish(): boolean {
    const tail = this.slots.count === 0 ? this.position : this.slots.first
    if (tail === this.tail) return false
    this.tail = tail
    Atomics.store(this.words, at.tail, tail)
    return true
  }

  /**
   * After the kernel reset the ring: start at 0 and forget what was in flight. The memory of those commands is dead; they
   * are still finished by whoever has them, which then changes nothing. Returns them, so that they can be told to stop.
   */
  reset(): Command[] {
    this.takeBack()
    const orphans = this.byId.filter((c) => c !== undefined)
    for (const command of orphans) {
      command.orphan = true
      command.segments.revoke()
      command.bidi.revoke()
    }
    this.byId.length = 0
    this.slots.clear()
    this.position = this.head = this.tail = 0
    this.fault = undefined
    return orphans
  }
}
