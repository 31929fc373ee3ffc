import { deadData, noData, type Segments } from '../wire/segments'
import { sam, Status } from './status'
import { type SenseDetail } from './sense'
import type { AfterMove, BlockIo, Nexus } from './lun'
import type { CommandRow } from './command-table'

/** Which way the initiator says that data moves; the kernel ring does not tell. */
export const Direction = { NONE: 0, IN: 1, OUT: 2, UNKNOWN: 3 } as const
export type Direction = (typeof Direction)[keyof typeof Direction]

/** Longest CDB (variable length CDBs, SPC-4 4.2.3: 8 + 252). */
export const MAX_CDB = 260
const gone = new Uint8Array(0)
/** Room for sense data: what a TCMU response holds. */
export const MAX_SENSE = 96

/**
 * One command, whoever asks: a front end fills in the first part, the device the result, and `finish` tells the front
 * end to take it. Front ends extend and pool it; it is also the `io` that block callbacks see.
 */
export abstract class Task implements BlockIo {
  /** `cdbLength` valid bytes, the rest zero. */
  readonly cdb: Uint8Array
  cdbLength = 0
  direction: Direction = Direction.UNKNOWN
  /** Data-Out already there, or room for Data-In: at most `expected` bytes. */
  data: Segments = noData
  /** Expected data transfer length (SAM-5 EDTL) in bytes; may exceed `data.length` when the CDB asks for less. */
  expected = 0
  abstract nexus: Nexus

  /** Set by the device: the row that answers, and for block commands what the CDB addresses. */
  row: CommandRow | undefined = undefined
  lba = 0
  blocks = 0
  /** Bytes on the medium. */
  offset = 0
  length = 0
  fua = false

  /** The result: SAM status, sense data, bytes of `data` that are Data-In, and what the CDB would have moved. */
  status: number = sam.GOOD
  readonly sense: Uint8Array
  senseLength = 0
  dataInLength = 0
  transferLength = 0
  /** What a status that carries sense says beyond its code; reset by `begin`. */
  detail: SenseDetail | undefined = undefined
  /** Set when task management ended this command: its result goes to nobody (or as TASK ABORTED). */
  aborted = false
  /**
   * Set by the device: the answer came by promise, so whoever made it may hold on to this object. A front end that pools
   * its tasks puts another in its place, and this one is dead for good.
   */
  deferred = false
  /** Whoever answers was handed what dies with the command, not this object (`onlyItsRange`). */
  shielded = false
  /** The host moves its data and settles it afterwards, whatever it was answered with. */
  moving = false
  afterMove: AfterMove | undefined = undefined
  /** For the device alone: place among its live tasks, and its claim on the extent. */
  slot = -1
  claim = 0
  /** When it came, where a device has deadlines (milliseconds of the monotonic clock, coarse). */
  started = 0
  /** A second stretch of the medium that the claim covers. */
  also: { readonly offset: number; readonly length: number } | undefined = undefined
  private abortController: AbortController | undefined = undefined

  /** A task that takes the place of `former`, which is not used again, inherits its memory. */
  constructor(former?: Task) {
    this.cdb = former?.cdb ?? new Uint8Array(MAX_CDB)
    this.sense = former?.sense ?? new Uint8Array(MAX_SENSE)
    former?.retire()
  }

  private retire(): void {
    const self = this as { cdb: Uint8Array; sense: Uint8Array }
    self.cdb = self.sense = gone
    this.cdbLength = this.senseLength = 0
    this.data = deadData
  }

  /**
   * All data of the task is about to move, after which it is answered GOOD: for a front end that can have the thread that moves it tell the
   * initiator. A turn for the transfer, 0 without. `finish` is called in any case.
   */
  lend(): number {
    return 0
  }

  /** The LUN calls this exactly once, when the result is complete and no I/O touches `data` any more. */
  abstract finish(): void

  /** Forget the last command. Front ends call it before they fill the task in. */
  begin(): void {
    if (this.cdbLength) this.cdb.fill(0, 0, this.cdbLength)
    this.cdbLength = 0
    this.direction = Direction.UNKNOWN
    this.data = noData
    this.expected = 0
    this.row = undefined
    this.lba = this.blocks = this.offset = this.length = 0
    this.fua = false
    this.status = sam.GOOD
    this.senseLength = this.dataInLength = this.transferLength = 0
    this.detail = undefined
    this.aborted = this.deferred = this.shielded = false
    this.abortController = undefined
  }

  /** Aborted when task management ends the command or it times out; made on first use. */
  get signal(): AbortSignal {
    this.abortController ??= new AbortController()
    if (this.aborted) this.abortController.abort()
    return this.abortController.signal
  }

  /** Task management: tell whoever works on it. The command is still finished, exactly once. */
  abort(): void {
    this.aborted = true
    this.abortController?.abort()
  }

  /** Answer with `bytes`, cut to the CDB's allocation length and to what the initiator has room for (SPC-4 4.2.5.6). */
  respond(bytes: Uint8Array, allocationLength: number): Status {
    this.transferLength = Math.min(bytes.length, allocationLength)
    this.dataInLength = this.data.set(bytes.length > allocationLength ? bytes.subarray(0, allocationLength) : bytes)
    return Status.OK
  }

  /** A copy of the first `length` bytes of Data-Out, or of as many as the initiator sent. */
  parameters(length: number): Uint8Array {
    const b = new Uint8Array(Math.min(length, this.data.length))
    this.data.copyTo(b)
    this.transferLength = length
    return b
  }

  /** INVALID FIELD IN CDB pointing at `byte` (and `bit`), SPC-4 4.5.2.4.2. */
  invalidCdb(byte: number, bit = -1): Status {
    this.detail = { field: { byte, bit, inCdb: true } }
    return Status.INVALID_CDB
  }

  /** INVALID FIELD IN PARAMETER LIST pointing at `byte` (and `bit`) of the parameter list. */
  invalidParameter(byte: number, bit = -1): Status {
    this.detail = { field: { byte, bit, inCdb: false } }
    return Status.INVALID_PARAM_LIST
  }

  /** Sense data of one's own making, for a command that returns `Status.PASSTHROUGH_ERR`. */
  setSense(bytes: Uint8Array): void {
    this.senseLength = Math.min(bytes.length, this.sense.length)
    this.sense.set(bytes.subarray(0, this.senseLength))
  }
}
