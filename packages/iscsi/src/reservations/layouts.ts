import { bits, bytes, layout, skip, u16be, u32be, u8 } from '@tcmu/host/scsi'

const op = { op: u8 }
const control = { control: bits(u8, { naca: 2 }) }
const action = { action: bits(u8, { serviceAction: [4, 0] }) }

/** SPC-4 6.15. */
export const InCdb = layout('persistent_reserve_in', { ...op, ...action, reserved: skip(5), allocationLength: u16be, ...control }, { size: 10 })
/** SPC-4 6.16. */
export const OutCdb = layout('persistent_reserve_out', {
  ...op, ...action, how: bits(u8, { scope: [7, 4], type: [3, 0] }), reserved: skip(2), listLength: u32be, ...control,
}, { size: 10 })

const thirdParty = { flags: bits(u8, { thirdParty: 4, extent: 0 }) }
/** RESERVE(6), RELEASE(6): SPC-2 7.22, 7.17; what is obsolete beyond these bits is ignored. */
export const Reserve6 = layout('reserve_6', { ...op, ...thirdParty, reserved: skip(3), ...control }, { size: 6 })
/** RESERVE(10), RELEASE(10): SPC-2 7.21, 7.16. */
export const Reserve10 = layout('reserve_10', { ...op, ...thirdParty, reserved: skip(7), ...control }, { size: 10 })

const key = bytes(8)
/** SPC-4 table 213: basic parameter list. */
export const BasicList = layout('persistent_reserve_out_list', {
  key, newKey: key, obsolete: skip(4), flags: bits(u8, { specIPt: 3, allTgPt: 2, aptpl: 0 }), reserved: skip(3),
}, { size: 24 })
/** SPC-4 table 214: what follows with SPEC_I_PT. */
export const TransportIdList = layout('transport_id_list', { length: u32be }, { size: 4 })
/** SPC-4 table 217: REGISTER AND MOVE. */
export const MoveList = layout('register_and_move_list', {
  key, newKey: key, reserved: skip(1), flags: bits(u8, { unreg: 1, aptpl: 0 }), port: u16be, transportIdLength: u32be,
}, { size: 24 })

/** SPC-4 6.15.2, 6.15.3, 6.15.5: head of the lists. */
export const InHeader = layout('persistent_reserve_in_header', { generation: u32be, additionalLength: u32be }, { size: 8 })
/** SPC-4 table 205. */
export const ReservationDescriptor = layout('reservation_descriptor', {
  key, obsolete: skip(4), reserved: skip(1), how: bits(u8, { scope: [7, 4], type: [3, 0] }), obsolete2: skip(2),
}, { size: 16 })
/** SPC-4 table 208; `typeMask` by bit: 15 WE AR, 14 EA RO, 13 WE RO, 11 EA, 9 WE, 0 EA AR. */
export const Capabilities = layout('persistent_reservation_capabilities', {
  length: u16be,
  can: bits(u8, { replaceLost: 7, compatibleHandling: 4, specifyInitiatorPorts: 3, allTargetPorts: 2, persist: 0 }),
  more: bits(u8, { typeMaskValid: 7, allowCommands: [6, 4], persistActive: 0 }),
  typeMask: u16be,
  reserved: skip(2),
}, { size: 8 })
/** SPC-4 table 210, without the TransportID. */
export const FullStatusDescriptor = layout('full_status_descriptor', {
  key, reserved: skip(4), flags: bits(u8, { allTgPt: 1, holder: 0 }), how: bits(u8, { scope: [7, 4], type: [3, 0] }), reserved2: skip(4),
  port: u16be, additionalLength: u32be,
}, { size: 24 })

/** SPC-4 7.6.4.6 iSCSI TransportID, without the name. */
export const TransportIdHeader = layout('iscsi_transport_id', {
  first: bits(u8, { format: [7, 6], protocol: [3, 0] }), reserved: skip(1), additionalLength: u16be,
}, { size: 4 })
