import { tcmuError } from '../errors'
import { admit, type BlockIo, emulate, type Lun, type Nexus, noDataOut, op, refuseTransfer, type Result, type Segments, Status, type StatusName, type Task, wholeBlocks } from '../scsi'

/** What a command asks for: blocks of the medium, or anything else. */
export type PulledKind = 'read' | 'write' | 'other'

const reads: ReadonlySet<number> = new Set([op.READ_6, op.READ_10, op.READ_12, op.READ_16])
const writes: ReadonlySet<number> = new Set([op.WRITE_6, op.WRITE_10, op.WRITE_12, op.WRITE_16])
const kindOf = ({ row, cdb }: Task): PulledKind => (row && reads.has(cdb[0]!) ? 'read' : row && writes.has(cdb[0]!) ? 'write' : 'other')
const statusNames: ReadonlyMap<number, string> = new Map((Object.keys(Status) as StatusName[]).map((name) => [Status[name], name]))

/** How the answer gets back to the device. */
export interface Settle {
  ok(status: Status): void
  failed(error: unknown): void
}

/**
 * One command of a device, taken out of its queue by the program that has to answer it. It is completed exactly once, by
 * `complete`, `respond`, `fail` or `emulate`; after that, and after its deadline, every use of it throws E_COMMAND_OVER.
 */
export class PulledCommand implements BlockIo {
  readonly kind: PulledKind
  /** As in the standard, e.g. `READ(16)`. */
  readonly name: string
  private readonly moves: Segments
  /** How it ended; undefined: it has not. */
  private ended: string | undefined
  private told: (() => void)[] = []

  constructor(private readonly task: Task, private readonly lun: Lun, private readonly settle: Settle) {
    this.name = task.row?.name ?? `operation code 0x${task.cdb[0]!.toString(16)}`
    this.kind = kindOf(task)
    const { data } = task
    const most = this.kind === 'write' ? wholeBlocks(lun, task) : this.kind === 'read' ? Math.min(task.length, data.length) : data.length
    this.moves = most === data.length ? data : data.slice(0, most)
  }

  private get live(): Task {
    if (this.ended === undefined) return this.task
    throw tcmuError('E_COMMAND_OVER', { command: this.name, device: this.lun.name, how: this.ended })
  }

  /** Name of the device. */
  get device(): string { return this.lun.name }
  /** As it came. */
  get cdb(): Uint8Array { return this.live.cdb.subarray(0, this.live.cdbLength) }
  /** Data-Out that came, or room for Data-In. */
  get data(): Segments { return this.live && this.moves }
  /** First byte on the medium. */
  get offset(): number { return this.live.offset }
  /** Bytes to move, those of `data`: fewer than the CDB asks for when the initiator has fewer. */
  get length(): number { return this.live && this.moves.length }
  /** First block and number of blocks. */
  get lba(): number { return this.live.lba }
  get blocks(): number { return this.live.blocks }
  /** On the medium before it is completed. */
  get fua(): boolean { return this.fields['fua'] === 1 }
  /** Every field of the CDB by its name; empty for commands that nobody here knows. */
  get fields(): Readonly<Record<string, number>> {
    const { row, cdb } = this.live
    return (row?.cdb.decode(cdb) ?? {}) as Readonly<Record<string, number>>
  }
  get nexus(): Nexus { return this.live.nexus }
  /** Fires when the initiator does not want it any more. It is completed all the same. */
  get signal(): AbortSignal { return this.live.signal }
  get over(): boolean { return this.ended !== undefined }

  private end(how: string): void {
    void this.live
    this.ended = how
    for (const tell of this.told.splice(0)) tell()
  }

  /** Done: READ and WRITE have moved what `data` holds. Any status but OK moves nothing. */
  complete(status: Status = Status.OK): void {
    const { task } = this
    this.end(`it was completed with ${statusNames.get(status) ?? String(status)}`)
    if (status === Status.OK && this.kind !== 'other') {
      task.transferLength = task.length
      if (this.kind === 'read') task.dataInLength = this.moves.length
    }
    this.settle.ok(status)
  }

  /** Done, with these bytes as Data-In: cut to the CDB's allocation length, and to the room there is. */
  respond(bytes: Uint8Array): void {
    const { row, cdb, expected } = this.live
    this.live.respond(bytes, row?.transfer?.(row.cdb.view(cdb), this.lun) ?? expected)
    this.complete()
  }

  /** It failed: an errno becomes the status that fits, anything else HARDWARE ERROR; the log has it. */
  fail(error: unknown): void {
    this.end('it has failed')
    this.settle.failed(error)
  }

  /** Done, with sense data of one's own (CHECK CONDITION). */
  completeWithSense(sense: Uint8Array): void {
    this.live.setSense(sense)
    this.complete(Status.PASSTHROUGH_ERR)
  }

  /** Leave it to the host: INQUIRY, capacities, mode pages, and over a `medium` every command of a disk. */
  async emulate(): Promise<void> {
    const { task, lun } = this
    this.end('it was left to the host')
    try {
      this.settle.ok(await emulate(lun, task))
    } catch (e) {
      this.settle.failed(e)
    }
  }

  /** For the queue: the command ends although nobody completed it. */
  expire(status: Status, how: string): void {
    this.end(how)
    this.settle.ok(status)
  }

  /** Calls `fn` when it is over. */
  whenOver(fn: () => void): void {
    if (this.over) fn()
    else this.told.push(fn)
  }
}

/** What READ and WRITE have to pass besides. */
function refuseMove(lun: Lun, task: Task): Status | undefined {
  const kind = kindOf(task)
  if (kind === 'other') return undefined
  const { row, cdb } = task
  if (kind === 'write' && noDataOut(task)) return Status.INVALID_CDB
  return refuseTransfer(lun, task, (row!.cdb.decode(cdb) as { protect?: number }).protect ?? 0)
}

/** The command as a program is to see it, or the status that refuses it: beyond the last block, write protected, malformed. */
export function commandFor(task: Task, lun: Lun): Status | { readonly command: PulledCommand; readonly result: Result } {
  const refused = admit(lun, task) ?? refuseMove(lun, task)
  if (refused !== undefined) return refused
  let settle: Settle | undefined
  const result = new Promise<Status>((ok, failed) => (settle = { ok, failed }))
  return { command: new PulledCommand(task, lun, settle!), result }
}
