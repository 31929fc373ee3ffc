import { bits, layout, skip, u16be, u32be, u64be, u8 } from '../wire'

/** ZBC-2 table 2, and the draft Zone Domains types. */
export const zoneType = { CONVENTIONAL: 1, SEQUENTIAL_REQUIRED: 2, SEQUENTIAL_PREFERRED: 3, SOBR: 4, GAP: 5 } as const
export type ZoneType = (typeof zoneType)[keyof typeof zoneType]

/** ZBC-2 table 3. */
export const zoneCondition = {
  NOT_WRITE_POINTER: 0x0, EMPTY: 0x1, IMPLICIT_OPEN: 0x2, EXPLICIT_OPEN: 0x3, CLOSED: 0x4, INACTIVE: 0x5, READ_ONLY: 0xd, FULL: 0xe, OFFLINE: 0xf,
} as const
export type ZoneCondition = (typeof zoneCondition)[keyof typeof zoneCondition]

/** Service actions of ZBC OUT and ZBC IN that all dialects share. */
export const zoneAction = { CLOSE_ZONE: 0x01, FINISH_ZONE: 0x02, OPEN_ZONE: 0x03, RESET_WRITE_POINTER: 0x04, REPORT_ZONES: 0x00 } as const

/** ZBC-2 5.3: CLOSE, FINISH, OPEN ZONE, RESET WRITE POINTER, SEQUENTIALIZE ZONE. */
export const ZoneOut = layout('zbc_out', {
  op: u8, action: bits(u8, { serviceAction: [4, 0] }), zone: u64be, reserved: skip(2), count: u16be, flags: bits(u8, { all: 0 }),
  control: bits(u8, { naca: 2 }),
}, { size: 16 })
/** ZBC-2 5.6, and the other lists of ZBC IN: `lba` is where the list begins. */
export const ZoneIn = layout('zbc_in', {
  op: u8, action: bits(u8, { serviceAction: [4, 0] }), lba: u64be, allocation: u32be, flags: bits(u8, { partial: 7, options: [5, 0] }),
  control: bits(u8, { naca: 2 }),
}, { size: 16 })

/** ZBC-2 5.6.2, before the zone descriptors. */
export const ReportZonesHeader = layout('report_zones', {
  length: u32be, flags: bits(u8, { same: [3, 0] }), reserved: skip(3), maximumLba: u64be, reserved2: skip(48),
}, { size: 64 })
export const ZoneDescriptor = layout('zone_descriptor', {
  first: bits(u8, { type: [3, 0] }), second: bits(u8, { condition: [7, 4], nonSequential: 1, reset: 0 }), reserved: skip(6),
  length: u64be, start: u64be, writePointer: u64be, reserved2: skip(32),
}, { size: 64 })

/** Reporting options that are no zone condition (ZBC-2 table 32). */
export const zoneReport = { ALL: 0x00, RESET_RECOMMENDED: 0x10, NON_SEQUENTIAL: 0x11, NOT_WRITE_POINTER: 0x3f } as const
