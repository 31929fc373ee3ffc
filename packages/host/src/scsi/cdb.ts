import { bits, layout, skip, u16be, u24be, u32be, u64be, u8 } from '../wire'

/**
 * CDB shapes (SPC-4 clause 6, SBC-3 clause 5). Bits that are ignored here (GROUP NUMBER, RARC, FUA_NV) are left out, so
 * that the usage map of REPORT SUPPORTED OPERATION CODES tells the truth.
 */
const op = { op: u8 }
const control = { control: bits(u8, { naca: 2 }) }
const group = { group: skip(1) }
const action = { action: bits(u8, { serviceAction: [4, 0] }) }

export const Plain6 = layout('cdb_6', { ...op, reserved: skip(4), ...control }, { size: 6 })

const access = { access: bits(u8, { protect: [7, 5], dpo: 4, fua: 3 }) }
/** READ, WRITE: 0 blocks means 256. */
export const Rw6 = layout('rw_6', { ...op, address: bits(u24be, { lba: [20, 0] }), blocks: u8, ...control }, { size: 6 })
export const Rw10 = layout('rw_10', { ...op, ...access, lba: u32be, ...group, blocks: u16be, ...control }, { size: 10 })
export const Rw12 = layout('rw_12', { ...op, ...access, lba: u32be, blocks: u32be, ...group, ...control }, { size: 12 })
/** READ, WRITE, ORWRITE. */
export const Rw16 = layout('rw_16', { ...op, ...access, lba: u64be, blocks: u32be, ...group, ...control }, { size: 16 })
export const CompareAndWrite = layout('compare_and_write', {
  ...op, ...access, lba: u64be, reserved: skip(3), blocks: u8, ...group, ...control,
}, { size: 16 })

const check = { check: bits(u8, { protect: [7, 5], dpo: 4, bytchk: [2, 1] }) }
/** VERIFY, WRITE AND VERIFY. */
export const Verify10 = layout('verify_10', { ...op, ...check, lba: u32be, ...group, blocks: u16be, ...control }, { size: 10 })
export const Verify12 = layout('verify_12', { ...op, ...check, lba: u32be, blocks: u32be, ...group, ...control }, { size: 12 })
export const Verify16 = layout('verify_16', { ...op, ...check, lba: u64be, blocks: u32be, ...group, ...control }, { size: 16 })

/** `relative` are PBDATA and LBDATA, obsolete since SBC-3. */
const same = { protect: [7, 5], anchor: 4, unmap: 3, relative: [2, 1] } as const
export const WriteSame10 = layout('write_same_10', {
  ...op, same: bits(u8, same), lba: u32be, ...group, blocks: u16be, ...control,
}, { size: 10 })
export const WriteSame16 = layout('write_same_16', {
  ...op, same: bits(u8, { ...same, ndob: 0 }), lba: u64be, blocks: u32be, ...group, ...control,
}, { size: 16 })

const immediate = { flags: bits(u8, { immed: 1 }) }
/** PRE-FETCH, SYNCHRONIZE CACHE: 0 blocks means up to the last one. */
export const Cache10 = layout('cache_10', { ...op, ...immediate, lba: u32be, ...group, blocks: u16be, ...control }, { size: 10 })
export const Cache16 = layout('cache_16', { ...op, ...immediate, lba: u64be, blocks: u32be, ...group, ...control }, { size: 16 })

export const Unmap = layout('unmap', {
  ...op, flags: bits(u8, { anchor: 0 }), reserved: skip(4), ...group, listLength: u16be, ...control,
}, { size: 10 })

export const Inquiry = layout('inquiry', {
  ...op, flags: bits(u8, { cmddt: 1, evpd: 0 }), page: u8, allocation: u16be, ...control,
}, { size: 6 })
export const RequestSense = layout('request_sense', {
  ...op, flags: bits(u8, { desc: 0 }), reserved: skip(2), allocation: u8, ...control,
}, { size: 6 })
/** RELADR and PMI are obsolete since SBC-3. */
export const ReadCapacity10 = layout('read_capacity_10', {
  ...op, flags: bits(u8, { reladr: 0 }), lba: u32be, reserved: skip(2), partial: bits(u8, { pmi: 0 }), ...control,
}, { size: 10 })
/** READ CAPACITY(16), GET LBA STATUS. */
export const ServiceActionIn16 = layout('service_action_in_16', {
  ...op, ...action, lba: u64be, allocation: u32be, reserved: skip(1), ...control,
}, { size: 16 })

export const ReportReferrals = layout('report_referrals', {
  ...op, ...action, lba: u64be, allocation: u32be, segments: bits(u8, { oneSeg: 0 }), ...control,
}, { size: 16 })

const which = { which: bits(u8, { pc: [7, 6], page: [5, 0] }), subpage: u8 }
export const ModeSense6 = layout('mode_sense_6', {
  ...op, flags: bits(u8, { dbd: 3 }), ...which, allocation: u8, ...control,
}, { size: 6 })
export const ModeSense10 = layout('mode_sense_10', {
  ...op, flags: bits(u8, { llbaa: 4, dbd: 3 }), ...which, reserved: skip(3), allocation: u16be, ...control,
}, { size: 10 })
const select = { flags: bits(u8, { pf: 4, sp: 0 }) }
export const ModeSelect6 = layout('mode_select_6', { ...op, ...select, reserved: skip(2), listLength: u8, ...control }, { size: 6 })
export const ModeSelect10 = layout('mode_select_10', { ...op, ...select, reserved: skip(5), listLength: u16be, ...control }, { size: 10 })

export const StartStopUnit = layout('start_stop_unit', {
  ...op, flags: bits(u8, { immed: 0 }), reserved: skip(1), modifier: bits(u8, { powerConditionModifier: [3, 0] }),
  action: bits(u8, { powerCondition: [7, 4], noFlush: 2, loej: 1, start: 0 }), ...control,
}, { size: 6 })
export const SendDiagnostic = layout('send_diagnostic', {
  ...op, flags: bits(u8, { selfTestCode: [7, 5], pf: 4, selfTest: 2, devOffl: 1, unitOffl: 0 }), reserved: skip(1), listLength: u16be,
  ...control,
}, { size: 6 })

export const ReceiveDiagnostic = layout('receive_diagnostic_results', {
  ...op, flags: bits(u8, { pcv: 0 }), page: u8, allocation: u16be, ...control,
}, { size: 6 })

const logWhich = { which: bits(u8, { pc: [7, 6], page: [5, 0] }), subpage: u8 }
export const LogSense = layout('log_sense', {
  ...op, flags: bits(u8, { ppc: 1, sp: 0 }), ...logWhich, reserved: skip(1), pointer: u16be, allocation: u16be, ...control,
}, { size: 10 })
export const LogSelect = layout('log_select', {
  ...op, flags: bits(u8, { pcr: 1, sp: 0 }), ...logWhich, reserved: skip(3), listLength: u16be, ...control,
}, { size: 10 })

export const ReportOpcodes = layout('report_supported_operation_codes', {
  ...op, ...action, flags: bits(u8, { rctd: 7, options: [2, 0] }), requestedOp: u8, requestedAction: u16be, allocation: u32be,
  reserved: skip(1), ...control,
}, { size: 12 })
export const ReportTaskManagement = layout('report_supported_task_management_functions', {
  ...op, ...action, flags: bits(u8, { repd: 7 }), reserved: skip(3), allocation: u32be, reserved2: skip(1), ...control,
}, { size: 12 })

export const ReportPortGroups = layout('report_target_port_groups', {
  ...op, action: bits(u8, { format: [7, 5], serviceAction: [4, 0] }), reserved: skip(4), allocation: u32be, reserved2: skip(1), ...control,
}, { size: 12 })
export const SetPortGroups = layout('set_target_port_groups_cdb', {
  ...op, ...action, reserved: skip(4), listLength: u32be, reserved2: skip(1), ...control,
}, { size: 12 })

const defects = { defects: bits(u8, { plist: 4, glist: 3, format: [2, 0] }) }
export const ReadDefectData10 = layout('read_defect_data_10', {
  ...op, reserved: skip(1), ...defects, reserved2: skip(4), allocation: u16be, ...control,
}, { size: 10 })
export const ReadDefectData12 = layout('read_defect_data_12', {
  ...op, ...defects, index: u32be, allocation: u32be, reserved: skip(1), ...control,
}, { size: 12 })

export const FormatUnit = layout('format_unit', {
  ...op, format: bits(u8, { fmtpInfo: [7, 6], longList: 5, fmtData: 4, cmpList: 3, defectListFormat: [2, 0] }), vendor: skip(1),
  obsolete: skip(2), ...control,
}, { size: 6 })
export const Sanitize = layout('sanitize', {
  ...op, action: bits(u8, { immed: 7, znr: 6, ause: 5, serviceAction: [4, 0] }), reserved: skip(5), listLength: u16be, ...control,
}, { size: 10 })
export const WriteAtomic16 = layout('write_atomic_16', {
  ...op, ...access, lba: u64be, boundary: u16be, blocks: u16be, ...group, ...control,
}, { size: 16 })
/** EXTENDED COPY. */
export const CopyOut = layout('third_party_copy_out', {
  ...op, ...action, reserved: skip(8), listLength: u32be, reserved2: skip(1), ...control,
}, { size: 16 })
export const CopyAbort = layout('copy_operation_abort', {
  ...op, ...action, listIdentifier: u32be, reserved: skip(9), ...control,
}, { size: 16 })
/** RECEIVE COPY of one-byte list identifiers. */
export const CopyIn1 = layout('receive_copy_lid1', {
  ...op, ...action, listIdentifier: u8, reserved: skip(7), allocation: u32be, reserved2: skip(1), ...control,
}, { size: 16 })
/** RECEIVE COPY of four-byte list identifiers. */
export const CopyIn4 = layout('receive_copy_lid4', {
  ...op, ...action, listIdentifier: u32be, reserved: skip(4), allocation: u32be, reserved2: skip(1), ...control,
}, { size: 16 })
export const CopyParameters = layout('receive_copy_operating_parameters', {
  ...op, ...action, reserved: skip(8), allocation: u32be, reserved2: skip(1), ...control,
}, { size: 16 })
