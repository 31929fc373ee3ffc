import { type LogicalUnit, type LunExtension, type Nexus, refuseCdb, type Result, stage, Status, type Task } from '@tcmu/host/scsi'
import { Classifier, conflictsFor } from './conflicts'
import { OutCdb, Reserve6 } from './layouts'
import { releaseUnit, reserveUnit } from './legacy'
import { parseOut } from './parameters'
import { readFullStatus, readKeys, readReservation, reportCapabilities } from './reports'
import { type Report, reservationRows, type RowHandlers } from './rows'
import { persistentReserveOut } from './state'
import { persistentOf, type ReservationStore, stateFrom } from './store'
import { type Identity, idOf, type Outcome, type State } from './types'
import { registrationOf } from './value'

/** What a nexus is made of. */
export interface NexusInfo {
  readonly initiatorName: string
  /** 12 hexadecimal digits. */
  readonly isid: string
  /** Name of the target port, e.g. `iqn...,t,0x0001`. */
  readonly targetPort: string
  readonly relativePort: number
}

export interface ReservationOptions {
  readonly port: { readonly relativeId: number; readonly groupName?: string }
  /** Relative identifiers of all target ports of the device. Left out: `port` alone. */
  readonly ports?: readonly number[]
  readonly nexusInfo: (nexus: Nexus) => NexusInfo
  /** Left out: nothing outlives the process, and APTPL is refused. */
  readonly store?: ReservationStore
  /**
   * End the tasks of preempted nexuses, all but `except`; resolves when they have ended. Left out: those that the logical
   * unit has. A front end whose commands wait for their Data-Out before the unit sees them has to end those too.
   */
  readonly abortTasks?: (lun: LogicalUnit, nexuses: ReadonlySet<Nexus>, except: Task) => Promise<unknown>
  /** Told when the store failed; the command was then answered with HARDWARE ERROR and changed nothing. */
  readonly onStoreError?: (error: Error) => void
}

/** Reservations of one logical unit. */
export interface Reservations {
  readonly extension: LunExtension
  readonly state: State
  /** A session begins, or ends (logout, connection loss, reinstatement): SPC-2 reservations end with it. */
  nexusJoined(nexus: Nexus): void
  nexusLost(nexus: Nexus): void
  /** LOGICAL UNIT RESET, target reset: SPC-2 reservations end, persistent ones stay. */
  reset(): void
}

/** A nexus with a session, and the classes of commands that conflict for it now. */
interface Link {
  readonly nexus: Nexus
  readonly who: Identity
  readonly id: string
  conflicts: number
}

const abortLive = (lun: LogicalUnit, nexuses: ReadonlySet<Nexus>, except: Task): Promise<unknown> =>
  lun.abort((task) => task !== except && nexuses.has(task.nexus))

type Change = (state: State, who: Identity) => Outcome

const SERVICE_ACTION = { byte: 1, bit: 4 }

class LunReservations implements Reservations {
  state: State
  readonly extension: LunExtension
  private readonly links = new Map<Nexus, Link>()
  private readonly classifier = new Classifier()
  private readonly operationCodes: ReadonlySet<number>
  private readonly ports: readonly number[]
  /** A save under way; what changes the state waits for it. */
  private saving: Promise<void> | undefined

  constructor(private readonly lun: LogicalUnit, private readonly options: ReservationOptions) {
    this.state = stateFrom(options.store?.load())
    this.ports = options.ports ?? [options.port.relativeId]
    const rows = reservationRows(this.handlers())
    this.operationCodes = new Set(rows.map((row) => row.op))
    this.extension = { name: 'reservations', rows, stage: stage.reservation, answer: (task) => this.answer(task) }
  }

  private handlers(): RowHandlers {
    return {
      report: (task, report, allocationLength) => this.report(task, report, allocationLength),
      out: (task, action, cdb) => {
        if (this.state.legacy !== undefined) return Status.RESERVATION_CONFLICT
        const own = this.linkOf(task.nexus).who.port
        const request = parseOut(action, task, cdb, { own, all: this.ports, persistent: this.options.store !== undefined })
        if (typeof request === 'number') return request
        return this.change(task, (state, who) => persistentReserveOut(state, who, request), action === 'PREEMPT AND ABORT')
      },
      unit: (task, what, cdb) => {
        if (cdb.thirdParty || cdb.extent) return task.invalidCdb(Reserve6.at.extent, cdb.extent ? 0 : 4)
        return this.change(task, what === 'reserve' ? reserveUnit : releaseUnit)
      },
    }
  }

  /** Stands before the owner in the answer chain: these commands are answered here, conflicts end here. */
  private answer(task: Task): Result | undefined {
    if (this.operationCodes.has(task.cdb[0])) return this.own(task)
    if (this.state.reservation === undefined && this.state.legacy === undefined) return undefined
    const conflicts = this.linkOf(task.nexus).conflicts
    return conflicts !== 0 && (conflicts & this.classifier.classOf(task)) !== 0 ? Status.RESERVATION_CONFLICT : undefined
  }

  private own(task: Task): Result {
    const row = task.row
    if (!row) return task.invalidCdb(SERVICE_ACTION.byte, SERVICE_ACTION.bit)
    return refuseCdb(task, row, this.lun.strictCdb) ?? row.run(this.lun, task, row.cdb.view(task.cdb) as never)
  }

  private report(task: Task, report: Report, allocationLength: number): Result {
    if (this.state.legacy !== undefined) return Status.RESERVATION_CONFLICT
    const data = {
      keys: readKeys, reservation: readReservation, 'full status': readFullStatus,
      capabilities: (state: State) => reportCapabilities(state, this.options.store !== undefined),
    }[report](this.state)
    return task.respond(data, allocationLength)
  }

  private linkOf(nexus: Nexus): Link {
    const known = this.links.get(nexus)
    if (known) return known
    const { initiatorName, isid, relativePort } = this.options.nexusInfo(nexus)
    const who = { initiator: initiatorName.toLowerCase(), isid: isid.toLowerCase(), port: relativePort }
    const link: Link = { nexus, who, id: idOf(who), conflicts: conflictsFor(this.state, who) }
    this.links.set(nexus, link)
    return link
  }

  private change(task: Task, change: Change, abort = false): Result {
    if (this.saving) return this.saving.then(() => this.change(task, change, abort))
    if (task.aborted) return Status.ABORTED
    const before = this.state
    const outcome = change(before, this.linkOf(task.nexus).who)
    if (outcome.status !== Status.OK) return this.refusal(task, outcome.status)
    const { store } = this.options
    const keep = store && outcome.state !== before && (before.aptpl || outcome.state.aptpl)
    if (keep) return this.save(store, outcome).then((saved) => (saved ? this.settle(task, before, outcome, abort) : Status.HW_ERR))
    this.commit(before, outcome)
    return this.settle(task, before, outcome, abort)
  }

  private refusal(task: Task, status: Status): Status {
    return status === Status.INVALID_CDB ? task.invalidCdb(OutCdb.at.type) : status
  }

  /** GOOD is sent only for what would outlive a loss of power. Resolves to whether the change was made. */
  private save(store: ReservationStore, outcome: Outcome): Promise<boolean> {
    const before = this.state
    const saved = store.save(persistentOf(outcome.state)).then(
      () => {
        this.commit(before, outcome)
        return true
      },
      (e: unknown) => {
        this.options.onStoreError?.(e as Error)
        return false
      },
    )
    this.saving = saved.then(() => {
      this.saving = undefined
    })
    return saved
  }

  private commit(before: State, outcome: Outcome): void {
    for (const { id, status } of outcome.notices) for (const link of this.linksOf(before, id)) this.lun.attend(link.nexus, status)
    this.become(outcome.state)
  }

  private become(state: State): void {
    this.state = state
    for (const link of this.links.values()) link.conflicts = conflictsFor(state, link.who)
  }

  /** The sessions that a registration of `state` covers. */
  private linksOf(state: State, id: string): Link[] {
    return [...this.links.values()].filter((link) => registrationOf(state, link.who)?.id === id)
  }

  /** PREEMPT AND ABORT: the tasks of preempted nexuses have ended before its own status is sent (SPC-4 5.13.11.5). */
  private settle(task: Task, before: State, outcome: Outcome, abort: boolean): Result {
    if (!abort || !outcome.preempted.length) return Status.OK
    const nexuses = new Set(outcome.preempted.flatMap((id) => this.linksOf(before, id)).map((link) => link.nexus))
    const { abortTasks = abortLive } = this.options
    return abortTasks(this.lun, nexuses, task).then(() => Status.OK)
  }

  nexusJoined(nexus: Nexus): void {
    this.linkOf(nexus)
  }

  nexusLost(nexus: Nexus): void {
    const link = this.links.get(nexus)
    if (!link) return
    this.links.delete(nexus)
    const replaced = [...this.links.values()].some((other) => other.id === link.id)
    if (this.state.legacy === link.id && !replaced) this.reset()
  }

  reset(): void {
    if (this.state.legacy !== undefined) this.become({ ...this.state, legacy: undefined })
  }
}

/**
 * Persistent reservations (SPC-4 5.13) and RESERVE/RELEASE (SPC-2) of a logical unit; give `extension` to `lun.extend`.
 * Throws a ReservationStoreError when the kept state cannot be read.
 */
export const createReservations = (lun: LogicalUnit, options: ReservationOptions): Reservations => new LunReservations(lun, options)
