import { Direction, fixedSense, type LogicalUnit, type Nexus, sam, Segments, type SenseCode, type SenseKey, Task } from '@tcmu/host/scsi'
import { HEADROOM, type PooledBuffer } from './buffers'
import { NO_TAG } from './pdu'

/** R2Ts that one command may have outstanding; what we negotiate at most. */
export const MAX_OUTSTANDING_R2T = 8

/** How far a command has come. */
export const Phase = { FREE: 0, COLLECTING: 1, WAITING: 2, EXECUTING: 3, ENDING: 4 } as const
export type Phase = (typeof Phase)[keyof typeof Phase]

/** Who takes a task back when its command is done. */
export interface TaskOwner {
  readonly nexus: Nexus
  completed(task: IscsiTask): void
}

/** One SCSI command of a session. Pooled by it; a task that is FREE may be another command a moment later. */
export class IscsiTask extends Task {
  readonly nexus: Nexus
  phase: Phase = Phase.FREE
  itt = NO_TAG
  cmdSn = 0
  immediate = false
  /** Its turn has come: it counts against the window. */
  counted = false
  lunHigh = 0
  lunLow = 0
  lu: LogicalUnit | undefined = undefined
  /** The initiator's expected data transfer length, whatever the device is told. */
  edtl = 0
  /** Counts commands, so that who waits for a buffer knows whether it is still for the same one. */
  generation = 0

  buffer: PooledBuffer | undefined = undefined
  private readonly room = new Segments()

  /** Data-Out: bytes to collect, bytes that came, and whether unsolicited data is still to come. */
  wanted = 0
  received = 0
  unsolicited = false
  /** Bytes of unsolicited data so far, kept or not. */
  unsolicitedBytes = 0
  /** DataSN that comes next in the sequence at hand. */
  dataSn = 0
  /** Bytes asked for by R2Ts so far, R2TSN, and the R2Ts that are outstanding, the oldest first. */
  solicited = 0
  r2tSn = 0
  r2tCount = 0
  readonly r2tTags = new Uint32Array(MAX_OUTSTANDING_R2T)
  readonly r2tEnds = new Float64Array(MAX_OUTSTANDING_R2T)
  /** No memory for its data: answered TASK SET FULL once the data that comes all the same is gone. */
  refused = false
  /** A Data-Out PDU is missing: the command fails when the rest has come. */
  broken = false
  /** Both directions at once, which no logical unit here does. */
  bidirectional = false
  /** Its answer goes to nobody. */
  silent = false
  /** Seconds tick of the portal when data last came. */
  tick = 0

  constructor(private readonly owner: TaskOwner) {
    super()
    this.nexus = owner.nexus
  }

  override begin(): void {
    super.begin()
    this.generation++
    this.wanted = this.received = this.unsolicitedBytes = 0
    this.unsolicited = this.refused = this.immediate = this.bidirectional = this.silent = this.broken = this.counted = false
    this.dataSn = this.solicited = this.r2tSn = this.r2tCount = 0
    this.lu = undefined
  }

  get out(): boolean {
    return this.direction === Direction.OUT
  }

  /** Make [0, length) of the buffer the command's data. */
  attach(length: number): void {
    this.data = this.room.start(this.buffer!.area)
    this.room.add(HEADROOM, length)
  }

  /** No one may use the command's data any more. */
  detach(): void {
    this.room.revoke()
  }

  /** End with CHECK CONDITION before any logical unit has seen the command. */
  fail(key: SenseKey, code: SenseCode): void {
    this.phase = Phase.EXECUTING
    this.status = sam.CHECK_CONDITION
    this.setSense(fixedSense(key, code))
    this.finish()
  }

  finish(): void {
    this.owner.completed(this)
  }
}
