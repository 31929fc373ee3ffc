import type { Status } from '@tcmu/host/scsi'

/** SPC-4 6.15.3.4 TYPE field. RO: registrants only, AR: all registrants. */
export const ReservationType = {
  WRITE_EXCLUSIVE: 1,
  EXCLUSIVE_ACCESS: 3,
  WRITE_EXCLUSIVE_RO: 5,
  EXCLUSIVE_ACCESS_RO: 6,
  WRITE_EXCLUSIVE_AR: 7,
  EXCLUSIVE_ACCESS_AR: 8,
} as const
export type ReservationType = (typeof ReservationType)[keyof typeof ReservationType]

const types: ReadonlySet<number> = new Set(Object.values(ReservationType))
export const isReservationType = (type: unknown): type is ReservationType => types.has(type as number)

/** Every registrant holds it, and losing one does not end it. */
export const isAllRegistrants = (type: ReservationType): boolean =>
  type === ReservationType.WRITE_EXCLUSIVE_AR || type === ReservationType.EXCLUSIVE_ACCESS_AR
/** Registrants are told when it ends (SPC-4 5.13.11.2). */
export const concernsRegistrants = (type: ReservationType): boolean =>
  isAllRegistrants(type) || type === ReservationType.WRITE_EXCLUSIVE_RO || type === ReservationType.EXCLUSIVE_ACCESS_RO

/** A reservation key: 16 lower case hexadecimal digits. */
export type Key = string
export const NO_KEY: Key = '0'.repeat(16)

/** Who an I_T nexus is, whichever session it has at the moment; registrations outlive sessions. */
export interface Identity {
  /** iSCSI name of the initiator, lower case. */
  readonly initiator: string
  /** 12 hexadecimal digits; empty: any port of that initiator (TransportID format 00b). */
  readonly isid: string
  /** Relative target port identifier. */
  readonly port: number
}
/** Text that tells identities apart. */
export const idOf = (who: Identity): string => `${who.initiator},i,0x${who.isid},t,${who.port}`

export interface Registration extends Identity {
  readonly id: string
  readonly key: Key
}

export interface Reservation {
  readonly type: ReservationType
  /** `id` of the registration that holds it; empty when all registrants do. */
  readonly holder: string
}

/** Everything that PERSISTENT RESERVE OUT and RESERVE/RELEASE change. Values are never modified, only replaced. */
export interface State {
  /** PRGENERATION, 32 bits, zero after power on. */
  readonly generation: number
  /** The registrations and the reservation outlive a loss of power. */
  readonly aptpl: boolean
  /** By `id`, in order of registration. */
  readonly registrations: ReadonlyMap<string, Registration>
  readonly reservation: Reservation | undefined
  /** `id` of the nexus that holds an SPC-2 RESERVE; never together with registrations. */
  readonly legacy: string | undefined
}

/** A unit attention for the nexuses of a registration. */
export interface Notice {
  readonly id: string
  readonly status: Status
}

/** What a command makes of a state. With a status other than OK the state is the one that was. */
export interface Outcome {
  readonly state: State
  readonly status: Status
  readonly notices: readonly Notice[]
  /** `id` of the registrations that were preempted: PREEMPT AND ABORT ends their tasks. */
  readonly preempted: readonly string[]
}

/** Names of the PERSISTENT RESERVE OUT service actions. */
export type OutAction =
  | 'REGISTER' | 'RESERVE' | 'RELEASE' | 'CLEAR' | 'PREEMPT' | 'PREEMPT AND ABORT' | 'REGISTER AND IGNORE EXISTING KEY' | 'REGISTER AND MOVE'

/** A PERSISTENT RESERVE OUT command, taken apart. */
export interface OutRequest {
  readonly action: OutAction
  readonly scope: number
  readonly type: number
  /** RESERVATION KEY. */
  readonly key: Key
  /** SERVICE ACTION RESERVATION KEY. */
  readonly newKey: Key
  readonly aptpl: boolean
  /** Relative identifiers of the target ports to register on: the one asked through, or all (ALL_TG_PT). */
  readonly ports: readonly number[]
  /** SPEC_I_PT: the initiator ports listed; their `port` counts for nothing. */
  readonly others?: readonly Identity[]
  /** REGISTER AND MOVE: to whom, and whether the old holder is unregistered. */
  readonly move?: { readonly to: Identity; readonly unregister: boolean }
}
