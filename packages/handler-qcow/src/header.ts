import { extensionsOf, featureNames, type ExtensionPart } from './extensions'
import {
  Autoclear, Compatible, Compression, compressionAt, Entry, ExtensionType, Header, HeaderCompression, HeaderV1, HeaderV3, headerV3At,
  Incompatible, KNOWN_INCOMPATIBLE, MAGIC, text,
} from './format'
import { refuse } from './refuse'

/** Bounds of memory, the same as QEMU's: an L1 table, a refcount table, snapshots. */
const MAX_L1_BYTES = 32 * 2 ** 20
const MAX_REFCOUNT_TABLE_BYTES = 8 * 2 ** 20
const MAX_SNAPSHOTS = 65_536
const MAX_NAME = 1023
/** A header and what belongs to it lie in the first cluster, and clusters are at most this. */
export const HEADER_BYTES = 2 ** 21

/** Everything a header says, checked; sizes and offsets are bytes. */
export interface ImageHeader {
  readonly version: 1 | 2 | 3
  readonly size: number
  readonly clusterSize: number
  /** L2 entries in one table, and bytes of each. */
  readonly tableEntries: number
  readonly entryBytes: 8 | 16
  readonly l1Offset: number
  readonly l1Entries: number
  readonly backing: { readonly name: string; readonly format: string | undefined } | undefined
  /** Not in version 1. */
  readonly refcounts: { readonly tableOffset: number; readonly tableClusters: number; readonly order: number } | undefined
  readonly snapshots: { readonly count: number; readonly offset: number }
  readonly incompatible: number
  readonly compatible: number
  readonly autoclear: number
  /** Bits of 32 to 63 that are set. */
  readonly autoclearHigh: number
  readonly compression: number
  readonly extensions: readonly ExtensionPart[]
  readonly dataFile: string | undefined
}

export const has = (word: number, bit: number): boolean => (word & bit) !== 0

/** 1, 2, 3; 0 when the bytes are no qcow image at all. Throws E_QCOW_FORMAT for versions unknown here. */
export function versionOf(bytes: Uint8Array, path: string): 0 | 1 | 2 | 3 {
  if (bytes.length < Entry.size) return 0
  const { high, low } = Entry.decode(bytes)
  if (high !== MAGIC) return 0
  if (low < 1 || low > 3) throw refuse('E_QCOW_FORMAT', { path, reason: `it is of version ${low}; 1, 2 and 3 are known` })
  return low as 1 | 2 | 3
}

/** `limit`: where the file ends; a table beyond it is no table. */
class Reader {
  constructor(readonly bytes: Uint8Array, readonly path: string, readonly limit: number) {}

  check(ok: boolean, reason: string): void {
    if (!ok) throw refuse('E_QCOW_HEADER', { path: this.path, reason })
  }

  between(name: string, value: number, low: number, high: number): void {
    this.check(value >= low && value <= high, `${name} is ${value}, not ${low} to ${high}`)
  }

  table(name: string, offset: number, length: number, align: number): void {
    this.check(Number.isSafeInteger(offset) && offset % align === 0, `${name} at ${offset} is not on a boundary of ${align}`)
    this.check(offset >= align && offset + length <= this.limit, `${name} at ${offset}, ${length} bytes, is not inside the file of ${this.limit} bytes`)
  }

  name(offset: number, length: number, within: number): string | undefined {
    if (offset === 0) return undefined
    this.between('the length of the backing name', length, 1, MAX_NAME)
    this.check(Number.isSafeInteger(offset) && offset + length <= Math.min(within, this.bytes.length), 'the backing name is not inside the first cluster')
    const name = text(this.bytes.subarray(offset, offset + length))
    this.check(!name.includes('\0'), 'the backing name contains a zero byte')
    return name
  }
}

function readV1(r: Reader): ImageHeader {
  const { bytes, path } = r
  r.check(bytes.length >= HeaderV1.size, `it has ${bytes.length} bytes, the header alone has ${HeaderV1.size}`)
  const h = HeaderV1.decode(bytes)
  if (h.encryption !== 0) throw refuse('E_QCOW_ENCRYPTED', { path, reason: h.encryption === 1 ? 'AES' : `method ${h.encryption}` })
  r.between('cluster_bits', h.clusterBits, 9, 16)
  r.between('l2_bits', h.l2Bits, 6, 13)
  const clusterSize = 2 ** h.clusterBits
  const span = clusterSize * 2 ** h.l2Bits
  r.check(Number.isSafeInteger(h.size + span), `the size ${h.size} is too large`)
  const l1Entries = Math.ceil(h.size / span)
  r.between('the length of the L1 table', l1Entries * Entry.size, 0, MAX_L1_BYTES)
  r.table('the L1 table', h.l1Offset, l1Entries * Entry.size, Entry.size)
  r.check(h.l1Offset >= HeaderV1.size, 'the L1 table lies in the header')
  const name = r.name(h.backingOffset, h.backingLength, HEADER_BYTES)
  return {
    version: 1, size: h.size, clusterSize, tableEntries: 2 ** h.l2Bits, entryBytes: 8, l1Offset: h.l1Offset, l1Entries,
    backing: name === undefined ? undefined : { name, format: undefined }, refcounts: undefined, snapshots: { count: 0, offset: 0 },
    incompatible: 0, compatible: 0, autoclear: 0, autoclearHigh: 0, compression: Compression.ZLIB, extensions: [], dataFile: undefined,
  }
}

interface Features { incompatible: number; compatible: number; autoclear: number; autoclearHigh: number; order: number; length: number; compression: number }

function featuresV3(r: Reader, clusterSize: number): Features & { incompatibleHigh: number } {
  r.check(r.bytes.length >= compressionAt, `it has ${r.bytes.length} bytes, a header of version 3 has at least ${compressionAt}`)
  const v3 = HeaderV3.decode(r.bytes, headerV3At)
  r.check(v3.headerLength >= compressionAt && v3.headerLength % 8 === 0 && v3.headerLength <= clusterSize, `the header is ${v3.headerLength} bytes long`)
  r.between('refcount_order', v3.refcountOrder, 0, 6)
  const compression = v3.headerLength >= compressionAt + HeaderCompression.size && r.bytes.length >= compressionAt + HeaderCompression.size
    ? HeaderCompression.decode(r.bytes, compressionAt).type : Compression.ZLIB
  return {
    incompatible: v3.incompatible, incompatibleHigh: v3.incompatibleHigh, compatible: v3.compatible, autoclear: v3.autoclear,
    autoclearHigh: v3.autoclearHigh, order: v3.refcountOrder, length: v3.headerLength, compression,
  }
}

const V2: Features & { incompatibleHigh: number } = {
  incompatible: 0, incompatibleHigh: 0, compatible: 0, autoclear: 0, autoclearHigh: 0, order: 4, length: Header.size, compression: Compression.ZLIB,
}

/** Unknown incompatible bits, by number, and by the name the image gives them. */
function refuseUnknown(r: Reader, low: number, high: number, extensions: readonly ExtensionPart[]): void {
  const bits = [...Array(64).keys()].filter((b) => (b < 32 ? ((low & ~KNOWN_INCOMPATIBLE) >>> b) & 1 : (high >>> (b - 32)) & 1))
  if (bits.length === 0) return
  const names = featureNames(extensions, 0)
  const reason = bits.map((b) => `incompatible bit ${b}${names.has(b) ? ` (${names.get(b)!})` : ''}`).join(', ')
  throw refuse('E_QCOW_FEATURE', { path: r.path, reason })
}

function checkFeatures(r: Reader, f: Features, clusterSize: number): void {
  const known: readonly number[] = [Compression.ZLIB, Compression.ZSTD]
  if (!known.includes(f.compression)) throw refuse('E_QCOW_FEATURE', { path: r.path, reason: `compression type ${f.compression}` })
  r.check(has(f.incompatible, Incompatible.COMPRESSION) === (f.compression !== Compression.ZLIB), 'its compression type and its feature bit disagree')
  if (has(f.incompatible, Incompatible.EXTENDED_L2)) r.check(clusterSize >= 16_384, 'extended L2 entries need clusters of at least 16 KiB')
}

function readV2(r: Reader, version: 2 | 3): ImageHeader {
  const { bytes, path } = r
  r.check(bytes.length >= Header.size, `it has ${bytes.length} bytes, the header alone has ${Header.size}`)
  const h = Header.decode(bytes)
  r.between('cluster_bits', h.clusterBits, 9, 21)
  const clusterSize = 2 ** h.clusterBits
  const f = version === 3 ? featuresV3(r, clusterSize) : V2
  const extensions = extensionsOf(bytes.subarray(0, h.backingOffset > f.length && h.backingOffset < clusterSize ? h.backingOffset : clusterSize), f.length, (ok, why) => r.check(ok, why))
  refuseUnknown(r, f.incompatible, f.incompatibleHigh, extensions)
  if (h.encryption !== 0) throw refuse('E_QCOW_ENCRYPTED', { path, reason: ['', 'AES', 'LUKS'][h.encryption] ?? `method ${h.encryption}` })
  checkFeatures(r, f, clusterSize)
  const entryBytes = has(f.incompatible, Incompatible.EXTENDED_L2) ? 16 : 8
  const tableEntries = clusterSize / entryBytes
  checkTables(r, h, clusterSize, tableEntries)
  const name = r.name(h.backingOffset, h.backingLength, clusterSize)
  const textOf = (type: number): string | undefined => {
    const found = extensions.find((e) => e.type === type)
    return found && text(found.data)
  }
  const dataFile = has(f.incompatible, Incompatible.DATA_FILE) ? textOf(ExtensionType.DATA_FILE) : undefined
  if (has(f.incompatible, Incompatible.DATA_FILE)) r.check(dataFile !== undefined && dataFile !== '' && !dataFile.includes('\0'), 'it has an external data file without a name')
  return {
    version, size: h.size, clusterSize, tableEntries, entryBytes, l1Offset: h.l1Offset, l1Entries: h.l1Entries,
    backing: name === undefined ? undefined : { name, format: textOf(ExtensionType.BACKING_FORMAT) },
    refcounts: { tableOffset: h.refcountTableOffset, tableClusters: h.refcountTableClusters, order: f.order },
    snapshots: { count: h.snapshots, offset: h.snapshotsOffset },
    incompatible: f.incompatible, compatible: f.compatible, autoclear: f.autoclear, autoclearHigh: f.autoclearHigh, compression: f.compression,
    extensions, dataFile,
  }
}

function checkTables(r: Reader, h: ReturnType<typeof Header.decode>, clusterSize: number, tableEntries: number): void {
  const span = clusterSize * tableEntries
  r.check(Number.isSafeInteger(h.size) && Number.isSafeInteger(h.size + span), `the size ${h.size} is too large`)
  const needed = Math.ceil(h.size / span)
  r.between('the number of L1 entries', h.l1Entries, needed, MAX_L1_BYTES / Entry.size)
  if (h.l1Entries > 0) r.table('the L1 table', h.l1Offset, h.l1Entries * Entry.size, clusterSize)
  r.between('the refcount table\'s length in bytes', h.refcountTableClusters * clusterSize, clusterSize, Math.max(clusterSize, MAX_REFCOUNT_TABLE_BYTES))
  r.table('the refcount table', h.refcountTableOffset, h.refcountTableClusters * clusterSize, clusterSize)
  r.between('the number of snapshots', h.snapshots, 0, MAX_SNAPSHOTS)
  if (h.snapshots > 0) r.table('the snapshot table', h.snapshotsOffset, Entry.size, clusterSize)
}

/** `bytes`: the start of the file, up to HEADER_BYTES. Throws E_QCOW_HEADER, _ENCRYPTED, _FEATURE or _FORMAT. */
export function parseHeader(bytes: Uint8Array, path: string, fileSize: number): ImageHeader {
  const version = versionOf(bytes, path)
  if (version === 0) throw refuse('E_QCOW_FORMAT', { path, reason: 'it does not begin as one' })
  const clusterBits = version > 1 && bytes.length >= Header.size ? Header.decode(bytes).clusterBits : 9
  // The last cluster of an image need not be whole.
  const cluster = 2 ** Math.min(21, Math.max(9, clusterBits))
  const r = new Reader(bytes, path, version === 1 ? fileSize : Math.ceil(fileSize / cluster) * cluster)
  return version === 1 ? readV1(r) : readV2(r, version)
}

export const isLazy = (h: ImageHeader): boolean => h.version === 3 && has(h.compatible, Compatible.LAZY_REFCOUNTS)
export const isRawDataFile = (h: ImageHeader): boolean => h.dataFile !== undefined && has(h.autoclear, Autoclear.RAW_DATA_FILE)
