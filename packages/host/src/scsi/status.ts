import { descriptorSense, fixedSense, sense, type SenseCode, type SenseDetail, type SenseKey, senseKey as k } from './sense'

/** SAM-5 5.3.1 status codes. */
export const sam = {
  GOOD: 0x00,
  CHECK_CONDITION: 0x02,
  CONDITION_MET: 0x04,
  BUSY: 0x08,
  RESERVATION_CONFLICT: 0x18,
  TASK_SET_FULL: 0x28,
  ACA_ACTIVE: 0x30,
  TASK_ABORTED: 0x40,
} as const

/** What a status returned by code becomes on the wire. */
export interface StatusRow {
  readonly name: StatusName
  readonly sam: number
  /**
   * The field of the CDB that an ILLEGAL REQUEST points at when whoever refused pointed at nothing (SPC-4 4.5.2.4.2): the
   * first of these that the command has.
   */
  readonly points?: readonly string[]
  /** Present with CHECK CONDITION only; `'task'` takes the sense data the handler put into the task. */
  readonly sense?: { readonly key: SenseKey; readonly code: SenseCode } | 'task'
}

/**
 * The outcome of a command, as handlers and the generic layer return it. 0 to 28 are the numbers of the C runner's
 * handler API; the names say what the initiator is told.
 */
export const Status = {
  /** Not an answer: whoever is next in the chain, or the emulation of an optional hook, takes the command. */
  NOT_HANDLED: -1,
  OK: 0,
  NO_RESOURCE: 1,
  /** CHECK CONDITION with the sense data set by `task.setSense`. */
  PASSTHROUGH_ERR: 2,
  BUSY: 3,
  WR_ERR: 4,
  RD_ERR: 5,
  MISCOMPARE: 6,
  INVALID_CMD: 7,
  INVALID_CDB: 8,
  INVALID_PARAM_LIST: 9,
  INVALID_PARAM_LIST_LEN: 10,
  TIMEOUT: 11,
  FENCED: 12,
  HW_ERR: 13,
  RANGE: 14,
  FRMT_IN_PROGRESS: 15,
  CAPACITY_CHANGED: 16,
  NOTSUPP_SAVE_PARAMS: 17,
  WR_ERR_INCOMPAT_FRMT: 18,
  TRANSITION: 19,
  IMPL_TRANSITION_ERR: 20,
  EXPL_TRANSITION_ERR: 21,
  NO_LOCK_HOLDERS: 22,
  NOTSUPP_SEG_DESC_TYPE: 23,
  NOTSUPP_TGT_DESC_TYPE: 24,
  CP_TGT_DEV_NOTCONN: 25,
  INVALID_CP_TGT_DEV_TYPE: 26,
  TOO_MANY_SEG_DESC: 27,
  TOO_MANY_TGT_DESC: 28,
  // Additions of this host.
  WRITE_PROTECTED: 32,
  SPACE_FAILED: 33,
  NOT_READY: 34,
  BECOMING_READY: 35,
  STOPPED: 36,
  LU_NOT_SUPPORTED: 37,
  RESERVATION_CONFLICT: 38,
  ABORTED: 39,
  CONDITION_MET: 40,
  POWER_ON: 41,
  BUS_DEVICE_RESET: 42,
  MODE_CHANGED: 43,
  LUNS_CHANGED: 44,
  RESERVATIONS_PREEMPTED: 45,
  RESERVATIONS_RELEASED: 46,
  REGISTRATIONS_PREEMPTED: 47,
  COMMANDS_CLEARED: 48,
  NEXUS_LOSS: 49,
  INSUFFICIENT_REGISTRATION: 50,
  MEDIUM_NOT_PRESENT: 51,
  MEDIUM_CHANGED: 52,
  REMOVAL_PREVENTED: 53,
  NOT_READY_DEVICE: 54,
  PARAMETER_VALUE: 55,
  INVALID_RELEASE: 56,
  PORT_UNAVAILABLE: 64,
  PORT_OFFLINE: 65,
  ACCESS_STATE_CHANGED: 66,
  SANITIZE_IN_PROGRESS: 80,
  FORMAT_CORRUPTED: 81,
  FORMAT_FAILED: 82,
  SANITIZE_FAILED: 83,
  COPY_FAILED: 84,
  COPY_INEXACT: 85,
  OPERATION_IN_PROGRESS: 86,
  SOFT_THRESHOLD: 87,
  LOG_CHANGED: 57,
  SELF_TEST_FAILED: 59,
  SELF_TEST_RUNNING: 60,
} as const
export type StatusName = keyof typeof Status
export type Status = (typeof Status)[StatusName]

const check = (key: SenseKey, code: SenseCode): Omit<StatusRow, 'name'> => ({ sam: sam.CHECK_CONDITION, sense: { key, code } })
const plain = (code: number): Omit<StatusRow, 'name'> => ({ sam: code })
/** An ILLEGAL REQUEST, and the fields of a CDB it speaks of. */
const illegal = (code: SenseCode, ...points: readonly string[]): Omit<StatusRow, 'name'> => ({ ...check(k.ILLEGAL_REQUEST, code), ...(points.length && { points }) })
const invalid = illegal(sense.INVALID_COMMAND_OPERATION_CODE, 'op')

const rows: Record<StatusName, Omit<StatusRow, 'name'>> = {
  NOT_HANDLED: invalid,
  OK: plain(sam.GOOD),
  NO_RESOURCE: plain(sam.TASK_SET_FULL),
  PASSTHROUGH_ERR: { sam: sam.CHECK_CONDITION, sense: 'task' },
  BUSY: plain(sam.BUSY),
  WR_ERR: check(k.MEDIUM_ERROR, sense.WRITE_ERROR),
  RD_ERR: check(k.MEDIUM_ERROR, sense.UNRECOVERED_READ_ERROR),
  MISCOMPARE: check(k.MISCOMPARE, sense.MISCOMPARE_DURING_VERIFY_OPERATION),
  INVALID_CMD: invalid,
  INVALID_CDB: illegal(sense.INVALID_FIELD_IN_CDB, 'blocks', 'listLength', 'allocation', 'op'),
  INVALID_PARAM_LIST: check(k.ILLEGAL_REQUEST, sense.INVALID_FIELD_IN_PARAMETER_LIST),
  INVALID_PARAM_LIST_LEN: illegal(sense.PARAMETER_LIST_LENGTH_ERROR, 'listLength'),
  TIMEOUT: plain(sam.BUSY),
  FENCED: check(k.NOT_READY, sense.TARGET_PORT_IN_STANDBY_STATE),
  HW_ERR: check(k.HARDWARE_ERROR, sense.INTERNAL_TARGET_FAILURE),
  RANGE: illegal(sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE, 'lba'),
  FRMT_IN_PROGRESS: check(k.NOT_READY, sense.FORMAT_IN_PROGRESS),
  CAPACITY_CHANGED: check(k.UNIT_ATTENTION, sense.CAPACITY_DATA_HAS_CHANGED),
  NOTSUPP_SAVE_PARAMS: illegal(sense.SAVING_PARAMETERS_NOT_SUPPORTED, 'pc', 'sp'),
  WR_ERR_INCOMPAT_FRMT: check(k.ILLEGAL_REQUEST, sense.CANNOT_WRITE_MEDIUM_INCOMPATIBLE_FORMAT),
  TRANSITION: check(k.NOT_READY, sense.ASYMMETRIC_ACCESS_STATE_TRANSITION),
  IMPL_TRANSITION_ERR: check(k.UNIT_ATTENTION, sense.IMPLICIT_ASYMMETRIC_ACCESS_STATE_TRANSITION_FAILED),
  EXPL_TRANSITION_ERR: check(k.HARDWARE_ERROR, sense.SET_TARGET_PORT_GROUPS_COMMAND_FAILED),
  NO_LOCK_HOLDERS: check(k.HARDWARE_ERROR, sense.INTERNAL_TARGET_FAILURE),
  NOTSUPP_SEG_DESC_TYPE: check(k.ILLEGAL_REQUEST, sense.UNSUPPORTED_SEGMENT_DESCRIPTOR_TYPE_CODE),
  NOTSUPP_TGT_DESC_TYPE: check(k.ILLEGAL_REQUEST, sense.UNSUPPORTED_TARGET_DESCRIPTOR_TYPE_CODE),
  CP_TGT_DEV_NOTCONN: check(k.COPY_ABORTED, sense.COPY_TARGET_DEVICE_NOT_REACHABLE),
  INVALID_CP_TGT_DEV_TYPE: check(k.COPY_ABORTED, sense.INCORRECT_COPY_TARGET_DEVICE_TYPE),
  TOO_MANY_SEG_DESC: check(k.ILLEGAL_REQUEST, sense.TOO_MANY_SEGMENT_DESCRIPTORS),
  TOO_MANY_TGT_DESC: check(k.ILLEGAL_REQUEST, sense.TOO_MANY_TARGET_DESCRIPTORS),
  WRITE_PROTECTED: check(k.DATA_PROTECT, sense.WRITE_PROTECTED),
  SPACE_FAILED: check(k.DATA_PROTECT, sense.SPACE_ALLOCATION_FAILED_WRITE_PROTECT),
  NOT_READY: check(k.NOT_READY, sense.LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE),
  BECOMING_READY: check(k.NOT_READY, sense.LOGICAL_UNIT_IS_IN_PROCESS_OF_BECOMING_READY),
  STOPPED: check(k.NOT_READY, sense.LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED),
  LU_NOT_SUPPORTED: check(k.ILLEGAL_REQUEST, sense.LOGICAL_UNIT_NOT_SUPPORTED),
  RESERVATION_CONFLICT: plain(sam.RESERVATION_CONFLICT),
  ABORTED: plain(sam.TASK_ABORTED),
  CONDITION_MET: plain(sam.CONDITION_MET),
  // Initiators that retry a first command (libiscsi's tools, libvirt) know this general code only.
  POWER_ON: check(k.UNIT_ATTENTION, sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED),
  BUS_DEVICE_RESET: check(k.UNIT_ATTENTION, sense.BUS_DEVICE_RESET_FUNCTION_OCCURRED),
  MODE_CHANGED: check(k.UNIT_ATTENTION, sense.MODE_PARAMETERS_CHANGED),
  LUNS_CHANGED: check(k.UNIT_ATTENTION, sense.REPORTED_LUNS_DATA_HAS_CHANGED),
  RESERVATIONS_PREEMPTED: check(k.UNIT_ATTENTION, sense.RESERVATIONS_PREEMPTED),
  RESERVATIONS_RELEASED: check(k.UNIT_ATTENTION, sense.RESERVATIONS_RELEASED),
  REGISTRATIONS_PREEMPTED: check(k.UNIT_ATTENTION, sense.REGISTRATIONS_PREEMPTED),
  COMMANDS_CLEARED: check(k.UNIT_ATTENTION, sense.COMMANDS_CLEARED_BY_ANOTHER_INITIATOR),
  NEXUS_LOSS: check(k.UNIT_ATTENTION, sense.I_T_NEXUS_LOSS_OCCURRED),
  INSUFFICIENT_REGISTRATION: check(k.ILLEGAL_REQUEST, sense.INSUFFICIENT_REGISTRATION_RESOURCES),
  MEDIUM_NOT_PRESENT: check(k.NOT_READY, sense.MEDIUM_NOT_PRESENT),
  MEDIUM_CHANGED: check(k.UNIT_ATTENTION, sense.NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED),
  REMOVAL_PREVENTED: check(k.ILLEGAL_REQUEST, sense.MEDIUM_REMOVAL_PREVENTED),
  NOT_READY_DEVICE: check(k.NOT_READY, sense.LOGICAL_UNIT_COMMUNICATION_FAILURE),
  PARAMETER_VALUE: check(k.ILLEGAL_REQUEST, sense.PARAMETER_VALUE_INVALID),
  PORT_UNAVAILABLE: check(k.NOT_READY, sense.TARGET_PORT_IN_UNAVAILABLE_STATE),
  PORT_OFFLINE: check(k.NOT_READY, sense.LOGICAL_UNIT_OFFLINE),
  ACCESS_STATE_CHANGED: check(k.UNIT_ATTENTION, sense.ASYMMETRIC_ACCESS_STATE_CHANGED),
  SANITIZE_IN_PROGRESS: check(k.NOT_READY, sense.SANITIZE_IN_PROGRESS),
  FORMAT_CORRUPTED: check(k.MEDIUM_ERROR, sense.MEDIUM_FORMAT_CORRUPTED),
  FORMAT_FAILED: check(k.MEDIUM_ERROR, sense.FORMAT_COMMAND_FAILED),
  SANITIZE_FAILED: check(k.MEDIUM_ERROR, sense.SANITIZE_COMMAND_FAILED),
  COPY_FAILED: check(k.COPY_ABORTED, sense.THIRD_PARTY_DEVICE_FAILURE),
  COPY_INEXACT: check(k.COPY_ABORTED, sense.UNEXPECTED_INEXACT_SEGMENT),
  OPERATION_IN_PROGRESS: check(k.ILLEGAL_REQUEST, sense.OPERATION_IN_PROGRESS),
  SOFT_THRESHOLD: check(k.UNIT_ATTENTION, sense.THIN_PROVISIONING_SOFT_THRESHOLD_REACHED),
  INVALID_RELEASE: illegal(sense.INVALID_RELEASE_OF_PERSISTENT_RESERVATION, 'type'),
  LOG_CHANGED: check(k.UNIT_ATTENTION, sense.LOG_PARAMETERS_CHANGED),
  SELF_TEST_RUNNING: check(k.NOT_READY, sense.SELF_TEST_IN_PROGRESS),
  SELF_TEST_FAILED: check(k.HARDWARE_ERROR, sense.LOGICAL_UNIT_FAILED_SELF_TEST),
}

const byNumber = new Map<number, StatusRow>(
  (Object.keys(Status) as StatusName[]).map((name) => [Status[name], Object.freeze({ name, ...rows[name] })]),
)
const unknown = byNumber.get(Status.HW_ERR)!

/** Every status, by ascending number. */
export const statusTable: readonly StatusRow[] = [...byNumber.entries()].sort(([a], [b]) => a - b).map(([, row]) => row)

/** The row of a status; a number that is none counts as HW_ERR. */
export const statusRow = (status: number): StatusRow => byNumber.get(status) ?? unknown
export const isStatus = (value: unknown): value is Status => typeof value === 'number' && byNumber.has(value)

/** Sense data of a status, in the format that the control mode page asks for; undefined when it has none of its own. */
export function senseFor(status: Status, detail: SenseDetail | undefined, descriptorFormat: boolean): Uint8Array | undefined {
  const found = statusRow(status).sense
  return found && found !== 'task' ? (descriptorFormat ? descriptorSense : fixedSense)(found.key, found.code, detail) : undefined
}
