import { bits, bytes, layout, skip, u16be, u32be, u64be, u8 } from '../wire'

/** SPC-4 4.5.6 sense keys. */
export const senseKey = {
  NO_SENSE: 0x0,
  RECOVERED_ERROR: 0x1,
  NOT_READY: 0x2,
  MEDIUM_ERROR: 0x3,
  HARDWARE_ERROR: 0x4,
  ILLEGAL_REQUEST: 0x5,
  UNIT_ATTENTION: 0x6,
  DATA_PROTECT: 0x7,
  BLANK_CHECK: 0x8,
  VENDOR_SPECIFIC: 0x9,
  COPY_ABORTED: 0xa,
  ABORTED_COMMAND: 0xb,
  VOLUME_OVERFLOW: 0xd,
  MISCOMPARE: 0xe,
  COMPLETED: 0xf,
} as const
export type SenseKey = (typeof senseKey)[keyof typeof senseKey]

export interface SenseCode {
  /** Additional sense code and qualifier, ASC in the high byte. */
  readonly asc: number
  readonly text: string
}

/** Additional sense codes this project sends; numbers from the T10 list "SCSI ASC/ASCQ assignments". */
const senseRows = {
  NO_ADDITIONAL_SENSE_INFORMATION: [0x0000, 'no additional sense information'],
  OPERATION_IN_PROGRESS: [0x0016, 'operation in progress'],
  LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE: [0x0400, 'logical unit not ready, cause not reportable'],
  LOGICAL_UNIT_IS_IN_PROCESS_OF_BECOMING_READY: [0x0401, 'logical unit is in process of becoming ready'],
  LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED: [0x0402, 'logical unit not ready, initializing command required'],
  FORMAT_IN_PROGRESS: [0x0404, 'logical unit not ready, format in progress'],
  SELF_TEST_IN_PROGRESS: [0x0409, 'logical unit not ready, self-test in progress'],
  ASYMMETRIC_ACCESS_STATE_TRANSITION: [0x040a, 'logical unit not accessible, asymmetric access state transition'],
  TARGET_PORT_IN_STANDBY_STATE: [0x040b, 'logical unit not accessible, target port in standby state'],
  TARGET_PORT_IN_UNAVAILABLE_STATE: [0x040c, 'logical unit not accessible, target port in unavailable state'],
  LOGICAL_UNIT_OFFLINE: [0x0412, 'logical unit not ready, offline'],
  SANITIZE_IN_PROGRESS: [0x041b, 'logical unit not ready, sanitize in progress'],
  LOGICAL_UNIT_COMMUNICATION_FAILURE: [0x0800, 'logical unit communication failure'],
  WRITE_ERROR: [0x0c00, 'write error'],
  UNEXPECTED_UNSOLICITED_DATA: [0x0c0c, 'write error, unexpected unsolicited data'],
  NOT_ENOUGH_UNSOLICITED_DATA: [0x0c0d, 'write error, not enough unsolicited data'],
  THIRD_PARTY_DEVICE_FAILURE: [0x0d01, 'third party device failure'],
  COPY_TARGET_DEVICE_NOT_REACHABLE: [0x0d02, 'copy target device not reachable'],
  INCORRECT_COPY_TARGET_DEVICE_TYPE: [0x0d03, 'incorrect copy target device type'],
  UNRECOVERED_READ_ERROR: [0x1100, 'unrecovered read error'],
  PARAMETER_LIST_LENGTH_ERROR: [0x1a00, 'parameter list length error'],
  MISCOMPARE_DURING_VERIFY_OPERATION: [0x1d00, 'miscompare during verify operation'],
  INVALID_COMMAND_OPERATION_CODE: [0x2000, 'invalid command operation code'],
  LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE: [0x2100, 'logical block address out of range'],
  INVALID_FIELD_IN_CDB: [0x2400, 'invalid field in CDB'],
  LOGICAL_UNIT_NOT_SUPPORTED: [0x2500, 'logical unit not supported'],
  INVALID_FIELD_IN_PARAMETER_LIST: [0x2600, 'invalid field in parameter list'],
  PARAMETER_VALUE_INVALID: [0x2602, 'parameter value invalid'],
  INVALID_RELEASE_OF_PERSISTENT_RESERVATION: [0x2604, 'invalid release of persistent reservation'],
  TOO_MANY_TARGET_DESCRIPTORS: [0x2606, 'too many target descriptors'],
  UNSUPPORTED_TARGET_DESCRIPTOR_TYPE_CODE: [0x2607, 'unsupported target descriptor type code'],
  TOO_MANY_SEGMENT_DESCRIPTORS: [0x2608, 'too many segment descriptors'],
  UNSUPPORTED_SEGMENT_DESCRIPTOR_TYPE_CODE: [0x2609, 'unsupported segment descriptor type code'],
  UNEXPECTED_INEXACT_SEGMENT: [0x260a, 'unexpected inexact segment'],
  WRITE_PROTECTED: [0x2700, 'write protected'],
  SPACE_ALLOCATION_FAILED_WRITE_PROTECT: [0x2707, 'space allocation failed write protect'],
  NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED: [0x2800, 'not ready to ready change, medium may have changed'],
  POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED: [0x2900, 'power on, reset, or bus device reset occurred'],
  POWER_ON_OCCURRED: [0x2901, 'power on occurred'],
  BUS_DEVICE_RESET_FUNCTION_OCCURRED: [0x2903, 'bus device reset function occurred'],
  I_T_NEXUS_LOSS_OCCURRED: [0x2907, 'I_T nexus loss occurred'],
  MODE_PARAMETERS_CHANGED: [0x2a01, 'mode parameters changed'],
  LOG_PARAMETERS_CHANGED: [0x2a02, 'log parameters changed'],
  RESERVATIONS_PREEMPTED: [0x2a03, 'reservations preempted'],
  RESERVATIONS_RELEASED: [0x2a04, 'reservations released'],
  REGISTRATIONS_PREEMPTED: [0x2a05, 'registrations preempted'],
  ASYMMETRIC_ACCESS_STATE_CHANGED: [0x2a06, 'asymmetric access state changed'],
  IMPLICIT_ASYMMETRIC_ACCESS_STATE_TRANSITION_FAILED: [0x2a07, 'implicit asymmetric access state transition failed'],
  CAPACITY_DATA_HAS_CHANGED: [0x2a09, 'capacity data has changed'],
  COMMANDS_CLEARED_BY_ANOTHER_INITIATOR: [0x2f00, 'commands cleared by another initiator'],
  CANNOT_WRITE_MEDIUM_INCOMPATIBLE_FORMAT: [0x3005, 'cannot write medium, incompatible format'],
  MEDIUM_FORMAT_CORRUPTED: [0x3100, 'medium format corrupted'],
  FORMAT_COMMAND_FAILED: [0x3101, 'format command failed'],
  SANITIZE_COMMAND_FAILED: [0x3103, 'sanitize command failed'],
  THIN_PROVISIONING_SOFT_THRESHOLD_REACHED: [0x3807, 'thin provisioning soft threshold reached'],
  SAVING_PARAMETERS_NOT_SUPPORTED: [0x3900, 'saving parameters not supported'],
  MEDIUM_NOT_PRESENT: [0x3a00, 'medium not present'],
  LOGICAL_UNIT_FAILED_SELF_TEST: [0x3e03, 'logical unit failed self-test'],
  REPORTED_LUNS_DATA_HAS_CHANGED: [0x3f0e, 'reported LUNs data has changed'],
  INTERNAL_TARGET_FAILURE: [0x4400, 'internal target failure'],
  PROTOCOL_SERVICE_CRC_ERROR: [0x4705, 'protocol service CRC error'],
  MEDIUM_REMOVAL_PREVENTED: [0x5302, 'medium removal prevented'],
  INSUFFICIENT_REGISTRATION_RESOURCES: [0x5504, 'insufficient registration resources'],
  SET_TARGET_PORT_GROUPS_COMMAND_FAILED: [0x670a, 'set target port groups command failed'],
} as const satisfies Record<string, readonly [number, string]>
export type SenseName = keyof typeof senseRows

/** Additional sense codes by name. */
export const sense = Object.fromEntries(
  Object.entries(senseRows).map(([name, [asc, text]]) => [name, Object.freeze({ asc, text })]),
) as Readonly<Record<SenseName, SenseCode>>

/** What is known of a condition beyond its code; −1 or absent means not known. */
export interface SenseDetail {
  /** INFORMATION field, e.g. the offset of a miscompare or the first LBA in error. */
  readonly information?: number
  /** Sense-key-specific field pointer (ILLEGAL REQUEST): byte, bit (−1: whole byte), and whether the CDB or the data is meant. */
  readonly field?: { readonly byte: number; readonly bit: number; readonly inCdb: boolean }
  /** Sense-key-specific progress (NOT READY), 0 to 65535 of 65536. */
  readonly progress?: number
  /** Segment that a copy ended at (SPC-4 5.17.7.4): COMMAND-SPECIFIC INFORMATION, bytes 2 and 3. */
  readonly segment?: number
  /** What the source (1) or destination (2) of a copy answered. */
  readonly forwarded?: { readonly source: 1 | 2; readonly status: number; readonly sense: Uint8Array }
}

const keyByte = bits(u8, { filemark: 7, eom: 6, ili: 5, sdatOvfl: 4, key: [3, 0] })
/** SPC-4 4.5.3 fixed format. */
export const FixedSense = layout('fixed_sense', {
  first: bits(u8, { valid: 7, responseCode: [6, 0] }),
  obsolete: skip(1),
  flags: keyByte,
  information: u32be,
  additionalLength: u8,
  commandSpecific: bytes(4),
  asc: u16be,
  fru: u8,
  specific: bytes(3),
}, { size: 18 })
/** SPC-4 4.5.2 descriptor format, header. */
export const DescriptorSense = layout('descriptor_sense', {
  first: bits(u8, { responseCode: [6, 0] }),
  second: bits(u8, { key: [3, 0] }),
  asc: u16be,
  flags: bits(u8, { sdatOvfl: 7 }),
  reserved: skip(2),
  additionalLength: u8,
}, { size: 8 })
/** SPC-4 4.5.2.2 information sense data descriptor. */
export const InformationDescriptor = layout('information_descriptor', {
  type: u8, length: u8, flags: bits(u8, { valid: 7 }), reserved: skip(1), information: u64be,
}, { size: 12 })
/** SPC-4 4.5.2.4 sense key specific descriptor. */
export const SpecificDescriptor = layout('sense_key_specific_descriptor', {
  type: u8, length: u8, reserved: skip(2), specific: bytes(3), reserved2: skip(1),
}, { size: 8 })
/** SPC-4 4.5.2.4.2 field pointer and 4.5.2.4.4 progress indication, both with SKSV. */
const FieldPointer = layout('field_pointer', { first: bits(u8, { sksv: 7, cd: 6, bpv: 3, bit: [2, 0] }), byte: u16be }, { size: 3 })
const Progress = layout('progress_indication', { first: bits(u8, { sksv: 7 }), progress: u16be }, { size: 3 })

/** SPC-4 4.5.2.3 command-specific information; 4.5.2.7 forwarded sense data, before the sense data itself. */
const CommandSpecificDescriptor = layout('command_specific_descriptor', { type: u8, length: u8, reserved: skip(2), information: u64be }, { size: 12 })
const ForwardedDescriptor = layout('forwarded_sense_descriptor', {
  type: u8, length: u8, flags: bits(u8, { fsdt: 7, source: [3, 0] }), status: u8,
}, { size: 4 })
/** COMMAND-SPECIFIC INFORMATION of a copy in fixed format: where status and sense of source and destination begin. */
const CopyInformation = layout('copy_information', { source: u8, destination: u8, segment: u16be }, { size: 4 })
/** Forwarded sense data is cut to what still fits into MAX_SENSE beside it. */
const MOST_FORWARDED = 40

const CURRENT_FIXED = 0x70
const CURRENT_DESCRIPTOR = 0x72

function specificOf(detail: SenseDetail): Uint8Array | undefined {
  if (detail.field) {
    const { byte, bit, inCdb } = detail.field
    return FieldPointer.encode({ sksv: 1, cd: inCdb, bpv: bit >= 0, bit: Math.max(0, bit), byte })
  }
  return detail.progress === undefined || detail.progress < 0 ? undefined : Progress.encode({ sksv: 1, progress: detail.progress })
}

/** Sense data in fixed format: 18 bytes, and what a copy forwards. INFORMATION above 32 bits is left out (VALID=0), SPC-4 4.5.3. */
export function fixedSense(key: number, code: SenseCode, detail: SenseDetail = {}): Uint8Array {
  const info = detail.information ?? -1
  const valid = info >= 0 && info < 2 ** 32
  const { forwarded, segment } = detail
  const at = FixedSense.size
  const more = forwarded ? Buffer.concat([Uint8Array.of(forwarded.status), forwarded.sense.subarray(0, MOST_FORWARDED)]) : new Uint8Array(0)
  const head = FixedSense.encode({
    responseCode: CURRENT_FIXED, valid, key, information: valid ? info : 0, additionalLength: at + more.length - FIXED_LENGTH_COUNTS_FROM,
    asc: code.asc, specific: specificOf(detail),
    ...(segment !== undefined && {
      commandSpecific: CopyInformation.encode({ source: forwarded?.source === 1 ? at : 0, destination: forwarded?.source === 2 ? at : 0, segment }),
    }),
  })
  return more.length ? Buffer.concat([head, more]) : head
}
/** ADDITIONAL SENSE LENGTH counts what follows it. */
const FIXED_LENGTH_COUNTS_FROM = FixedSense.at.additionalLength + 1

function copyDescriptors({ segment, forwarded }: SenseDetail): Uint8Array[] {
  const parts: Uint8Array[] = []
  if (segment !== undefined) {
    parts.push(CommandSpecificDescriptor.encode({ type: 1, length: CommandSpecificDescriptor.size - 2, information: segment * 2 ** 32 }))
  }
  if (forwarded) {
    const sense = forwarded.sense.subarray(0, MOST_FORWARDED)
    const { source, status } = forwarded
    const fsdt = sense.length < forwarded.sense.length
    parts.push(ForwardedDescriptor.encode({ type: 0x0c, length: ForwardedDescriptor.size - 2 + sense.length, fsdt, source, status }), sense)
  }
  return parts
}

/** Sense data in descriptor format: 8 bytes and a descriptor for each detail known. */
export function descriptorSense(key: number, code: SenseCode, detail: SenseDetail = {}): Uint8Array {
  const parts: Uint8Array[] = []
  if (detail.information !== undefined && Number.isSafeInteger(detail.information) && detail.information >= 0) {
    parts.push(InformationDescriptor.encode({ type: 0, length: InformationDescriptor.size - 2, valid: 1, information: detail.information }))
  }
  const specific = specificOf(detail)
  if (specific) parts.push(SpecificDescriptor.encode({ type: 2, length: SpecificDescriptor.size - 2, specific }))
  parts.push(...copyDescriptors(detail))
  const additionalLength = parts.reduce((n, p) => n + p.length, 0)
  return Buffer.concat([DescriptorSense.encode({ responseCode: CURRENT_DESCRIPTOR, key, asc: code.asc, additionalLength }), ...parts])
}

/** Sense key of sense data in either format. */
export const senseKeyOf = (bytes: Uint8Array): number =>
  bytes.length < DescriptorSense.size ? senseKey.NO_SENSE
    : bytes[0]! >= CURRENT_DESCRIPTOR ? DescriptorSense.decode(bytes).key : bytes.length < FixedSense.size ? senseKey.NO_SENSE : FixedSense.decode(bytes).key
