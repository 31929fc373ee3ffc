import {
  type Abilities, type BlockOps, type CommandTable, type Identity, type Limits, type Lun, type ModeState, type Nexus, type PortIdentity, Status,
} from '@tcmu/host/scsi'
import type { Drive } from './drive'
import { BLOCK, type Medium } from './medium'

/** SPC-4 table 49 */
export const OPTICAL = 0x05
const nothing: Abilities = {
  flush: 'none', fua: 'none', unmap: 'none', writeSame: 'none', compareAndWrite: 'none', extents: 'none', format: 'none',
  sanitize: 'none', writeAtomic: 'none', extendedCopy: 'none', space: 'none',
}
const MAX_TRANSFER_BYTES = 8 * 2 ** 20
const limits: Limits = {
  maxTransfer: MAX_TRANSFER_BYTES / BLOCK, optimalTransfer: 2 ** 20 / BLOCK, optimalTransferGranularity: 1, maxUnmap: 0, maxUnmapDescriptors: 0,
  unmapGranularity: 1, unmapAlignment: 0, maxWriteSame: 0, maxCompareAndWrite: 0, maxAtomic: 0,
}

/**
 * The drive with one disc in it, or with none, as rows see it. A command that began with one disc ends with it: it never reads
 * from the next.
 */
export class Unit implements Lun {
  readonly deviceType = OPTICAL
  readonly blockSize = BLOCK
  readonly physicalExponent = 0
  readonly readOnly = true
  readonly writeCache = false
  readonly rotationRate = 0
  readonly unmappedReadsZero = false
  readonly abilities = nothing
  readonly limits = limits
  readonly ops: BlockOps
  stopped = false

  constructor(readonly drive: Drive, readonly medium: Medium | undefined) {
    this.ops = { read: (io) => medium?.read(io) ?? Status.MEDIUM_NOT_PRESENT, write: () => Status.WR_ERR_INCOMPAT_FRMT }
  }

  get name(): string {
    return this.drive.name
  }
  get blocks(): number {
    return this.medium?.blocks ?? 0
  }
  get identity(): Identity {
    return this.drive.host.identity
  }
  get modes(): ModeState {
    return this.drive.host.modes
  }
  get commands(): CommandTable {
    return this.drive.host.commands
  }
  get scratch(): Lun['scratch'] {
    return this.drive.host.scratch
  }
  get operations(): Lun['operations'] {
    return this.drive.host.operations
  }
  get copies(): Lun['copies'] {
    return this.drive.host.copies
  }
  neighbours(nexus: Nexus): ReturnType<Lun['neighbours']> {
    return this.drive.host.neighbours(nexus)
  }
  port(nexus: Nexus): PortIdentity {
    return this.drive.host.port?.(nexus) ?? {}
  }
  setWriteCache(): Status {
    return Status.NOT_HANDLED
  }
  attention(status: Status, except?: Nexus): void {
    this.drive.host.attention(status, except)
  }
  takeAttention(nexus: Nexus): Status | undefined {
    return this.drive.host.takeAttention(nexus)
  }
}
