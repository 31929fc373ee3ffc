import { Direction, type LogicalUnit, type Nexus, Task } from '../scsi'
import { DataArea, noData, Segments } from '../wire'
import { type ScsiAnswer, answerOf } from './answer'
import { cdb } from './cdb'
import { POISON } from './data-blocks'
import type { FakeKernel, Transfer } from './fake-kernel'
import { Random } from './random'
import { unmapList } from './parameter-lists'

/** A way to get a command to a logical unit and its answer back. */
export type Transport = (cdb: Uint8Array, transfer: Transfer) => Promise<ScsiAnswer>

/** Through a ring: whoever serves the other side of `kernel` answers. */
export function throughRing(kernel: FakeKernel): Transport {
  return (bytes, transfer) =>
    new Promise((resolve) => {
      kernel.queue(bytes, transfer, (a) => resolve(answerOf(a.status, a.sense ?? new Uint8Array(0), a.data, a.residual)))
    })
}

/** A task of one's own making, given straight to a logical unit. */
export class InitiatorTask extends Task {
  readonly nexus: Nexus
  /** How often the logical unit said it was done. */
  finished = 0
  constructor(nexus: Nexus, bytes: Uint8Array, private readonly done: (task: InitiatorTask) => void) {
    super()
    this.nexus = nexus
    this.cdb.set(bytes)
    this.cdbLength = bytes.length
  }

  override finish(): void {
    this.finished++
    this.done(this)
  }
}

export interface DirectOptions {
  readonly nexus?: Nexus
  /** Hand data over in pieces of random size up to this many bytes. Default: in one piece. */
  readonly pieces?: number
  readonly seed?: number
  /** Sees each task before it is executed, e.g. to abort it later. */
  readonly onTask?: (task: InitiatorTask) => void
}

/** `length` bytes scattered over an area in pieces of at most `most` bytes, backwards. */
function scattered(length: number, most: number, random: Random): Segments {
  const area = DataArea.allocate(length)
  const pieces: [number, number][] = []
  for (let at = 0; at < length; at += pieces.at(-1)![1]) pieces.push([at, Math.min(length - at, 1 + random.below(most))])
  const data = new Segments().start(area)
  for (const [at, n] of pieces.reverse()) data.add(at, n)
  return data
}

/** Straight to a logical unit, as a front end in this process does. Memory of finished commands is poisoned. */
export function directly(unit: LogicalUnit, options: DirectOptions = {}): Transport {
  const nexus = options.nexus ?? { name: 'in-process initiator' }
  const random = new Random(options.seed ?? 1)
  unit.join(nexus)
  return (bytes, transfer) =>
    new Promise((resolve, reject) => {
      const task = new InitiatorTask(nexus, bytes, (t) => {
        if (t.finished === 1) resolve(harvest(t))
        else reject(new Error(`the command was finished ${t.finished} times`))
      })
      task.direction = transfer.dataOut ? Direction.OUT : transfer.dataIn ? Direction.IN : Direction.NONE
      task.expected = transfer.dataOut?.length ?? transfer.dataIn ?? 0
      const length = Math.min(task.expected, unit.transferOf(task))
      task.data = length === 0 ? noData : options.pieces ? scattered(length, options.pieces, random) : Segments.allocate(length)
      task.data.set(transfer.dataOut ?? new Uint8Array(length).fill(POISON))
      options.onTask?.(task)
      unit.execute(task)
    })
}

function harvest(task: InitiatorTask): ScsiAnswer {
  const { data, expected, dataInLength, transferLength, direction } = task
  const read = data.toBuffer().subarray(0, dataInLength)
  const moved = direction === Direction.OUT ? Math.min(transferLength, expected) : dataInLength
  if (data !== noData) {
    data.revoke()
    Segments.areaOf(data).bytes.fill(POISON)
  }
  return answerOf(task.status, task.sense.subarray(0, task.senseLength), read, expected - moved)
}

export interface BlockRange {
  readonly lba: number
  readonly blocks: number
}

/** Sends commands by name; the answers are for the `expect…` functions. */
export class Initiator {
  constructor(readonly send: Transport, readonly blockSize = 512) {}

  testUnitReady(): Promise<ScsiAnswer> {
    return this.send(cdb.testUnitReady(), {})
  }
  inquiry(fields: Parameters<typeof cdb.inquiry>[0] = {}): Promise<ScsiAnswer> {
    return this.send(cdb.inquiry(fields), { dataIn: fields.allocation ?? 255 })
  }
  /** A vital product data page. */
  vpd(page: number): Promise<ScsiAnswer> {
    return this.inquiry({ evpd: 1, page })
  }
  requestSense(): Promise<ScsiAnswer> {
    return this.send(cdb.requestSense(), { dataIn: 252 })
  }
  readCapacity10(): Promise<ScsiAnswer> {
    return this.send(cdb.readCapacity10(), { dataIn: 8 })
  }
  readCapacity16(): Promise<ScsiAnswer> {
    return this.send(cdb.readCapacity16(), { dataIn: 32 })
  }
  read({ lba, blocks }: BlockRange): Promise<ScsiAnswer> {
    return this.send(cdb.read16({ lba, blocks }), { dataIn: blocks * this.blockSize })
  }
  /** As many blocks as `data` has. */
  write(lba: number, data: Uint8Array, fields: { fua?: number } = {}): Promise<ScsiAnswer> {
    return this.send(cdb.write16({ lba, blocks: data.length / this.blockSize, ...fields }), { dataOut: data })
  }
  /** Compare with the first half of `data`, then write the second. */
  compareAndWrite(lba: number, data: Uint8Array): Promise<ScsiAnswer> {
    return this.send(cdb.compareAndWrite({ lba, blocks: data.length / 2 / this.blockSize }), { dataOut: data })
  }
  writeSame({ lba, blocks }: BlockRange, block: Uint8Array, fields: { unmap?: number } = {}): Promise<ScsiAnswer> {
    return this.send(cdb.writeSame16({ lba, blocks, ...fields }), { dataOut: block })
  }
  verify(lba: number, data: Uint8Array): Promise<ScsiAnswer> {
    return this.send(cdb.verify16({ lba, blocks: data.length / this.blockSize, bytchk: 1 }), { dataOut: data })
  }
  synchronizeCache(range: BlockRange = { lba: 0, blocks: 0 }): Promise<ScsiAnswer> {
    return this.send(cdb.synchronizeCache16({ ...range }), {})
  }
  modeSense(page: number): Promise<ScsiAnswer> {
    return this.send(cdb.modeSense6({ page }), { dataIn: 192 })
  }
  unmap(ranges: readonly BlockRange[]): Promise<ScsiAnswer> {
    const list = unmapList(ranges)
    return this.send(cdb.unmap({ listLength: list.length }), { dataOut: list })
  }
}
