import {
  command, type CommandRow, CommandTable, layout, type LogicalUnit, type LunExtension, type Nexus, sam, Segments, skip, Status, statusRow, Task, u8,
} from '@tcmu/host/scsi'
import { BasicList, InCdb, MoveList, OutCdb, TransportIdList } from '../reservations/layouts'
import { createReservations, type ReservationOptions, type Reservations } from '../reservations/reservations'
import { keyBytes } from '../reservations/reports'
import { encodeTransportId } from '../reservations/transport-id'
import { type Identity, type Key, NO_KEY } from '../reservations/types'

/** For tests: a nexus that is a name, an ISID and a port. */
export class FakeNexus implements Nexus {
  constructor(readonly initiator: string, readonly isid = '000000000001', readonly port = 1) {}
  get name(): string {
    return `${this.initiator},i,0x${this.isid}`
  }
}

export class FakeTask extends Task {
  readonly done: Promise<this>
  result: Status = Status.NOT_HANDLED
  finished = 0
  private resolve!: (t: this) => void
  constructor(readonly nexus: Nexus, cdb: Uint8Array, data: Uint8Array) {
    super()
    this.cdb.set(cdb)
    this.cdbLength = cdb.length
    this.data = Segments.of(data)
    this.expected = data.length
    this.done = new Promise((r) => (this.resolve = r))
  }
  finish(): void {
    this.finished++
    this.resolve(this)
  }
  get dataIn(): Uint8Array {
    return this.data.toBuffer().subarray(0, this.dataInLength)
  }
}

const Plain = layout('plain', { op: u8, reserved: skip(5) })
const row = (op: number, name: string, access: 'none' | 'read' | 'write'): CommandRow =>
  command({ op, name, cdb: Plain, access, dataDirection: 'none', run: () => Status.OK })

/** For tests: unit attentions first, then reservations, then commands that do nothing; WRITE(10) of LBA 1 hangs until aborted. */
export class FakeLun {
  readonly attentions = new Map<Nexus, Status[]>()
  readonly live = new Set<FakeTask>()
  readonly reservations: Reservations
  private readonly table: CommandTable
  private readonly extension: LunExtension

  constructor(options: Partial<ReservationOptions> = {}) {
    this.reservations = createReservations(this as unknown as LogicalUnit, {
      port: { relativeId: 1 },
      nexusInfo: (n) => {
        const { initiator, isid, port } = n as FakeNexus
        return { initiatorName: initiator, isid, relativePort: port, targetPort: `iqn.2026-11.test:t,t,0x000${port}` }
      },
      ...options,
    })
    this.extension = this.reservations.extension
    const plain = [row(0x00, 'TEST UNIT READY', 'none'), row(0x12, 'INQUIRY', 'none'), row(0x1a, 'MODE SENSE(6)', 'none'), row(0x28, 'READ(10)', 'read')]
    this.table = new CommandTable([...plain, row(0x2a, 'WRITE(10)', 'write'), ...this.extension.rows!])
  }

  attend(nexus: Nexus, status: Status): void {
    this.attentions.set(nexus, [...(this.attentions.get(nexus) ?? []), status])
  }

  async abort(which: (task: Task) => boolean): Promise<number> {
    const tasks = [...this.live].filter(which)
    for (const task of tasks) task.abort()
    for (const task of tasks) if (task.result === Status.NOT_HANDLED && task.cdb[0] === 0x2a) this.settle(task, Status.ABORTED)
    await Promise.all(tasks.map((t) => t.done))
    return tasks.length
  }

  private settle(task: FakeTask, status: Status): void {
    task.result = task.aborted ? Status.ABORTED : status
    task.status = statusRow(task.result).sam
    this.live.delete(task)
    task.finish()
  }

  /** Begin a command; its task is finished when it is answered. */
  start(nexus: Nexus, cdb: Uint8Array | readonly number[], data: Uint8Array = new Uint8Array(0)): FakeTask {
    const task = new FakeTask(nexus, Uint8Array.from(cdb), data)
    this.live.add(task)
    task.row = this.table.find(task.cdb) ?? undefined
    const pending = this.attentions.get(nexus)?.[0]
    const silent = task.cdb[0] === 0x12
    if (pending !== undefined && !silent) {
      this.attentions.get(nexus)!.shift()
      this.settle(task, pending)
      return task
    }
    const result = this.extension.answer!(task)
    if (result === undefined && task.cdb[0] === 0x2a && task.cdb[5] === 1) return task
    void Promise.resolve(result ?? (task.row ? Status.OK : Status.INVALID_CMD)).then((status) => this.settle(task, status))
    return task
  }

  async run(nexus: Nexus, cdb: Uint8Array | readonly number[], data?: Uint8Array): Promise<FakeTask> {
    return this.start(nexus, cdb, data).done
  }
}

export interface OutParameters {
  readonly key?: Key
  readonly newKey?: Key
  readonly type?: number
  readonly scope?: number
  readonly aptpl?: boolean
  readonly allTgPt?: boolean
  readonly others?: readonly Identity[]
}

export const sa = { REGISTER: 0, RESERVE: 1, RELEASE: 2, CLEAR: 3, PREEMPT: 4, PREEMPT_AND_ABORT: 5, REGISTER_AND_IGNORE: 6, REGISTER_AND_MOVE: 7 } as const
export const outCdb = (serviceAction: number, p: { type?: number; scope?: number }, listLength: number): Uint8Array =>
  OutCdb.encode({ op: 0x5f, serviceAction, type: p.type ?? 0, scope: p.scope ?? 0, listLength })

export function basicList(p: OutParameters): Uint8Array {
  const list = BasicList.encode({
    key: keyBytes(p.key ?? NO_KEY), newKey: keyBytes(p.newKey ?? NO_KEY), aptpl: p.aptpl === true, allTgPt: p.allTgPt === true, specIPt: p.others !== undefined,
  })
  if (!p.others) return list
  const ids = Buffer.concat(p.others.map(encodeTransportId))
  return Buffer.concat([list, TransportIdList.encode({ length: ids.length }), ids])
}

/** PERSISTENT RESERVE OUT with the basic parameter list. */
export function out(lun: FakeLun, nexus: Nexus, serviceAction: number, p: OutParameters = {}): Promise<FakeTask> {
  const list = basicList(p)
  return lun.run(nexus, outCdb(serviceAction, p, list.length), list)
}

export function moveList(p: { key: Key; newKey: Key; to: Identity; unreg?: boolean; aptpl?: boolean }): Uint8Array {
  const id = encodeTransportId(p.to)
  const head = MoveList.encode({
    key: keyBytes(p.key), newKey: keyBytes(p.newKey), unreg: p.unreg === true, aptpl: p.aptpl === true, port: p.to.port, transportIdLength: id.length,
  })
  return Buffer.concat([head, id])
}

/** PERSISTENT RESERVE IN. */
export const inquire = (lun: FakeLun, nexus: Nexus, serviceAction: number, allocationLength = 16384): Promise<FakeTask> =>
  lun.run(nexus, InCdb.encode({ op: 0x5e, serviceAction, allocationLength }), new Uint8Array(allocationLength))

export const cdbs = {
  testUnitReady: [0, 0, 0, 0, 0, 0],
  modeSense6: [0x1a, 0, 0x3f, 0, 255, 0],
  read10: [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0],
  write10: [0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0],
  hangingWrite10: [0x2a, 0, 0, 0, 0, 1, 0, 0, 1, 0],
  reserve6: [0x16, 0, 0, 0, 0, 0],
  release6: [0x17, 0, 0, 0, 0, 0],
  reserve10: [0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  release10: [0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0],
} as const satisfies Record<string, readonly number[]>
export const { GOOD, RESERVATION_CONFLICT, CHECK_CONDITION } = sam
