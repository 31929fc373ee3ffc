import { bits, layout, skip, u16be, u24be, u32be, u8 } from '@tcmu/host/scsi'

/** CDB shapes of MMC-6 clause 6. Fields that make no difference here are left out. */
const op = { op: u8 }
const control = { control: bits(u8, { naca: 2 }) }

export const GetConfiguration = layout('get_configuration', {
  ...op, flags: bits(u8, { rt: [1, 0] }), starting: u16be, reserved: skip(3), allocation: u16be, ...control,
}, { size: 10 })
export const GetEventStatus = layout('get_event_status_notification', {
  ...op, flags: bits(u8, { polled: 0 }), reserved: skip(2), classes: u8, reserved2: skip(2), allocation: u16be, ...control,
}, { size: 10 })
/** `oldFormat` is where drives had FORMAT before MMC (SFF-8020i); MMC uses it when FORMAT is 0. */
export const ReadToc = layout('read_toc_pma_atip', {
  ...op, time: bits(u8, { time: 1 }), second: bits(u8, { format: [3, 0] }), reserved: skip(3), track: u8, allocation: u16be,
  control: bits(u8, { oldFormat: [7, 6], naca: 2 }),
}, { size: 10 })
export const ReadHeader = layout('read_header', {
  ...op, time: bits(u8, { time: 1 }), lba: u32be, reserved: skip(1), allocation: u16be, ...control,
}, { size: 10 })
export const ReadDiscInformation = layout('read_disc_information', {
  ...op, flags: bits(u8, { dataType: [2, 0] }), reserved: skip(5), allocation: u16be, ...control,
}, { size: 10 })
export const ReadTrackInformation = layout('read_track_information', {
  ...op, flags: bits(u8, { open: 2, addressType: [1, 0] }), address: u32be, reserved: skip(1), allocation: u16be, ...control,
}, { size: 10 })
export const ReadFormatCapacities = layout('read_format_capacities', {
  ...op, reserved: skip(6), allocation: u16be, ...control,
}, { size: 10 })
export const ReadDiscStructure = layout('read_disc_structure', {
  ...op, type: bits(u8, { mediaType: [3, 0] }), address: u32be, layer: u8, format: u8, allocation: u16be,
  grant: bits(u8, { agid: [7, 6] }), ...control,
}, { size: 12 })
export const MechanismStatus = layout('mechanism_status', { ...op, reserved: skip(7), allocation: u16be, reserved2: skip(1), ...control }, { size: 12 })
export const GetPerformance = layout('get_performance', {
  ...op, kind: bits(u8, { tolerance: [4, 3], write: 2, except: [1, 0] }), starting: u32be, reserved: skip(2), most: u16be, type: u8, ...control,
}, { size: 12 })
export const SetStreaming = layout('set_streaming', { ...op, reserved: skip(7), type: u8, listLength: u16be, ...control }, { size: 12 })
export const SetCdSpeed = layout('set_cd_speed', {
  ...op, flags: bits(u8, { rotation: [1, 0] }), readSpeed: u16be, writeSpeed: u16be, reserved: skip(5), ...control,
}, { size: 12 })

/** What of a sector is transferred (MMC-6 tables 352 and 353). */
const main = { main: bits(u8, { sync: 7, subheader: 6, header: 5, userData: 4, edc: 3, c2: [2, 1] }), sub: bits(u8, { subchannel: [2, 0] }) }
const expected = { expected: bits(u8, { sectorType: [4, 2], dap: 1 }) }
export const ReadCd = layout('read_cd', { ...op, ...expected, lba: u32be, blocks: u24be, ...main, ...control }, { size: 12 })
export const ReadCdMsf = layout('read_cd_msf', {
  ...op, ...expected, reserved: skip(1), startM: u8, startS: u8, startF: u8, endM: u8, endS: u8, endF: u8, ...main, ...control,
}, { size: 12 })

export const PreventAllow = layout('prevent_allow_medium_removal', {
  ...op, reserved: skip(3), prevention: bits(u8, { persistent: 1, prevent: 0 }), ...control,
}, { size: 6 })
export const StartStop = layout('start_stop_unit', {
  ...op, flags: bits(u8, { immed: 0 }), reserved: skip(1), layer: bits(u8, { formatLayer: [1, 0] }),
  action: bits(u8, { powerCondition: [7, 4], fl: 2, loej: 1, start: 0 }), ...control,
}, { size: 6 })
