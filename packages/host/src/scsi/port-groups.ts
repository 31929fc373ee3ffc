import { op } from './opcodes'
import type { Nexus, Result } from './lun'
import { Status } from './status'

/** ASYMMETRIC ACCESS STATE (SPC-4 6.37, table 308). */
export const accessState = {
  OPTIMIZED: 0x0, NON_OPTIMIZED: 0x1, STANDBY: 0x2, UNAVAILABLE: 0x3, LBA_DEPENDENT: 0x4, OFFLINE: 0xe, TRANSITIONING: 0xf,
} as const
export type AccessState = (typeof accessState)[keyof typeof accessState]

/** STATUS CODE: what moved a group into its state (SPC-4 6.37, table 309). */
export const transitionCause = { NONE: 0, EXPLICIT: 1, IMPLICIT: 2 } as const
/** TPGS of the standard INQUIRY data (SPC-4 6.6.2, table 141), as bits: who may change states. */
export const tpgs = { NONE: 0, IMPLICIT: 1, EXPLICIT: 2, BOTH: 3 } as const

/** One target port group as REPORT TARGET PORT GROUPS tells of it. */
export interface PortGroup {
  readonly id: number
  readonly state: AccessState
  readonly supported: ReadonlySet<AccessState>
  readonly preferred: boolean
  readonly cause: number
  /** Relative target port identifiers. */
  readonly ports: readonly number[]
}

/** A state that an initiator asks a group to take. */
export interface StateRequest {
  readonly id: number
  readonly state: number
}

/** The target port groups through which a logical unit is reached (SPC-4 5.11). */
export interface PortGroups {
  /** A value of `tpgs`; NONE while there are no groups. */
  readonly tpgs: number
  /** IMPLICIT TRANSITION TIME in seconds, 0 when it is not known. */
  readonly transitionSeconds: number
  /** Look anew at what is there; nothing when what is known is new enough. Never rejects. */
  refresh(): Promise<void> | undefined
  /** What there is now, or the status that the question ends with. */
  report(): readonly PortGroup[] | Status | Promise<readonly PortGroup[] | Status>
  /** Each request names a group of its own; nothing of a group or state is checked yet. All but `by` hear of what changes. */
  request(wanted: readonly StateRequest[], by?: Nexus): Result
  /** State of the port that a nexus comes through; undefined where whoever carries the commands checks that already. */
  stateOf?(nexus: Nexus): AccessState | undefined
  /** `fn` is called after `tpgs` changed. */
  watch(fn: () => void): void
}

/** Whether a unit has target port groups for initiators to ask about. */
export const hasPortGroups = (lun: { readonly portGroups?: PortGroups | undefined }): boolean => (lun.portGroups?.tpgs ?? tpgs.NONE) !== tpgs.NONE

const always = [op.INQUIRY, op.REPORT_LUNS, op.REQUEST_SENSE] as const
const report = [...always, op.MAINTENANCE_IN] as const
const change = [...report, op.MAINTENANCE_OUT] as const
const describing = [
  op.LOG_SENSE, op.MODE_SENSE_6, op.MODE_SENSE_10, op.MODE_SELECT_6, op.MODE_SELECT_10, op.PERSISTENT_RESERVE_IN, op.PERSISTENT_RESERVE_OUT,
  op.SEND_DIAGNOSTIC,
] as const

/** What a port in each state does not carry: the status, and the operation codes that go through all the same (SPC-4 5.11.2). */
const closed: ReadonlyMap<AccessState, { readonly status: Status; readonly through: ReadonlySet<number> }> = new Map([
  [accessState.STANDBY, { status: Status.FENCED, through: new Set<number>([...change, ...describing]) }],
  [accessState.UNAVAILABLE, { status: Status.PORT_UNAVAILABLE, through: new Set<number>(change) }],
  [accessState.OFFLINE, { status: Status.PORT_OFFLINE, through: new Set<number>(always) }],
  [accessState.TRANSITIONING, { status: Status.TRANSITION, through: new Set<number>(report) }],
])

/** The status that a command ends with because of the state of its port; undefined lets it through. */
export function refusedBy(state: AccessState | undefined, opcode: number): Status | undefined {
  const rule = state === undefined ? undefined : closed.get(state)
  return rule && !rule.through.has(opcode) ? rule.status : undefined
}
