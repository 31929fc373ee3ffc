import { Rw16 } from '../cdb'
import { command } from '../command-table'
import type { LogicalUnit, Nexus, Result } from '../lun'
import { op } from '../opcodes'
import { Status } from '../status'
import { Task } from '../task'

export interface Stretch {
  readonly offset: number
  readonly length: number
}

const hold = (_lun: unknown, task: Task): Result => (task as Lease).held()
const common = {
  cdb: Rw16, dataDirection: 'none', extent: { lba: (c: { lba: number }) => c.lba, blocks: (c: { blocks: number }) => c.blocks },
  allowed: { attention: true }, run: hold,
} as const
/** What the copy manager asks of the units it copies between: commands like any other, that last as long as a segment does. */
const rows = {
  read: command({ ...common, op: op.READ_16, name: 'EXTENDED COPY (source)', access: 'read', exclusive: 'unchanged' }),
  write: command({ ...common, op: op.WRITE_16, name: 'EXTENDED COPY (destination)', access: 'write', exclusive: true }),
} as const

/**
 * A range of a unit, held for one segment of a copy by a command of its own there: reservations, write protection, access
 * state, capacity and other commands on the range are seen to as for the initiator's own reads and writes.
 */
export class Lease extends Task {
  private granted: (yes: boolean) => void = () => undefined
  private letGo: { ok: (status: Status) => void; failed: (error: unknown) => void } | undefined
  private readonly over: Promise<void>
  private ended: () => void = () => undefined

  constructor(readonly nexus: Nexus, readonly unit: LogicalUnit, private readonly use: keyof typeof rows, range: Stretch, also?: Stretch) {
    super()
    this.over = new Promise((resolve) => (this.ended = resolve))
    const { blockSize } = unit
    this.cdb.set(Rw16.encode({ op: rows[use].op, lba: range.offset / blockSize, blocks: range.length / blockSize }))
    this.cdbLength = Rw16.size
    this.also = also
  }

  /** Whether the range is ours now; otherwise the unit has said why in `status` and `sense`. */
  take(): Promise<boolean> {
    return new Promise((resolve) => {
      this.granted = resolve
      this.unit.perform(this, rows[this.use])
    })
  }

  /** The unit lets it run. */
  held(): Promise<Status> {
    return new Promise((ok, failed) => {
      this.letGo = { ok, failed }
      this.granted(true)
    })
  }

  /** Give the range back; a status or error is what became of it, and turns into `status` and `sense`. */
  async end(status: Status, error?: unknown): Promise<void> {
    if (error !== undefined) this.letGo?.failed(error)
    else this.letGo?.ok(status)
    await this.over
  }

  finish(): void {
    this.ended()
    this.granted(false)
  }
}
