import { bits, bytes, layout, skip, u16be, u24be, u32be, u64be, u8 } from '../../wire'

/** SPC-4 6.5.2 EXTENDED COPY(LID1) parameter list, header. */
export const HeaderLid1 = layout('extended_copy_lid1', {
  listIdentifier: u8, usage: bits(u8, { str: 5, listIdUsage: [4, 3], priority: [2, 0] }), cscdLength: u16be, reserved: skip(4), segmentLength: u32be,
  inlineLength: u32be,
}, { size: 16 })
/** SPC-4 6.4.2 EXTENDED COPY(LID4) parameter list, header. */
export const HeaderLid4 = layout('extended_copy_lid4', {
  format: u8, usage: bits(u8, { str: 5, listIdUsage: [4, 3], priority: [2, 0] }), headerCscdLength: u16be, reserved: skip(11),
  flags: bits(u8, { gSense: 1, immed: 0 }), headerCscdType: u8, reserved2: skip(3), listIdentifier: u32be, reserved3: skip(18), cscdLength: u16be,
  segmentLength: u16be, inlineLength: u16be,
}, { size: 48 })
export const LID4_FORMAT = 0x01
export const LID4_HEADER_CSCD = { length: 0x20, type: 0xff } as const
/** SPC-4 tables 128, 129. */
export const listIdUsage = { HOLD: 0, DISCARD: 2, NONE: 3 } as const

/** SPC-4 6.4.5.4 identification descriptor CSCD descriptor, of a block device (6.4.5.3). LU ID TYPE is about another kind. */
export const Cscd = layout('identification_cscd', {
  type: u8, first: bits(u8, { nul: 5, deviceType: [4, 0] }), relativePort: u16be, third: bits(u8, { codeSet: [3, 0] }),
  fourth: bits(u8, { association: [5, 4], designatorType: [3, 0] }), reserved: skip(1), designatorLength: u8, designator: bytes(20),
  specific: bits(u8, { pad: 2 }), blockLength: u24be,
}, { size: 32 })
/** SPC-4 6.4.6.1, the part that every segment descriptor has. */
export const SegmentHead = layout('segment_descriptor', { type: u8, flags: bits(u8, { dc: 1, cat: 0 }), length: u16be }, { size: 4 })
/** SPC-4 6.4.6.2 block device to block device. */
export const BlockToBlock = layout('block_to_block_segment', {
  type: u8, flags: bits(u8, { dc: 1, cat: 0 }), length: u16be, source: u16be, destination: u16be, reserved: skip(2), blocks: u16be, sourceLba: u64be,
  destinationLba: u64be,
}, { size: 28 })

/** SPC-4 table 130: what this copy manager does. */
export const descriptorType = { BLOCK_TO_BLOCK: 0x02, IDENTIFICATION: 0xe4 } as const
/** SPC-4 table 146: the unit that the copy manager is in. */
export const THIS_UNIT = 0xffff

/** SPC-4 6.22 */
export const OperatingParameters = layout('receive_copy_operating_parameters_data', {
  available: u32be, flags: bits(u8, { snlid: 0 }), reserved: skip(3), maxCscd: u16be, maxSegments: u16be, maxDescriptorList: u32be, maxSegmentLength: u32be,
  maxInline: u32be, heldData: u32be, maxStream: u32be, reserved2: skip(2), totalCopies: u16be, maxCopies: u8, dataGranularity: u8,
  inlineGranularity: u8, heldGranularity: u8, reserved3: skip(3), implementedLength: u8,
}, { size: 44 })
/** SPC-4 6.25 */
export const StatusLid1 = layout('receive_copy_status_lid1', {
  available: u32be, status: bits(u8, { hdd: 7, managerStatus: [6, 0] }), segments: u16be, units: u8, count: u32be,
}, { size: 12 })
/** SPC-4 table 251 */
export const managerStatus = { RUNNING: 0, DONE: 1, FAILED: 2 } as const
/** SPC-4 6.23, before the sense data. */
export const FailureDetails = layout('receive_copy_failure_details', {
  available: u32be, reserved: skip(52), status: u8, reserved2: skip(1), senseLength: u16be,
}, { size: 60 })
/** SPC-4 6.24, before the sense data. */
export const StatusLid4 = layout('receive_copy_status_lid4', {
  available: u32be, response: bits(u8, { serviceAction: [4, 0] }), status: bits(u8, { operationStatus: [6, 0] }), operations: u16be, delay: u32be,
  completion: u8, senseFieldLength: u8, senseLength: u8, units: u8, count: u64be, segments: u16be, reserved: skip(6),
}, { size: 32 })
/** SPC-4 table 249 */
export const operationStatus = { DONE: 0x01, FAILED: 0x02, FOREGROUND: 0x11, BACKGROUND: 0x12, TERMINATED: 0x60 } as const
/** SPC-4 table 252 TRANSFER COUNT UNITS. */
export const units = { BYTES: 0, KIBIBYTES: 1 } as const
