import type { DeviceProperties, Handler, HandlerIo, HandlerLog } from '../handler/types'
import type { CommandRow, Identity, Limits, SavedModes } from '../scsi'
import type { Backend } from './backend'
import type { CommandLimits } from './deadlines'
import type { RecoveryTiming } from './recovery'

/** What an operator says of a device. Plain data, so that it can cross to another process. */
export interface DeviceSpec {
  readonly name: string
  readonly subtype: string
  /** The cfgstring after `subtype/`. */
  readonly config: string
  readonly options?: unknown
  /** 0: the handler says. */
  readonly sizeBytes: number
  readonly blockSize: number
  readonly serial: string
  readonly readOnly?: boolean
  /** Refuse reserved bits of CDBs; default: they are ignored. */
  readonly strictCdb?: boolean
  /**
   * All storage is reserved, where the handler can do that, and stays so: what is unmapped is zeroed. With other handlers nothing is
   * unmapped, and no block is told to be without storage.
   */
  readonly thick?: boolean
  /** Bytes of a physical block, a multiple of `blockSize` by a power of two. Default: the handler says. */
  readonly physicalBlockSize?: number
  /** The longest transfer that initiators are to make, in blocks. What is longer and comes all the same is served. */
  readonly maxTransferBlocks?: number
  /** It was open before, see DeviceInfo. */
  readonly reopen?: boolean
  /** What its handler gave `keep` before. */
  readonly kept?: unknown
  /** How long commands may take; left out: for ever. */
  readonly limits?: CommandLimits
}

/** What a device is given to work with. */
export interface DeviceDeps {
  readonly handler: Handler
  readonly io: HandlerIo
  readonly log: HandlerLog
  /** Generic rows under a blocks handler; default: the block command set. */
  readonly rows?: readonly CommandRow[]
  /** The serial number where it may change while the device is open; default: that of the spec. Asked for by commands. */
  readonly serial?: () => string
  /** Where mode parameters outlive the process; left out: they do not, and initiators are told so. */
  readonly savedModes?: SavedModes
  /** Pauses of recovery, where they are to be others; false: a lost backend is told of, and whoever owns the device opens it again. */
  readonly recovery?: RecoveryTiming | false
}

/** What a running device is made of. */
export interface DeviceParts {
  readonly spec: DeviceSpec
  readonly backend: Backend
  readonly properties: DeviceProperties
  readonly sizeBytes: number
  /** Generic rows under a blocks handler, a commands handler's own otherwise. */
  readonly rows: (state: unknown) => readonly CommandRow[]
  readonly log: HandlerLog
  /** As in DeviceDeps. */
  readonly serial?: () => string
  readonly savedModes?: SavedModes
  readonly recovery?: RecoveryTiming | false
}

const MiB = 2 ** 20
/** Longest single READ or WRITE, and what a front end must be ready to hold for one command. */
export const MAX_TRANSFER_BYTES = 8 * MiB
/** Commands made out of reads and writes that have memory of their own at a time: CHUNK_BYTES each, twice that for ORWRITE. */
export const MOST_EMULATED = 16
const OPTIMAL_TRANSFER_BYTES = MiB
/** 16 MiB of emulated WRITE SAME take some tens of milliseconds; a longer one would hold up its range. */
const MAX_WRITE_SAME_BYTES = 16 * MiB
/** What libiscsi's test tool takes for a sane limit. */
const MAX_UNMAP_BLOCKS = 2 ** 20
const MAX_UNMAP_DESCRIPTORS = 256
const MAX_COMPARE_AND_WRITE_BLOCKS = 128

/** log2 of logical blocks per physical block: what the operator says, else what the handler does. */
export const physicalExponentOf = (p: DeviceProperties, spec: DeviceSpec): number =>
  spec.physicalBlockSize === undefined ? (p.physicalExponent ?? 0) : Math.log2(spec.physicalBlockSize / spec.blockSize)

/** Block limits from what the handler declared, the rest by default. */
export function limitsOf(p: DeviceProperties, blockSize: number, physicalExponent: number, most = Infinity): Limits {
  const granularity = Math.max(1, p.unmapGranularityBlocks ?? 1)
  const longestTransfer = Math.min(p.maxTransferBlocks ?? Infinity, MAX_TRANSFER_BYTES / blockSize)
  const maxTransfer = Math.min(longestTransfer, most)
  return {
    maxTransfer,
    longestTransfer,
    optimalTransfer: Math.min(p.optimalTransferBlocks ?? OPTIMAL_TRANSFER_BYTES / blockSize, most),
    optimalTransferGranularity: 2 ** physicalExponent,
    maxUnmap: p.maxUnmapBlocks ?? MAX_UNMAP_BLOCKS,
    maxUnmapDescriptors: MAX_UNMAP_DESCRIPTORS,
    unmapGranularity: granularity,
    unmapAlignment: 0,
    maxWriteSame: MAX_WRITE_SAME_BYTES / blockSize,
    maxCompareAndWrite: MAX_COMPARE_AND_WRITE_BLOCKS,
    maxAtomic: Math.min(p.maxAtomicBlocks ?? 0, maxTransfer),
  }
}

/** LIO's own names, so that a disk keeps its identity when it moves between the kernel's backends and this host. */
export function identityOf(p: DeviceProperties, serial: () => string): Identity {
  return {
    vendor: p.vendor ?? 'LIO-ORG', product: p.product ?? 'TCMU device', revision: p.revision ?? '0002',
    get serial() {
      return serial()
    },
  }
}
