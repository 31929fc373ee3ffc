import type { Segments } from '../wire'
import type { CommandRow, CommandTable } from './command-table'
import type { PortGroups } from './port-groups'
import type { CopyJobs } from './copy/jobs'
import type { UnitOperations } from './operation'
import type { Status } from './status'
import type { Task } from './task'
import type { Designator } from './vpd/identification'

/** What a callback gives back: a status, now or later. */
export type Result = Status | Promise<Status>

/** One I_T nexus (SAM-5 4.7) as a front end knows it; identity is by object. */
export interface Nexus {
  /** For people and logs, e.g. `iqn.1993-08.org.debian:01:abc,i,0x00023d000000`. */
  readonly name: string
}

/** A range of the medium and the memory it is read into or written from. */
export interface BlockIo {
  /** `data.length` is `length`, but for `writeSame` (one block) and `compareAndWrite` (twice: compare, then write). */
  readonly data: Segments
  /** Bytes on the medium, multiples of the block size. */
  readonly offset: number
  readonly length: number
  /** FORCE UNIT ACCESS: on the medium before the callback settles. Set only for handlers that declare `fua`. */
  readonly fua: boolean
  readonly signal: AbortSignal
}

/** A range of the medium, in bytes. */
export interface BlockRange {
  readonly offset: number
  readonly length: number
  readonly signal: AbortSignal
}

/** What a stretch of the medium is: mapped and readable, or without storage (reads as zeroes when `zero`). */
export interface Extent {
  readonly offset: number
  readonly length: number
  readonly state: 'mapped' | 'deallocated' | 'anchored'
}

/** How an optional operation is done: not at all, by the host out of others, or by the handler. */
export type Ability = 'none' | 'emulate' | 'native'
export interface Abilities {
  readonly flush: Ability
  readonly fua: Ability
  readonly unmap: Ability
  readonly writeSame: Ability
  readonly compareAndWrite: Ability
  readonly extents: Ability
  readonly format: Ability
  readonly sanitize: Ability
  readonly writeAtomic: Ability
  readonly extendedCopy: Ability
  /** How much storage is used and left: thresholds of thin provisioning. */
  readonly space: Ability
}
export type AbilityName = keyof Abilities

/** Storage behind a device, in bytes; `available` is what may still be mapped. */
export interface Space {
  readonly used: number
  readonly available: number
}

/** The medium behind a LUN. Optional members are absent when the handler lacks them; any may answer NOT_HANDLED. */
export interface BlockOps {
  read(io: BlockIo): Result
  write(io: BlockIo): Result
  flush?(signal: AbortSignal): Result
  unmap?(range: BlockRange): Result
  writeSame?(io: BlockIo): Result
  compareAndWrite?(io: BlockIo): Result
  extents?(range: BlockRange): readonly Extent[] | Promise<readonly Extent[]>
  space?(): Space | Promise<Space>
}

/** Who takes over a task whose data has moved, or failed to: ends it with `medium.end`, once, then or later. */
export interface AfterMove {
  moved(task: Task, outcome: Status | Error, medium: DirectMedium): void
}

/** A medium whose bytes the host moves itself, without a promise. */
export interface DirectMedium {
  /**
   * Move all of `task.data` from or to the task's range: true, and `task.moving` until the task is settled, which the outcome does unless `after`
   * is there to do it; false: ask `ops`.
   */
  move(task: Task, write: boolean, after?: AfterMove): boolean
  /** Settle a task that `after` was given; an error becomes sense. */
  end(task: Task, outcome: Status | Error): void
}

/** Limits in logical blocks (SBC-3 6.6.4 Block Limits). */
export interface Limits {
  /** What initiators are told. */
  readonly maxTransfer: number
  /** What is refused is longer than that. Default: `maxTransfer`. */
  readonly longestTransfer?: number
  readonly optimalTransfer: number
  readonly optimalTransferGranularity: number
  readonly maxUnmap: number
  readonly maxUnmapDescriptors: number
  readonly unmapGranularity: number
  readonly unmapAlignment: number
  readonly maxWriteSame: number
  readonly maxCompareAndWrite: number
  /** WRITE ATOMIC; 0 when there is none. */
  readonly maxAtomic: number
}

/** Who a LUN says it is (SPC-4 6.6, 7.8). */
export interface Identity {
  readonly vendor: string
  readonly product: string
  readonly revision: string
  /** VPD 80h; the NAA designator of VPD 83h is derived from it as the kernel does. */
  readonly serial: string
}

/** Changeable state behind the mode pages, one per LUN. */
export interface ModeState {
  /** Control page D_SENSE: descriptor format sense data. */
  dSense: boolean
  /** Control page SWP: software write protect. */
  swp: boolean
  /** Read-write error recovery page LBPERE: thresholds of thin provisioning are reported. */
  lbpere: boolean
  /** Logical block provisioning page, thresholds in the order of its descriptors. */
  thresholds: readonly Threshold[]
}

/** A soft threshold (SBC-3 6.5.9): `count` threshold sets of 2^exponent blocks. */
export interface Threshold {
  readonly enabled: boolean
  readonly count: number
}

/** Values of mode pages that outlive the process, one body for each page. */
export interface SavedModes {
  /** As they were saved last; undefined: never. */
  get(page: { readonly code: number; readonly subpage: number }): Uint8Array | undefined
  /** Resolves when all of them would outlive a loss of power. */
  save(pages: readonly { readonly code: number; readonly subpage: number; readonly body: Uint8Array }[]): Promise<void>
}

/** What a unit has done since it was opened. */
export interface Statistics {
  readonly reads: number
  readonly writes: number
  readonly readBytes: number
  readonly writtenBytes: number
}

/** One self-test and how it ended (SPC-4 7.3.21); `result` is the SELF-TEST RESULTS field. */
export interface SelfTest {
  readonly code: number
  readonly number: number
  result: number
  /** Power on hours. */
  readonly hours: number
}

/** Self-tests of a unit, the latest first. */
export interface SelfTests {
  readonly log: readonly SelfTest[]
  /** Set while one runs in the background. */
  background: { readonly stop: () => Promise<void> } | undefined
  begin(code: number): SelfTest
}

/** What log pages are made of: all since the unit was opened, or LOG SELECT set it back. */
export interface History {
  readonly statistics: Statistics
  readonly selfTests: SelfTests
  /** Forget it, as LOG SELECT asks. */
  reset(): void
}

/** What the target port that a nexus uses adds to INQUIRY data. */
export interface PortIdentity {
  /** Version descriptor of the transport standard (SPC-4 table 142). */
  readonly versionDescriptor?: number
  /** Appended to VPD 83h. */
  readonly designators?: readonly Designator[]
}

/** The status that a command ends with instead of running; undefined lets it run. */
export type Barrier = (task: Task, row: CommandRow) => Status | undefined

/** What SCSI commands may ask of their logical unit. */
export interface Lun {
  readonly name: string
  /** SPC-4 peripheral device type; 0 is a direct access block device. */
  readonly deviceType: number
  readonly blockSize: number
  /** Number of logical blocks; offsets in bytes are safe integers. */
  readonly blocks: number
  /** log2 of logical blocks per physical block. */
  readonly physicalExponent: number
  readonly readOnly: boolean
  /** Reserved bits of a CDB are refused; left out: they are ignored, as initiators in the field need. */
  readonly strictCdb?: boolean
  /** Volatile write cache (WCE): a write may be acknowledged before it is on the medium. */
  readonly writeCache: boolean
  /** WCE when the unit was opened. */
  readonly writeCacheDefault?: boolean
  /** SBC-3 6.6.2 nominal rotation rate: 0 not reported, 1 non-rotating. */
  readonly rotationRate: number
  /** Unmapped blocks read as zeroes (LBPRZ). */
  readonly unmappedReadsZero: boolean
  readonly identity: Identity
  readonly limits: Limits
  readonly abilities: Abilities
  readonly modes: ModeState
  /** Absent: mode parameters cannot be saved. */
  readonly savedModes?: SavedModes
  /** Absent on units with a command set of their own. */
  readonly history?: History
  readonly ops: BlockOps
  /** For READ and WRITE of a whole range, as a command's last act. */
  readonly direct?: DirectMedium | undefined
  /** Its `read` or `write` has answered by promise. */
  answersLater?: boolean
  readonly commands: CommandTable
  /** FORMAT UNIT and SANITIZE. */
  readonly operations: UnitOperations
  /** EXTENDED COPY of this unit's copy manager. */
  readonly copies: CopyJobs
  /** START STOP UNIT with START=0 happened. */
  stopped: boolean
  /** Change WCE; resolves to NOT_HANDLED when the handler cannot. */
  setWriteCache(on: boolean): Result
  /** Queue a unit attention for every nexus but `except`. */
  attention(status: Status, except?: Nexus): void
  /** Take the unit attention that waits for a nexus, as REQUEST SENSE does (SPC-4 6.39). */
  takeAttention(nexus: Nexus): Status | undefined
  /** Target port groups; absent where there is nothing to tell of them. */
  readonly portGroups?: PortGroups | undefined
  /** What keeps a command from the medium because of locks or port states, asked before it runs; absent: nothing ever does. */
  readonly barrier?: Barrier | undefined
  /** The units that a nexus may reach through the front end, for a copy manager; this one alone without a front end that knows. */
  neighbours(nexus: Nexus): Iterable<LogicalUnit>
  /** Absent when no front end has anything to say of its ports. */
  readonly port?: (nexus: Nexus) => PortIdentity
  /** The host's own answer to a command, in its turn among others on the same blocks; absent: `emulate` runs the row. */
  emulate?(task: Task): Result
  /** Bounds the memory of commands that the host makes out of reads and writes. */
  readonly scratch?: { take(): Promise<void> | undefined; give(): void }
}

/** Order in which the links of a device's answer chain are asked; the lowest first. */
export const stage = { attention: -200, reservation: -150, format: -100, owner: 0, generic: 100 } as const

/** What a front end adds to a logical unit: commands of its own and a place in the answer chain. */
export interface LunExtension {
  readonly name: string
  readonly rows?: readonly CommandRow[]
  readonly stage?: number
  /** Answer the task, or pass it on with undefined. Called with `task.row` set when there is one. */
  readonly answer?: (task: Task) => Result | undefined
  /** The port behind a nexus, for INQUIRY data. */
  readonly port?: (nexus: Nexus) => PortIdentity
  readonly portGroups?: PortGroups
  /** The units that a nexus has access to, this one among them: what EXTENDED COPY copies between. */
  readonly units?: (nexus: Nexus) => Iterable<LogicalUnit>
}

/** How a front end uses a logical unit. */
export interface LogicalUnit extends Lun {
  /**
   * Bytes the CDB in `task` asks to move, at most `task.expected`, 0 for commands that are not supported or whose
   * transfer is too long. A front end provides that much in `task.data` before `execute`.
   */
  transferOf(task: Task): number
  /** The one door in. `task.finish()` is called once, possibly before this returns. */
  execute(task: Task): void
  /** As `execute`, by a row that need not be in the table: a copy manager's own commands. */
  perform(task: Task, row: CommandRow): void
  /** Before the first command only. */
  extend(part: LunExtension): void
  join(nexus: Nexus): void
  leave(nexus: Nexus): void
  /** Queue a unit attention for one nexus. */
  attend(nexus: Nexus, status: Status): void
  /** LOGICAL UNIT RESET, once what was under way is aborted: mode parameters are those of power on again (SAM-5 6.3.3). */
  reset(): Promise<void>
  /** Abort the live tasks that `which` picks; resolves when each of them has been finished. */
  abort(which: (task: Task) => boolean): Promise<number>
}
