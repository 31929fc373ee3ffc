import type { Segments } from '../wire'
import type { AbilityName, BlockIo, BlockOps, BlockRange, CommandRow, Extent, Lun, Nexus, Result, Space, Status, Task } from '../scsi'

type Maybe<T> = T | Promise<T>
/** Nothing counts as `Status.OK`. */
export type Answer = void | Status | Promise<void | Status>

/** Is told how a transfer ended: OK, another status, or the error that `readv` or `writev` would have rejected with. */
export interface Mover<T> {
  moved(subject: T, outcome: Status | Error): void
}

/** What moves data between a command and its bytes, without promises: how the host serves what a handler's `file` holds. */
export interface Moving {
  /**
   * As `readv` or `writev`; `mover` is told of the end, after this has returned. Throws what cannot be begun. Files that do not come from
   * the host may lack it: the handler's `read` and `write` are called then. `turn`: of the host's, for this transfer alone; what stands
   * between and makes something else of it leaves it out.
   */
  move?<T>(write: boolean, data: Segments, offset: number, sync: boolean, mover: Mover<T>, subject: T, turn?: number): void
}

/** A file or block device, opened by the host for a handler; what it moves never passes through JavaScript. */
export interface IoFile extends Moving {
  readonly path: string
  /** Bytes, as of `open`, `truncate` or `refresh`. */
  readonly size: number
  readonly readOnly: boolean
  readonly blockDevice: boolean
  /** Bytes: the file system's or device's block; discards smaller than this may do nothing. */
  readonly granularity: number
  /** Bytes: positions and lengths of `readv` and `writev` must be multiples of it, else they reject with EINVAL; 1 unless opened with `direct`. */
  readonly alignment: number
  /** Whether `punch` works here. */
  readonly canPunch: boolean
  /** Whether the medium seeks; undefined when unknown. */
  readonly rotational: boolean | undefined
  /** Fill `data` from `offset`; what lies beyond the end of the file reads as zeroes. Errors reject with an errno `code`. */
  readv(data: Segments, offset: number): Result
  /** Write all of `data` at `offset`. With `sync`, on the medium when it settles (RWF_DSYNC). */
  writev(data: Segments, offset: number, sync?: boolean): Result
  /** fdatasync, or fsync when the size changed. */
  sync(): Result
  /** Give back the storage of a range; it reads as zeroes. NOT_HANDLED when the file system cannot. */
  punch(offset: number, length: number): Result
  /** Make a range read as zeroes, keeping storage when `allocate`. NOT_HANDLED when the file system cannot. */
  zero(offset: number, length: number, allocate?: boolean): Result
  /** Reserve storage. NOT_HANDLED when the file system cannot. */
  allocate(offset: number, length: number): Result
  /**
   * Which parts of a range have storage (SEEK_DATA and SEEK_HOLE); with `written`, for a file all of whose storage is reserved, which parts
   * of it were written and which are `anchored` (FIEMAP).
   */
  extents(offset: number, length: number, written?: boolean): Promise<readonly Extent[]>
  /** Storage of the file, and what its file system has left. */
  space(): Promise<Space>
  truncate(size: number): Promise<void>
  /** Read the size anew. */
  refresh(): Promise<number>
  /**
   * Transfers that end together are told of one after another: call `fn` when that is over, and what it begins goes out at once. As a microtask
   * when nothing is being told of. Files that do not come from the host may lack it.
   */
  afterBatch?(fn: () => void): void
  /** Settles when every operation begun before has ended, however it ended; later ones are not waited for. */
  drained(): Promise<void>
  /** Waits for what is under way. */
  close(): Promise<void>
}

/** A locking scheme that other programs use as well: open file description locks on single bytes. */
export interface ByteLocks {
  /** Share-locked for as long as the file is open. */
  readonly hold: readonly number[]
  /** The file is refused when somebody else holds a lock on one of these, once ours are taken. */
  readonly refuse: readonly number[]
}

export interface OpenFile {
  readonly readOnly?: boolean
  /** Make it when it is not there; never truncates. */
  readonly create?: boolean
  /** Size of a file made by `create`, sparse. */
  readonly size?: number
  /** Refuse a second opener: an exclusive advisory lock (open file description lock), or locks on single bytes. Default true. */
  readonly lock?: boolean | ByteLocks
  /** Read and write past the page cache (O_DIRECT); see `IoFile.alignment`. Memory may lie anywhere. */
  readonly direct?: boolean
}

/** The addon of a storage library: `loadRbd()` of `@tcmu/native/rbd` gives one. */
export interface IoLibrary {
  readonly abiVersion: number
}

/** What the initiator is told when an operation of an image failed with `errno`, a positive number. */
export type ImageAnswer = (errno: number, access: 'read' | 'write' | 'none') => Status

/** What a storage library has open, moved by the host: data goes straight between the library and the commands' memory. */
export interface IoImage extends Moving {
  readv(data: Segments, offset: number): Result
  writev(data: Segments, offset: number, sync?: boolean): Result
  flush(): Result
  discard(offset: number, length: number): Result
  /** Make a range read as zeroes, with storage when `allocate`. */
  zero(offset: number, length: number, allocate?: boolean): Result
  /** `data`, over and over. */
  writeSame(data: Segments, offset: number, length: number): Result
  /** `data` is what must be there, then what is to be written. */
  compareAndWrite(data: Segments, offset: number): Result
  /** Settles when every operation begun before has ended, however it ended; later ones are not waited for. */
  drained(): Promise<void>
  /** Waits for what is under way. Does not close the session. */
  close(): Promise<void>
}

export interface HandlerIo {
  /**
   * The path is absolute. Rejects with E_FILE_PATH, E_FILE_KIND (no regular file or block device), E_FILE_FOLDER,
   * E_FILE_LOCKED or E_FILE_DIRECT, else with an error whose `code` is an errno name; the message names the path.
   */
  open(path: string, options?: OpenFile): Promise<IoFile>
  /**
   * What a session of a storage library has open. `name` is for messages. Close the image before the session. Throws E_ADDON_VERSION
   * for an addon of another version than the host's. Left out where there is no host, as in tests of other handlers.
   */
  image?(library: IoLibrary, session: object, name: string, answer: ImageAnswer): IoImage
}

/** Structured log, one line a call; `device` and `handler` are added. */
export interface HandlerLog {
  error(message: string, facts?: object): void
  warn(message: string, facts?: object): void
  info(message: string, facts?: object): void
  debug(message: string, facts?: object): void
}

/** What a device may say of itself when it opens. Blocks are logical blocks. */
export interface DeviceProperties {
  readOnly?: boolean
  /** Writes are acknowledged before they are on the medium, until `flush`. Default: whether the handler has `flush`. */
  writeCache?: boolean
  solidState?: boolean
  /** Bytes of a logical block, when the handler knows better than whoever asked for the device. */
  blockSize?: number
  /** log2 of logical blocks per physical block. */
  physicalExponent?: number
  /** Unmapped blocks read as zeroes. Default false. */
  unmappedReadsZero?: boolean
  maxTransferBlocks?: number
  optimalTransferBlocks?: number
  /**
   * Writing a block in place destroys what was there, as far as this handler can tell: initiators may SANITIZE. Default
   * false.
   */
  sanitize?: boolean
  /**
   * Longest `write` that happens whole or not at all, whatever loses its power, and that no `read` sees half of: initiators
   * may WRITE ATOMIC up to it. Default 0, none.
   */
  maxAtomicBlocks?: number
  /** Abilities that the handler has and this device has not, e.g. `['unmap']`; initiators are not told of them. */
  lacking?: readonly AbilityName[]
  /**
   * Every block has its storage, and keeps it when zeroes are written: a `thick` device is resource provisioned (SBC-3 4.7.3.3). Default
   * false: it is fully provisioned then.
   */
  reserved?: boolean
  unmapGranularityBlocks?: number
  maxUnmapBlocks?: number
  vendor?: string
  product?: string
  revision?: string
}

/** The device as its handler sees it. It cannot reach the ring, the portal, or other devices. */
export interface DeviceInfo<O = unknown> {
  readonly name: string
  readonly subtype: string
  /** The cfgstring after `subtype/`, as the administrator wrote it. */
  readonly config: string
  /** Structured options, checked against the manifest's schema; undefined when there are none. */
  readonly options: O | undefined
  /** Size the administrator asked for; 0 when the handler is to say. */
  readonly sizeBytes: number
  readonly blockSize: number
  /** The operator wants storage for all of it reserved now: `declare({ reserved: true })` says that it is. */
  readonly thick: boolean
  /** This is the same device again, after its connection or its lock was lost: what `open` gave before has been closed. */
  readonly reopen: boolean
  /** Of a device that is opened again: what `keep` was given last, in whichever process; undefined when that was nothing. */
  readonly kept: unknown
  readonly log: HandlerLog
  readonly io: HandlerIo
  /** Say what this device is like; only while `open` runs, and without effect when it is a reopen. */
  declare(properties: DeviceProperties): void
  /** What is to be known when this device is opened again, as JSON can say it; it lives as long as the device. */
  keep(fact: unknown): void
  /** The backend has another size: initiators are told. */
  resized(sizeBytes: number): void
  /**
   * Of a handler of commands whose medium can be changed: another one of this size is in, or none is (0). Initiators hear of
   * one that came (NOT READY TO READY CHANGE); while `open` runs, it is the size.
   */
  mediumChanged(sizeBytes: number): void
  /**
   * `connection-lost`: the host closes the device and opens it again until that works, and answers BUSY meanwhile. `lock-lost`:
   * another host has the lock; say so before the command that found out settles. `space-low`: initiators hear that a thin device
   * nears its end (38/07). `why` is for people: a sentence that lists of devices show until the device is back.
   */
  report(event: 'connection-lost' | 'lock-lost' | 'space-low', why?: string): void
}

export type Change =
  | { readonly kind: 'size'; readonly sizeBytes: number }
  | { readonly kind: 'config'; readonly config: string; readonly force?: boolean }
  /** The operator wants the medium out, or the one that was taken out back in. With `force` also when an initiator prevents it. */
  | { readonly kind: 'eject'; readonly force: boolean }
  | { readonly kind: 'load' }
  | { readonly kind: 'writeCache'; readonly on: boolean }

/** What a backend says of the exclusive lock of a device. */
export type BackendLock = 'locked' | 'unlocked' | 'unknown'
/** Who holds the lock: the tag it was taken with, undefined when it was taken without one. */
export interface LockHolder {
  readonly tag: number | undefined
}

interface Common<S, O> {
  /** As in the manifest: `[A-Za-z0-9_]+`. */
  readonly subtype: string
  /** One sentence for people. */
  readonly summary?: string
  /** True, or a sentence that says what is wrong. Must not change anything. */
  checkConfig?(config: string, options: O | undefined): Maybe<true | string>
  /** Open the backend. What it returns is the first argument of everything else. Throw to refuse. */
  open(dev: DeviceInfo<O>): Maybe<S>
  close?(state: S): Maybe<void>
  reconfigure?(state: S, change: Change): Answer
  /**
   * See every command first. Return a status, or `Status.NOT_HANDLED` (now, not by promise) to pass it on: to the
   * generic SCSI layer on a blocks handler, to INVALID COMMAND OPERATION CODE on a commands handler. `lun` is the device as
   * rows of `@tcmu/host/scsi` know it.
   */
  handleCmd?(state: S, task: Task, lun: Lun): Result
  /** What holds the bytes of the medium: the host moves those of whole READs and WRITEs itself, and asks for what is left. */
  file?(state: S): Moving
  /** Byte of `file` where this stretch of the medium begins, all of it in one piece; -1: `read` or `write` is to be asked. Left out: the same byte. */
  locate?(state: S, offset: number, length: number, write: boolean): number
  /** An initiator has gone: what it held (PREVENT ALLOW MEDIUM REMOVAL) is let go of. */
  nexusLost?(state: S, nexus: Nexus): void
  /** LOGICAL UNIT RESET: what initiators set is as it was at first. */
  reset?(state: S): void
}

/** A handler that moves blocks; the host speaks SCSI for it. Optional callbacks may answer `Status.NOT_HANDLED`. */
export interface BlocksHandler<S = any, O = any> extends Common<S, O> { // eslint-disable-line @typescript-eslint/no-explicit-any
  read(state: S, io: BlockIo): Answer
  write(state: S, io: BlockIo): Answer
  /** Everything acknowledged before is on the medium when this settles. Left out: writes are durable at once. */
  flush?(state: S): Answer
  unmap?(state: S, range: BlockRange): Answer
  /** `io.data` is one block, to be repeated over the range. */
  writeSame?(state: S, io: BlockIo): Answer
  /** `io.data` is what must be there, then what is to be written; atomic. Return MISCOMPARE when it differs. */
  compareAndWrite?(state: S, io: BlockIo): Answer
  extents?(state: S, range: BlockRange): Maybe<readonly Extent[]>
  /** How much storage the device uses, and how much it may still get: thresholds of thin provisioning are made of it. */
  space?(state: S): Maybe<Space>
  /**
   * Take the lock that keeps other hosts from writing, from whoever has it; `tag` is the target port group it is taken for.
   * FENCED: this host was shut out, and must open again first. TIMEOUT: the backend cannot be reached.
   */
  lock?(state: S, tag: number | undefined): Answer
  unlock?(state: S): Answer
  getLockState?(state: S): Maybe<BackendLock>
  /** The holder, or NO_LOCK_HOLDERS, FENCED, TIMEOUT or another status. */
  getLockTag?(state: S): Maybe<LockHolder | Status>
  /** `'native'`: `write` honours `io.fua`. `'emulate'` (default): the host calls `flush` after it. */
  readonly fua?: 'native' | 'emulate'
}

/** A handler that owns the whole command set of its device: by `commands`, by `handleCmd`, or both. */
export interface CommandsHandler<S = any, O = any> extends Common<S, O> { // eslint-disable-line @typescript-eslint/no-explicit-any
  handleCmd?(state: S, task: Task, lun: Lun): Result
  /** Rows made by `command()`, its own or borrowed from the generic layer; the host checks the CDB and runs them. */
  readonly commands?: readonly CommandRow[] | ((state: S) => readonly CommandRow[])
  /** SPC-4 peripheral device type; asked again for each command when it is a function. Default 0. */
  readonly deviceType?: number | ((state: S) => number)
  /** The medium behind borrowed rows that read, write or flush. */
  medium?(state: S): BlockOps
}

export type Handler = BlocksHandler | CommandsHandler
export const isBlocks = (h: Handler): h is BlocksHandler => 'read' in h && 'write' in h
