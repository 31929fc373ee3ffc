import { bytes, layout, skip, u16be, u32be, u64be, u8 } from '@tcmu/host/scsi'

/** "QFI" and 0xfb, at the start of every version. */
export const MAGIC = 0x514649fb
export const TWO32 = 2 ** 32

/** Version 1: the whole header. */
export const HeaderV1 = layout('qcow_header', {
  magic: u32be, version: u32be, backingOffset: u64be, backingLength: u32be, mtime: u32be, size: u64be,
  clusterBits: u8, l2Bits: u8, padding: skip(2), encryption: u32be, l1Offset: u64be,
}, { size: 48 })

/** Versions 2 and 3: what both have. */
export const Header = layout('qcow2_header', {
  magic: u32be, version: u32be, backingOffset: u64be, backingLength: u32be, clusterBits: u32be, size: u64be, encryption: u32be,
  l1Entries: u32be, l1Offset: u64be, refcountTableOffset: u64be, refcountTableClusters: u32be, snapshots: u32be, snapshotsOffset: u64be,
}, { size: 72 })

/** Version 3: what follows `Header`. Feature words are 64 bits, here as two halves. */
export const HeaderV3 = layout('qcow2_header_v3', {
  incompatibleHigh: u32be, incompatible: u32be, compatibleHigh: u32be, compatible: u32be, autoclearHigh: u32be, autoclear: u32be,
  refcountOrder: u32be, headerLength: u32be,
}, { size: 32 })
/** After that, when the header is long enough. */
export const HeaderCompression = layout('qcow2_header_compression', { type: u8, padding: skip(7) }, { size: 8 })

export const headerV3At = Header.size
export const compressionAt = Header.size + HeaderV3.size

export const Incompatible = { DIRTY: 1, CORRUPT: 2, DATA_FILE: 4, COMPRESSION: 8, EXTENDED_L2: 16 } as const
export const KNOWN_INCOMPATIBLE = 31
export const Compatible = { LAZY_REFCOUNTS: 1 } as const
export const Autoclear = { BITMAPS: 1, RAW_DATA_FILE: 2 } as const
export const Compression = { ZLIB: 0, ZSTD: 1 } as const

export const Extension = layout('qcow2_extension', { type: u32be, length: u32be }, { size: 8 })
export const ExtensionType = { END: 0, BACKING_FORMAT: 0xe2792aca, FEATURE_NAMES: 0x6803f857, BITMAPS: 0x23852875, LUKS: 0x0537be77, DATA_FILE: 0x44415441 } as const
export const FeatureName = layout('qcow2_feature_name', { kind: u8, bit: u8, name: bytes(46) }, { size: 48 })
export const BitmapsExtension = layout('qcow2_bitmaps', { count: u32be, reserved: skip(4), directorySize: u64be, directoryOffset: u64be }, { size: 24 })
/** Followed by `extraLength` bytes, the name, and padding to 8. */
export const BitmapEntry = layout('qcow2_bitmap_entry', {
  tableOffset: u64be, tableEntries: u32be, flags: u32be, type: u8, granularityBits: u8, nameLength: u16be, extraLength: u32be,
}, { size: 24 })

/** Followed by `extraLength` bytes, identifier and name, and padding to 8. */
export const SnapshotRecord = layout('qcow2_snapshot', {
  l1Offset: u64be, l1Entries: u32be, idLength: u16be, nameLength: u16be, seconds: u32be, nanoseconds: u32be, clock: u64be,
  stateSize: u32be, extraLength: u32be,
}, { size: 40 })
export const SnapshotExtra = layout('qcow2_snapshot_extra', { stateSize: u64be, diskSize: u64be }, { size: 16 })

/** Entries of L1, L2, refcount and bitmap tables: 64 bits, here as two halves. */
export const Entry = layout('qcow2_entry', { high: u32be, low: u32be }, { size: 8 })
/** Extended L2: what follows an entry. Bit n of each: subcluster n. */
export const SubclusterBits = layout('qcow2_subclusters', { zero: u32be, allocated: u32be }, { size: 8 })
export const SUBCLUSTERS = 32

/** A name in the file: latin1 would garble it, so it is bytes until here. */
export const text = (raw: Uint8Array): string => Buffer.from(raw).toString('utf8')
export const cString = (raw: Uint8Array): string => text(raw.subarray(0, raw.indexOf(0) < 0 ? raw.length : raw.indexOf(0)))
