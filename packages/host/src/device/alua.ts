import type { HandlerLog, LockHolder } from '../handler/types'
import { reasonOf } from '../errors'
import { accessState, type AccessState, isAccessState, type PortGroup, type PortGroups, refusedBy, type StateRequest, tpgs, transitionCause } from '../scsi'
import type { CommandRow } from '../scsi/command-table'
import type { Barrier, Nexus, Result } from '../scsi/lun'
import { Status } from '../scsi/status'
import type { DeviceLock, LockMode } from './lock'

/** Where a front end keeps the target port groups of a device. */
export interface PortGroupSource {
  readonly tpgs: number
  readonly transitionSeconds: number
  /** The groups as they were looked at last. */
  readonly groups: readonly PortGroup[]
  /** The group that commands come through; undefined while there is none. */
  readonly own: number | undefined
  refresh(): Promise<void> | undefined
  /** Record a state, which all but `by` hear of. False when it could not be. */
  setState(id: number, state: AccessState, cause: number, by?: Nexus): Promise<boolean>
  stateOf?(nexus: Nexus): AccessState | undefined
  watch(fn: () => void): void
}

export interface AluaParts {
  readonly name: string
  /** Absent when the handler has no lock. */
  readonly lock: DeviceLock | undefined
  readonly connectionLost: (why: string) => void
  readonly log: HandlerLog
}

/** Whether a command reaches the medium, and so the handler. */
const usesMedium = (row: CommandRow): boolean => row.access !== 'none' || row.extent !== undefined
/** Who moves the lock of a device with these groups. */
export function lockModeOf(groups: Pick<PortGroups, 'tpgs'> | undefined): LockMode {
  const kind = groups?.tpgs ?? tpgs.NONE
  return kind === tpgs.NONE ? 'off' : kind & tpgs.EXPLICIT ? 'explicit' : 'implicit'
}

/** What keeps commands from the medium: the state of their port, and then the lock. Undefined when nothing ever does. */
export function barrierOf(source: PortGroupSource, lock: DeviceLock | undefined): Barrier | undefined {
  if (!lock && !source.stateOf) return undefined
  // A lock that was lost is known of before anybody asks for the states.
  const shutOut = (): boolean => lock !== undefined && lock.state !== 'writeLocked' && lockModeOf(source) === 'explicit'
  const stateOf = source.stateOf && ((nexus: Nexus): AccessState | undefined => (shutOut() ? accessState.STANDBY : source.stateOf!(nexus)))
  return (task, row) => refusedBy(stateOf?.(task.nexus), row.op) ?? (lock && usesMedium(row) ? lock.admit(row.access) : undefined)
}

/** States that an initiator may ask for: with a lock, to have it or not. */
const withLock: ReadonlySet<number> = new Set([accessState.OPTIMIZED, accessState.STANDBY])
const withoutLock: ReadonlySet<number> = new Set([accessState.OPTIMIZED, accessState.NON_OPTIMIZED, accessState.STANDBY, accessState.UNAVAILABLE])

/** The port groups of a device as initiators see and change them, kept in step with the lock of its backend. */
export class DevicePortGroups implements PortGroups {
  private checking: Promise<void> | undefined

  constructor(private readonly source: PortGroupSource, private readonly parts: AluaParts) {}

  get tpgs(): number {
    return this.source.tpgs
  }
  get transitionSeconds(): number {
    return this.source.transitionSeconds
  }
  private get explicit(): boolean {
    return (this.tpgs & tpgs.EXPLICIT) !== 0
  }

  watch(fn: () => void): void {
    this.source.watch(fn)
  }

  stateOf(nexus: Nexus): AccessState | undefined {
    return this.source.stateOf?.(nexus)
  }

  refresh(): Promise<void> | undefined {
    const looked = this.source.refresh()
    return looked ? looked.then(() => this.checkLock()) : undefined
  }

  /** Only where the lock moves by itself; for explicit groups the report asks who has it. */
  private checkLock(): Promise<void> | undefined {
    const { lock, log, name } = this.parts
    if (!lock || this.explicit) return undefined
    return (this.checking ??= lock.verify()
      .catch((e: unknown) => log.error(`${name}: whether the lock is still ours: ${reasonOf(e)}`))
      .finally(() => (this.checking = undefined)))
  }

  async report(): Promise<readonly PortGroup[] | Status> {
    await this.source.refresh()
    const { source } = this
    if (source.tpgs === tpgs.NONE || source.own === undefined) return Status.INVALID_CMD
    if (this.explicit) {
      const status = await this.followHolder()
      if (status !== Status.OK) return status
    } else await this.checkLock()
    return source.groups
  }

  /** Which group is active is for the holder of the lock to say: make the states recorded here the same. */
  private async followHolder(): Promise<Status> {
    const { lock, connectionLost } = this.parts
    const said = await lock?.holder()
    if (said === undefined) return Status.OK
    if (typeof said === 'number' && said !== Status.NO_LOCK_HOLDERS) {
      if (said !== Status.BUSY) connectionLost('who has its lock was not said in time')
      return Status.BUSY
    }
    const tag = said === Status.NO_LOCK_HOLDERS ? undefined : (said as LockHolder).tag
    for (const group of this.source.groups) {
      const wanted = group.id === tag ? accessState.OPTIMIZED : accessState.STANDBY
      if (group.state !== wanted) await this.source.setState(group.id, wanted, transitionCause.IMPLICIT)
    }
    if (tag !== this.source.own) lock!.notOurs()
    return Status.OK
  }

  request(wanted: readonly StateRequest[], by?: Nexus): Result {
    return this.change(wanted, by)
  }

  private async change(wanted: readonly StateRequest[], by: Nexus | undefined): Promise<Status> {
    await this.source.refresh()
    if (!this.explicit || this.source.own === undefined) return Status.INVALID_CMD
    for (const request of wanted) {
      const refused = this.refuse(request)
      if (refused !== undefined) return refused
    }
    for (const { id, state } of wanted) {
      const status = await this.transition(id, state as AccessState, by)
      if (status !== Status.OK) return status
    }
    return Status.OK
  }

  private refuse({ id, state }: StateRequest): Status | undefined {
    const { groups, own } = this.source
    const group = groups.find((g) => g.id === id)
    if (!group) return Status.EXPL_TRANSITION_ERR
    if (!isAccessState(state) || !group.supported.has(state)) return Status.INVALID_PARAM_LIST
    if (!this.parts.lock) return withoutLock.has(state) ? undefined : Status.INVALID_PARAM_LIST
    if (!withLock.has(state)) return Status.INVALID_PARAM_LIST
    // The lock of this host serves the port of this host.
    return id === own ? undefined : Status.EXPL_TRANSITION_ERR
  }

  private async transition(id: number, state: AccessState, by: Nexus | undefined): Promise<Status> {
    const { lock } = this.parts
    if (!lock) return this.record(id, state, by)
    if (state === accessState.STANDBY) {
      await lock.release()
      return this.record(id, state, by)
    }
    const status = await lock.acquire(id)
    if (status !== Status.OK) return status === Status.HW_ERR ? Status.EXPL_TRANSITION_ERR : Status.BUSY
    for (const other of this.source.groups) {
      if (other.id === id || other.state === accessState.STANDBY) continue
      const recorded = await this.record(other.id, accessState.STANDBY, by)
      if (recorded !== Status.OK) return recorded
    }
    return this.record(id, state, by)
  }

  private async record(id: number, state: AccessState, by: Nexus | undefined): Promise<Status> {
    if (await this.source.setState(id, state, transitionCause.EXPLICIT, by)) return Status.OK
    this.parts.log.error(`${this.parts.name}: the kernel did not take state ${state} for port group ${id}`)
    return Status.EXPL_TRANSITION_ERR
  }
}
