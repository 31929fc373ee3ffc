import { bits, bytes, layout, skip, u16be, u24be, u32be, u8 } from '@tcmu/host/scsi'

/** RFC 7143 11.2.1.2 operation codes. */
export const Opcode = {
  NOP_OUT: 0x00, SCSI_COMMAND: 0x01, TASK_MANAGEMENT: 0x02, LOGIN: 0x03, TEXT: 0x04, DATA_OUT: 0x05, LOGOUT: 0x06, SNACK: 0x10,
  NOP_IN: 0x20, SCSI_RESPONSE: 0x21, TASK_MANAGEMENT_RESPONSE: 0x22, LOGIN_RESPONSE: 0x23, TEXT_RESPONSE: 0x24, DATA_IN: 0x25,
  LOGOUT_RESPONSE: 0x26, R2T: 0x31, ASYNC_MESSAGE: 0x32, REJECT: 0x3f,
} as const

/** The tag that is none (RFC 7143 11.2.1.8). */
export const NO_TAG = 0xffffffff
/** Length of a basic header segment. */
export const BHS = 48
/** Longest additional header segments: TotalAHSLength counts words in one byte. */
export const MAX_AHS = 255 * 4
export const DIGEST = 4
/** Bytes that pad a data segment of `length` to a multiple of four. */
export const padding = (length: number): number => -length & 3

const first = bits(u8, { immediate: 6, opcode: [5, 0] })
const lengths = { ahsLength: u8, dataLength: u24be }
const lun = { lunHigh: u32be, lunLow: u32be }
/** CmdSN and ExpStatSN, in that order in every request that has them. */
const requestNumbers = { cmdSn: u32be, expStatSn: u32be }
/** StatSN, ExpCmdSN and MaxCmdSN, in that order in every response. */
const responseNumbers = { statSn: u32be, expCmdSn: u32be, maxCmdSn: u32be }
const size = { size: BHS }

/** RFC 7143 11.2.1: what every request has in the same place. */
export const BasicHeader = layout('basic_header_segment', {
  first, flags: bits(u8, { final: 7, flagBits: [6, 0] }), specific: u16be, ...lengths, ...lun, itt: u32be, ttt: u32be, ...requestNumbers, rest: bytes(16),
}, size)

/** RFC 7143 11.3. */
export const ScsiCommand = layout('scsi_command', {
  first, flags: bits(u8, { final: 7, read: 6, write: 5, attributes: [2, 0] }), reserved: skip(2), ...lengths, ...lun, itt: u32be,
  expectedLength: u32be, ...requestNumbers, cdb: bytes(16),
}, size)
/** RFC 7143 11.2.2: AHSLength counts what follows the type. */
export const AdditionalHeader = layout('additional_header_segment', { ahsLength: u16be, type: u8, specific: u8 }, { size: 4 })
export const AhsType = { EXTENDED_CDB: 1, BIDIRECTIONAL_READ_LENGTH: 2 } as const
/** Bytes of a CDB that lie in the basic header. */
export const CDB_IN_HEADER = 16

const residualBits = { bidiOverflow: 4, bidiUnderflow: 3, overflow: 2, underflow: 1 } as const
/** RFC 7143 11.4. */
export const ScsiResponse = layout('scsi_response', {
  first, flags: bits(u8, { final: 7, ...residualBits }), response: u8, status: u8, ...lengths, reserved: skip(8), itt: u32be, snackTag: u32be,
  ...responseNumbers, expDataSn: u32be, bidiResidual: u32be, residual: u32be,
}, size)
/** RFC 7143 11.4.7.2: sense data is preceded by its length. */
export const SenseLength = layout('sense_length', { length: u16be }, { size: 2 })

/** RFC 7143 11.5. */
export const TaskManagement = layout('task_management_request', {
  first, flags: bits(u8, { final: 7, function: [6, 0] }), reserved: skip(2), ...lengths, ...lun, itt: u32be, referencedTag: u32be,
  ...requestNumbers, refCmdSn: u32be, expDataSn: u32be, reserved2: skip(8),
}, size)
/** RFC 7143 11.6. */
export const TaskManagementResponse = layout('task_management_response', {
  first, flags: bits(u8, { final: 7 }), response: u8, reserved: skip(1), ...lengths, reserved2: skip(8), itt: u32be, reserved3: skip(4),
  ...responseNumbers, reserved4: skip(12),
}, size)

/** RFC 7143 11.7. */
export const DataOut = layout('data_out', {
  first, flags: bits(u8, { final: 7 }), reserved: skip(2), ...lengths, ...lun, itt: u32be, ttt: u32be, reserved2: skip(4), expStatSn: u32be,
  reserved3: skip(4), dataSn: u32be, bufferOffset: u32be, reserved4: skip(4),
}, size)
export const DataIn = layout('data_in', {
  first, flags: bits(u8, { final: 7, acknowledge: 6, overflow: 2, underflow: 1, hasStatus: 0 }), reserved: skip(1), status: u8, ...lengths, ...lun,
  itt: u32be, ttt: u32be, ...responseNumbers, dataSn: u32be, bufferOffset: u32be, residual: u32be,
}, size)
/** RFC 7143 11.8. */
export const ReadyToTransfer = layout('r2t', {
  first, flags: bits(u8, { final: 7 }), reserved: skip(2), ...lengths, ...lun, itt: u32be, ttt: u32be, ...responseNumbers, r2tSn: u32be,
  bufferOffset: u32be, desiredLength: u32be,
}, size)

/** RFC 7143 11.9. */
export const AsyncMessage = layout('async_message', {
  first, flags: bits(u8, { final: 7 }), reserved: skip(2), ...lengths, ...lun, tag: u32be, reserved2: skip(4), ...responseNumbers, event: u8,
  vendorCode: u8, parameter1: u16be, parameter2: u16be, parameter3: u16be, reserved3: skip(4),
}, size)

/** RFC 7143 11.10 and 11.11. */
export const TextRequest = layout('text_request', {
  first, flags: bits(u8, { final: 7, more: 6 }), reserved: skip(2), ...lengths, ...lun, itt: u32be, ttt: u32be, ...requestNumbers, reserved2: skip(16),
}, size)
export const TextResponse = layout('text_response', {
  first, flags: bits(u8, { final: 7, more: 6 }), reserved: skip(2), ...lengths, ...lun, itt: u32be, ttt: u32be, ...responseNumbers, reserved2: skip(12),
}, size)

const loginFlags = bits(u8, { transit: 7, more: 6, currentStage: [3, 2], nextStage: [1, 0] })
/** RFC 7143 11.12 and 11.13. */
export const LoginRequest = layout('login_request', {
  first, flags: loginFlags, versionMax: u8, versionMin: u8, ...lengths, isid: bytes(6), tsih: u16be, itt: u32be, cid: u16be, reserved: skip(2),
  ...requestNumbers, reserved2: skip(16),
}, size)
export const LoginResponse = layout('login_response', {
  first, flags: loginFlags, versionMax: u8, versionActive: u8, ...lengths, isid: bytes(6), tsih: u16be, itt: u32be, reserved: skip(4),
  ...responseNumbers, statusClass: u8, statusDetail: u8, reserved2: skip(10),
}, size)

/** RFC 7143 11.14 and 11.15. */
export const LogoutRequest = layout('logout_request', {
  first, flags: bits(u8, { final: 7, reason: [6, 0] }), reserved: skip(2), ...lengths, reserved2: skip(8), itt: u32be, cid: u16be, reserved3: skip(2),
  ...requestNumbers, reserved4: skip(16),
}, size)
export const LogoutResponse = layout('logout_response', {
  first, flags: bits(u8, { final: 7 }), response: u8, reserved: skip(1), ...lengths, reserved2: skip(8), itt: u32be, reserved3: skip(4),
  ...responseNumbers, reserved4: skip(4), time2Wait: u16be, time2Retain: u16be, reserved5: skip(4),
}, size)

/** RFC 7143 11.17. */
export const Reject = layout('reject', {
  first, flags: bits(u8, { final: 7 }), reason: u8, reserved: skip(1), ...lengths, reserved2: skip(8), itt: u32be, reserved3: skip(4),
  ...responseNumbers, dataSn: u32be, reserved4: skip(8),
}, size)
export const RejectReason = {
  DATA_DIGEST: 0x02, SNACK: 0x03, PROTOCOL: 0x04, NOT_SUPPORTED: 0x05, TOO_MANY_IMMEDIATE: 0x06, TASK_IN_PROGRESS: 0x07, INVALID_FIELD: 0x09,
  OUT_OF_RESOURCES: 0x0a, WAITING_FOR_LOGOUT: 0x0c,
} as const

/** RFC 7143 11.18 and 11.19. */
export const NopOut = layout('nop_out', {
  first, flags: bits(u8, { final: 7 }), reserved: skip(2), ...lengths, ...lun, itt: u32be, ttt: u32be, ...requestNumbers, reserved2: skip(16),
}, size)
export const NopIn = layout('nop_in', {
  first, flags: bits(u8, { final: 7 }), reserved: skip(2), ...lengths, ...lun, itt: u32be, ttt: u32be, ...responseNumbers, reserved2: skip(12),
}, size)

/** Write a 32-bit number where a layout says; measured faster than a generated setter, for PDUs of the data path. */
export function put32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24
  b[at + 1] = value >>> 16
  b[at + 2] = value >>> 8
  b[at + 3] = value
}
export function put24(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 16
  b[at + 1] = value >>> 8
  b[at + 2] = value
}
