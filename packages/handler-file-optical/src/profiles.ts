/** A kind of disc (MMC-6 table 93), as far as the drive's answers depend on it. */
export interface Profile {
  readonly name: 'CD-ROM' | 'DVD-ROM' | 'BD-ROM'
  readonly code: number
  /** The largest disc of this kind, in blocks. */
  readonly mostBlocks: number
  /** Blocks in a unit of error correction: the least that is read at a time. */
  readonly blocking: number
  /** Bytes a second in thousands, of the speed the drive claims: 48x, 16x and 12x. */
  readonly speed: number
}

/** The lead-out of a CD has to be addressable as 99:59:74 at most, two seconds of which come before block 0. */
const CD_BLOCKS = 99 * 60 * 75 + 59 * 75 + 74 - 150
/** Two layers of DVD-ROM (ECMA-267: 8.54 GB a side). */
const DVD_BLOCKS = 4_173_824
/** What fits on a layer of it. */
export const DVD_LAYER_BLOCKS = 2_295_104
/** READ CAPACITY(10) and the CDBs of MMC have 32 bits. */
const BD_BLOCKS = 2 ** 32 - 1

export const CD_ROM: Profile = Object.freeze<Profile>({ name: 'CD-ROM', code: 0x0008, mostBlocks: CD_BLOCKS, blocking: 1, speed: 8467 })
export const DVD_ROM: Profile = Object.freeze<Profile>({ name: 'DVD-ROM', code: 0x0010, mostBlocks: DVD_BLOCKS, blocking: 16, speed: 22160 })
export const BD_ROM: Profile = Object.freeze<Profile>({ name: 'BD-ROM', code: 0x0040, mostBlocks: BD_BLOCKS, blocking: 32, speed: 53952 })

/** Smallest first. */
export const profiles: readonly Profile[] = [CD_ROM, DVD_ROM, BD_ROM]

/** The smallest kind of disc that has room; undefined when none has. */
export const profileOf = (blocks: number): Profile | undefined => profiles.find((p) => blocks <= p.mostBlocks)
