import {
  association, designatorType, type LogicalUnit, type LunExtension, nameString, type PortIdentity, portNumber, protocol, Status, versionDescriptor,
} from '@tcmu/host/scsi'
import { absentLun, type Responder, wellKnownLun } from './absent'
import { PortalError } from './errors'
import { lunNumber, MAX_LUN, WELL_KNOWN_REPORT_LUNS } from './lun-address'
import { PORTAL_GROUP_TAG } from './login'
import { reportLunsRow } from './report-luns'
import type { IscsiNexus } from './nexus'
import type { Session } from './session'

/** Relative target port identifier of the one portal group. */
export const RELATIVE_PORT = 1

/** Name of the target port: the portal group of the target (RFC 7143 4.4.1). */
export const targetPortName = (target: string): string => `${target},t,0x${PORTAL_GROUP_TAG.toString(16).padStart(4, '0')}`

/** What else hears of the life of nexuses and logical units: reservations. */
export interface LunObserver {
  /** Called before the first command of a unit. */
  readonly extension: (lu: LogicalUnit) => LunExtension
  readonly nexusJoined: (lu: LogicalUnit, nexus: IscsiNexus) => void
  readonly nexusLost: (lu: LogicalUnit, nexus: IscsiNexus) => void
  readonly reset: (lu: LogicalUnit) => void
}

/** The iSCSI target node: its logical units and the sessions on it. */
export class Target {
  readonly luns = new Map<number, LogicalUnit>()
  readonly sessions = new Set<Session>()
  /** Sessions that are over, with commands that have not ended yet. */
  private readonly parting = new Set<Session>()
  private readonly numbers = (): Iterable<number> => this.luns.keys()
  private readonly absent: Responder = absentLun(this.numbers)
  private readonly wellKnown: Responder = wellKnownLun(this.numbers)
  private readonly port: PortIdentity

  constructor(readonly name: string, private readonly observers: readonly LunObserver[] = [], group?: { readonly id: number; readonly relativePort: number }) {
    this.port = Object.freeze({
      versionDescriptor: versionDescriptor.ISCSI,
      designators: [
        portNumber(designatorType.RELATIVE_TARGET_PORT, group?.relativePort ?? RELATIVE_PORT, protocol.ISCSI),
        ...(group ? [portNumber(designatorType.TARGET_PORT_GROUP, group.id, protocol.ISCSI)] : []),
        nameString(targetPortName(name), association.TARGET_PORT, protocol.ISCSI),
        nameString(name, association.TARGET_DEVICE, protocol.ISCSI),
      ],
    })
  }

  /** Throws E_LUN_NUMBER or E_LUN_TAKEN. Sessions that there are hear that the list has changed. */
  addLun(number: number, lu: LogicalUnit): void {
    if (!Number.isInteger(number) || number < 0 || number > MAX_LUN) throw new PortalError('E_LUN_NUMBER', { number })
    if (this.luns.has(number)) throw new PortalError('E_LUN_TAKEN', { number, target: this.name })
    lu.extend({ name: 'iscsi', rows: [reportLunsRow(this.numbers)], port: () => this.port, units: () => this.luns.values() })
    for (const observer of this.observers) lu.extend(observer.extension(lu))
    this.lunsChanged()
    this.luns.set(number, lu)
    for (const session of this.sessions) this.enter(session, lu)
  }

  /** Resolves when no command of a session is left on it. */
  async removeLun(number: number): Promise<void> {
    const lu = this.luns.get(number)
    if (!lu) return
    this.luns.delete(number)
    this.lunsChanged()
    await Promise.all([...this.sessions].map((session) => this.leave(session, lu)))
  }

  private lunsChanged(): void {
    for (const lu of this.luns.values()) lu.attention(Status.LUNS_CHANGED)
  }

  find(high: number, low: number): Responder {
    const number = lunNumber(high, low)
    return this.luns.get(number) ?? (number === WELL_KNOWN_REPORT_LUNS ? this.wellKnown : this.absent)
  }

  unit(high: number, low: number): LogicalUnit | undefined {
    return this.luns.get(lunNumber(high, low))
  }

  /**
   * The session of the same initiator port, which a new login ends (RFC 7143 6.3.5 session reinstatement), or whose last
   * commands it has to wait for: a write of the old session must not come down on one of the new.
   */
  sessionOf(nexusName: string): Session | undefined {
    for (const some of [this.sessions, this.parting]) for (const session of some) if (session.nexus.name === nexusName) return session
    return undefined
  }

  join(session: Session): void {
    this.sessions.add(session)
    for (const lu of this.luns.values()) this.enter(session, lu)
  }

  /**
   * A new nexus hears of power on or the loss of the one before it (SAM-5 6.2, 6.3.4). One code for both: measured,
   * iscsi-ls gives up on 29/01 and 29/07.
   */
  private enter(session: Session, lu: LogicalUnit): void {
    lu.join(session.nexus)
    for (const observer of this.observers) observer.nexusJoined(lu, session.nexus)
    lu.attend(session.nexus, Status.POWER_ON)
  }

  /** The nexus is lost: its commands end without an answer. */
  async part(session: Session): Promise<void> {
    this.sessions.delete(session)
    this.parting.add(session)
    try {
      await Promise.all([...this.luns.values()].map((lu) => this.leave(session, lu)))
    } finally {
      this.parting.delete(session)
    }
  }

  private async leave(session: Session, lu: LogicalUnit): Promise<void> {
    for (const observer of this.observers) observer.nexusLost(lu, session.nexus)
    await lu.abort((task) => task.nexus === session.nexus)
    lu.leave(session.nexus)
  }

  async reset(lu: LogicalUnit): Promise<void> {
    for (const observer of this.observers) observer.reset(lu)
    await lu.reset()
  }
}
