import { markAsUntransferable } from 'node:worker_threads'
import { IO_PENDING, type IoTable, type NativeIoEngine } from '../platform/native'
import { type DataArea, Segments } from '../wire/segments'
import { ioError } from './io-error'
import { ioTable, withIovs } from './table'

const ROWS = 256
const IOVS = 4096

/** Operations of one file that began in the same stretch of time; `idle` is called when the last of them has ended. */
export interface Group {
  live: number
  idle: (() => void) | undefined
}

/** Makes a status of what a library gave: a negative errno. */
export type Answer = (result: number) => number

/** Who waits for an operation, and what it keeps until then. */
export interface Ticket {
  /** The memory whose `pins` count this operation. */
  readonly memory: Segments | undefined
  readonly group: Group | undefined
  /** It may be answered elsewhere: set by `move`. */
  lent: boolean
  /** What the operation gave, or a negative errno. Called once, in the turn that knows it; it may begin others. */
  ended(result: number): void
}

/** A promise that waits. */
class Promised implements Ticket {
  lent = false
  constructor(
    private readonly op: number, private readonly path: string, readonly memory: Segments | undefined, readonly group: Group | undefined,
    /** In place of rejecting. */
    private readonly answer: Answer | undefined,
    private readonly resolve: (result: number) => void, readonly reject: (error: Error) => void,
  ) {}

  ended(result: number): void {
    if (result >= 0) this.resolve(result)
    else if (this.answer) this.resolve(this.answer(result))
    else this.reject(ioError(-result, this.op, this.path))
  }
}

/** What the newest promise is settled with. One function for all, not one made for each promise: a sixth of what an operation leaves to the collector. */
let resolveNewest: (result: number) => void
let rejectNewest: (error: Error) => void
const keepBoth = (resolve: (result: number) => void, reject: (error: Error) => void): void => {
  resolveNewest = resolve
  rejectNewest = reject
}

/** Resolve to a negative errno rather than reject. */
const asItIs: Answer = (result) => result

/** What a batch gave, kept apart from the table: who hears of it may fill that anew. */
class Results {
  readonly token = new Int32Array(ROWS)
  readonly result = new Float64Array(ROWS)
}

/**
 * Rows of one batch on their way to the addon, and tickets for those under way. Rows go out together: at `submit`, or
 * by themselves as a microtask, which is after the pump has dispatched everything it took (setImmediate costs a cached
 * 4 KiB read at depth 1 half as much again, and gains nothing at depth 32).
 */
export class Submissions<Source = number> {
  private table: IoTable = ioTable(ROWS, IOVS)
  private readonly native: NativeIoEngine<Source>
  private readonly tickets: (Ticket | undefined)[] = []
  private readonly freeTokens: number[] = []
  private readonly forgotten: FinalizationRegistry<number>
  /** One for each `submit` that is going on: who hears of an end may fill a whole batch. */
  private readonly spare: Results[] = []
  private rows = 0
  private iovs = 0
  private scheduled = false
  private live = 0
  private idle: (() => void) | undefined = undefined
  /** Transfers under way that may be answered elsewhere: nobody is woken for those. */
  private lent = 0
  /** Batches whose results are being told of, and what is done when they have been. */
  private telling = 0
  private readonly afterwards: (() => void)[] = []
  private readonly flush = (): void => {
    this.scheduled = false
    this.submit()
  }

  constructor(open: (table: IoTable, onDone: (rows: number) => void) => NativeIoEngine<Source>) {
    this.native = open(this.table, (rows) => this.completed(rows))
    this.forgotten = new FinalizationRegistry((slot) => this.native.removeArea(slot))
  }

  /** Operations that have not settled. */
  get inFlight(): number {
    return this.live
  }

  /** As in NativeIoEngine. */
  get uringError(): number {
    return this.native.uringError
  }

  addFile(source: Source): number {
    return this.native.addFile(source)
  }

  /**
   * Move all of `data`, or repeat it over `length` bytes; pins it until the operation is done. Resolves to 0, rejects with an errno
   * error, or resolves to what `answer` makes of it.
   */
  transfer(op: number, file: number, path: string, data: Segments, offset: number, flags: number, group: Group, answer?: Answer, length = data.length): Promise<number> {
    const promise = new Promise<number>(keepBoth)
    const ticket = new Promised(op, path, data.pinned, group, answer, resolveNewest, rejectNewest)
    try {
      this.move(op, file, data, offset, length, flags, ticket)
    } catch (error) {
      ticket.reject(error as Error)
    }
    return promise
  }

  /** The same for whoever waits in another way: `ticket.memory` is that of `data`; `turn` as `Task.lend` gave it. */
  move(op: number, file: number, data: Segments, offset: number, length: number, flags: number, ticket: Ticket, turn = 0): void {
    if (this.iovs + data.count > this.table.iovOffset.length) this.makeRoom(data.count)
    const memory = Segments.areaOf(data)
    const area = memory.owner === this ? memory.slot : this.register(memory)
    const row = this.row(op, file, offset, length, flags, ticket)
    const { iovOffset, iovLength } = this.table
    for (let i = 0; i < data.count; i++) {
      iovOffset[this.iovs + i] = data.offsets[i]!
      iovLength[this.iovs + i] = data.lengths[i]!
    }
    this.table.area[row] = area
    this.table.turn[row] = turn
    if (turn !== 0) {
      ticket.lent = true
      this.lent++
    }
    this.table.iovFirst[row] = this.iovs
    this.table.iovCount[row] = data.count
    this.iovs += data.count
    ticket.memory!.pins++
  }

  /** An operation without memory. Resolves to its result; with `raw` to a negative errno when it fails. */
  command(op: number, file: number, path: string, offset = 0, length = 0, raw = false): Promise<number> {
    return new Promise((resolve, reject) => {
      this.row(op, file, offset, length, 0, new Promised(op, path, undefined, undefined, raw ? asItIs : undefined, resolve, reject))
    })
  }

  /** The same of a group, whose failure `answer` explains. */
  ask(op: number, file: number, path: string, offset: number, length: number, flags: number, group: Group, answer: Answer): Promise<number> {
    return new Promise((resolve, reject) => {
      this.row(op, file, offset, length, flags, new Promised(op, path, undefined, group, answer, resolve, reject))
    })
  }

  private row(op: number, file: number, offset: number, length: number, flags: number, ticket: Ticket): number {
    if (this.rows === ROWS) this.submit()
    const row = this.rows++
    const token = this.freeTokens.pop() ?? this.tickets.length
    this.tickets[token] = ticket
    this.live++
    if (ticket.group) ticket.group.live++
    this.table.op[row] = op
    this.table.flags[row] = flags
    this.table.file[row] = file
    this.table.offset[row] = offset
    this.table.length[row] = length
    this.table.token[row] = token
    this.table.turn[row] = 0
    if (!this.scheduled) {
      this.scheduled = true
      queueMicrotask(this.flush)
    }
    return row
  }

  private makeRoom(count: number): void {
    this.submit()
    if (count <= this.table.iovOffset.length) return
    this.table = withIovs(this.table, Math.max(count, this.table.iovOffset.length * 2))
    this.native.attach(this.table)
  }

  private register(area: DataArea): number {
    if (area.owner instanceof Submissions) (area.owner as Submissions<unknown>).release(area)
    // The addon uses the address of the bytes: they must stay where they are.
    if ((area.bytes.buffer as { resizable?: boolean }).resizable) throw new TypeError('a data area must not be resizable')
    markAsUntransferable(area.bytes.buffer)
    area.slot = this.native.addArea(area.bytes, area.answering)
    area.owner = this
    // The addon holds the bytes; an area that nobody uses any more must not stay there for ever.
    this.forgotten.register(area, area.slot, area)
    return area.slot
  }

  /** Forget an area's memory; operations under way keep it until they are done. */
  release(area: DataArea): void {
    if (area.owner !== this) return
    this.submit()
    this.forgotten.unregister(area)
    this.native.removeArea(area.slot)
    area.owner = undefined
    area.slot = -1
  }

  /** Hand over what waits, and hear of what was answered elsewhere. */
  submit(): void {
    if (this.rows > 0) this.handOver()
    if (this.lent > 0 && this.telling === 0) this.collect()
  }

  private handOver(): void {
    const rows = this.rows
    this.rows = this.iovs = 0
    this.native.submit(rows)
    const results = this.spare.pop() ?? new Results()
    const { token, result } = results
    for (let i = 0; i < rows; i++) {
      token[i] = this.table.token[i]!
      result[i] = this.table.result[i]!
    }
    this.telling++
    for (let i = 0; i < rows; i++) if (result[i] !== IO_PENDING) this.settle(token[i]!, result[i]!)
    this.telling--
    this.spare.push(results)
    if (this.afterwards.length > 0) this.afterBatchEnded()
  }

  private collect(): void {
    let rows
    do this.completed(rows = this.native.collect())
    while (rows === ROWS)
  }

  private completed(rows: number): void {
    const { doneToken, doneResult } = this.table
    this.telling++
    for (let i = 0; i < rows; i++) this.settle(doneToken[i]!, doneResult[i]!)
    this.telling--
    if (this.afterwards.length > 0) this.afterBatchEnded()
  }

  /** Call `fn` when all results of the batch that is being told of have been told, and hand over what it begins; as a microtask when there is none. */
  afterBatch(fn: () => void): void {
    this.afterwards.push(fn)
    if (this.telling === 0 && this.afterwards.length === 1) queueMicrotask(this.afterBatchEnded)
  }

  private readonly afterBatchEnded = (): void => {
    if (this.telling > 0) return
    while (this.afterwards.length > 0) this.afterwards.pop()!()
    this.submit()
  }

  private settle(token: number, result: number): void {
    const ticket = this.tickets[token]!
    this.tickets[token] = undefined
    this.freeTokens.push(token)
    if (ticket.memory) ticket.memory.pins--
    if (ticket.lent) {
      ticket.lent = false
      this.lent--
    }
    if (ticket.group && --ticket.group.live === 0) ticket.group.idle?.()
    ticket.ended(result)
    if (--this.live === 0) this.idle?.()
  }

  /** Waits for everything under way. Nothing may be begun any more. */
  async close(): Promise<void> {
    this.submit()
    if (this.live > 0) await new Promise<void>((resolve) => (this.idle = resolve))
    this.native.close()
  }
}
