import { noData } from '../wire'
import { abortWith, OwnTask } from './ask'
import type { LogicalUnit, Nexus } from './lun'
import { sam, Status, statusTable } from './status'
import type { Task } from './task'

/** Statuses that say no more than their SAM status does. */
const bySam: ReadonlyMap<number, Status> = new Map(
  statusTable.filter((row) => !row.sense).map((row) => [row.sam, Status[row.name]] as const).reverse(),
)

/** What another unit said of a command, as the status to return for `task`: sense data goes along as it came. */
export function passOn(task: Task, said: { readonly status: number; readonly sense: Uint8Array }): Status {
  if (said.status === sam.CHECK_CONDITION) {
    task.setSense(said.sense)
    return Status.PASSTHROUGH_ERR
  }
  return bySam.get(said.status) ?? Status.HW_ERR
}

/**
 * Sends commands of one unit on to another of this process: CDB, data (the same memory), abort, status, sense data and
 * residual. Initiators keep apart there too: each nexus has one of its own behind it.
 */
export class Forwarder {
  private readonly nexuses = new Map<Nexus, Nexus>()

  constructor(readonly unit: LogicalUnit) {}

  private nexusFor(outer: Nexus): Nexus {
    const known = this.nexuses.get(outer)
    if (known) return known
    const own: Nexus = Object.freeze({ name: `${outer.name} (forwarded)` })
    this.nexuses.set(outer, own)
    this.unit.join(own)
    return own
  }

  /** Resolves to the status to return for `task`. */
  forward(task: Task): Promise<Status> {
    const { unit } = this
    return new Promise((resolve) => {
      let forget = (): void => undefined
      let ended = false
      const inner = new OwnTask(this.nexusFor(task.nexus), task.cdb.subarray(0, task.cdbLength), () => {
        ended = true
        forget()
        task.transferLength = inner.transferLength
        task.dataInLength = inner.dataInLength
        resolve(passOn(task, { status: inner.status, sense: inner.sense.subarray(0, inner.senseLength) }))
      })
      inner.direction = task.direction
      inner.expected = task.expected
      const length = Math.min(task.data.length, unit.transferOf(inner))
      inner.data = length === 0 ? noData : length === task.data.length ? task.data : task.data.slice(0, length)
      unit.execute(inner)
      if (!ended) forget = abortWith(task.signal, unit, inner)
    })
  }

  /** An initiator has gone. */
  leave(nexus: Nexus): void {
    const own = this.nexuses.get(nexus)
    if (own) this.unit.leave(own)
    this.nexuses.delete(nexus)
  }

  close(): void {
    for (const nexus of [...this.nexuses.keys()]) this.leave(nexus)
  }
}
