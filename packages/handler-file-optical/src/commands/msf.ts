import { layout, skip, u32be, u8 } from '@tcmu/host/scsi'

/** Blocks before block 0: two seconds of pause. */
const PAUSE = 150
const FRAMES = 75
const SECONDS = 60
const MOST_MINUTES = 255

export interface Msf {
  readonly m: number
  readonly s: number
  readonly f: number
}

/** Address of a block as minutes, seconds and frames; the last one there is when it is beyond (MMC-6 table 650). */
export function msfOf(lba: number): Msf {
  const frames = lba + PAUSE
  const m = Math.floor(frames / (FRAMES * SECONDS))
  if (m > MOST_MINUTES) return { m: MOST_MINUTES, s: SECONDS - 1, f: FRAMES - 1 }
  return { m, s: Math.floor(frames / FRAMES) % SECONDS, f: frames % FRAMES }
}

/** The block at an address; negative in the pause before block 0, NaN when it is no address. */
export const lbaOf = ({ m, s, f }: Msf): number => (s < SECONDS && f < FRAMES ? (m * SECONDS + s) * FRAMES + f - PAUSE : NaN)

const MsfAddress = layout('msf_address', { reserved: skip(1), m: u8, s: u8, f: u8 }, { size: 4 })
const LbaAddress = layout('lba_address', { lba: u32be }, { size: 4 })

/** Address field of four bytes, as TIME of the CDB has it. */
export const addressField = (lba: number, time: boolean): Uint8Array => (time ? MsfAddress.encode({ ...msfOf(lba) }) : LbaAddress.encode({ lba }))
