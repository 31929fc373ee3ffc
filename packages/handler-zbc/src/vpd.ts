import { bits, layout, skip, u32be, u8 } from '@tcmu/host/scsi'

/** A disk that turns, as the C runner has it. */
export const ROTATION_RATE = 7200

/** VPD B6h of ZBC-2 (6.5.2), after the page header. */
export const ZonedCharacteristics = layout('vpd_zoned_block_device_characteristics', {
  flags: bits(u8, { extension: [7, 4], aaorb: 1, urswrz: 0 }), reserved: skip(3), optimalOpen: u32be, optimalNonSequential: u32be, maxOpen: u32be, reserved2: skip(44),
}, { size: 60 })
