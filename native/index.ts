import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process, { arch, platform } from 'node:process'

/** Version of this face; the addon carries the same number, and the host compares. Raised by every change. */
export const ABI_VERSION = 12

/** Operation codes of the submission table. */
export const IoOp = {
  READV: 0,
  WRITEV: 1,
  SYNC: 2,
  DATA_SYNC: 3,
  ALLOCATE: 4,
  PUNCH: 5,
  ZERO: 6,
  /** Result: the position of the next data or hole at or after `offset` (lseek). */
  SEEK_DATA: 7,
  SEEK_HOLE: 8,
  /** Result: bytes of the file or block device. */
  SIZE: 9,
  /** To `length` bytes. */
  TRUNCATE: 10,
  /** Frees the slot, after every operation on it; later rows fail with EBADF. */
  CLOSE: 11,
  /** As SEEK_DATA and SEEK_HOLE, by the file system's own map (FIEMAP): storage that was reserved and never written is a hole. */
  SEEK_WRITTEN: 12,
  SEEK_UNWRITTEN: 13,
  /** Of storage libraries: the memory of the row, over and over. */
  WRITE_SAME: 14,
  /** Of storage libraries: memory is what must be there, then what is to be written. EILSEQ when it differs. */
  COMPARE_AND_WRITE: 15,
} as const

/** Flag of WRITEV: on the medium when it completes (RWF_DSYNC). Of ZERO on an image: with storage. */
export const IO_SYNC = 1
/** A row's result while it is under way; real results are 0, a position, or a negative errno. */
export const IO_PENDING = 1

/**
 * The submission table (one row an operation, columns of equal length), its list of memory ranges, and the completion
 * table. Made once by JavaScript, used by both sides.
 */
export interface IoTable {
  readonly op: Int32Array
  readonly flags: Int32Array
  /** Slot given by `addFile`. */
  readonly file: Int32Array
  /** Slot given by `addArea`; `iovOffset` counts from its start. */
  readonly area: Int32Array
  readonly iovFirst: Int32Array
  readonly iovCount: Int32Array
  /** Handed back in `doneToken`. */
  readonly token: Int32Array
  /** Of the answer that may be given when it has gone well; 0: none. */
  readonly turn: Int32Array
  /** Position in the file, bytes. */
  readonly offset: Float64Array
  readonly length: Float64Array
  /** Filled by `submit`. */
  readonly result: Float64Array

  readonly iovOffset: Float64Array
  readonly iovLength: Float64Array

  readonly doneToken: Int32Array
  readonly doneResult: Float64Array
}

/**
 * How the kernel behind a memory area is told of the answer to its only command, by whichever thread has finished that: `state` is the turn of
 * that answer and the tail to store at byte `tailAt` of the area, then a doorbell of `wordSize` bytes is written to `kickFd`. See the ring.
 */
export interface NativeAnswer {
  readonly state: Int32Array
  readonly tailAt: number
  readonly kickFd: number
  readonly wordSize: number
}

/**
 * Whether what threads have finished may wait a quarter of the time it took, 2 ms at most, so that many operations share a wake-up of the event
 * loop; `WHERE_SCARCE`: as long as this thread waits for a processor for a quarter of the time that it could run.
 */
export const Coalescing = { NEVER: 0, WHERE_SCARCE: 1, ALWAYS: 2 } as const

/** `Source`: what a slot is made of; a descriptor, of which the slot has its own duplicate, or a session of a storage library. */
export interface NativeIoEngine<Source = number> {
  /** Go on with other tables, e.g. a longer list of ranges. */
  attach(table: IoTable): void
  /** A slot; throws an errno error. */
  addFile(source: Source): number
  /** A slot for memory, kept alive until `removeArea` and the last operation on it. It must not be transferred. */
  addArea(bytes: Uint8Array, answer?: NativeAnswer): number
  removeArea(slot: number): void
  /** Begin rows 0 to n−1; how many of them are pending. The others are done, and have their `result`. */
  submit(rows: number): number
  /** How many rows of the table tell of what has ended; threads wake nobody for what they answered themselves, but within 10 ms. All of them: there may be more. */
  collect(): number
  /** Waits for what is under way, without reporting it, and closes every file. Twice is fine. */
  close(): void
  readonly inFlight: number
  /** 0: transfers go through io_uring; else the errno (positive) of what keeps it from being used, or −1: it was not asked for. */
  readonly uringError: number
}

/** A connection of a storage library. Its calls are made one after another, on a thread of its own. */
export interface NativeSession {
  /** Rejects with an errno error whose `syscall` is the name. What names, texts and answers there are says the library's face. */
  call(name: string, ...texts: readonly string[]): Promise<readonly string[]>
  /** Waits for I/O and for calls that were asked for, and closes everything. Twice is fine. */
  close(): Promise<void>
}

/** What the addon of a storage library gives: engines whose slots are what its sessions have open. */
export interface NativeLibrary {
  readonly abiVersion: number
  /** Close sessions that are still open, and wait for it; `loadLibrary` has it called when the process exits. */
  end(): void
  /** `onChange`: the library said that what is open has changed. */
  readonly Session: new (onChange: () => void) => NativeSession
  readonly IoEngine: new (table: IoTable, onDone: (rows: number) => void, memory: NativeMemory, coalescing: number) => NativeIoEngine<NativeSession>
}

/** Lets engines of all addons know of memory that is unmapped. Nothing to look at. */
export type NativeMemory = object

/** A shared ring with its doorbells. Keeps the process alive until `close`. */
export interface NativeUioMap {
  /** The mapping; detached by `close`. */
  readonly memory: ArrayBuffer
  /**
   * From now on one `onWake` per wake-up, however many doorbells it stands for. `onError` is called once, when the
   * device is gone; there are no more wake-ups then.
   */
  start(onWake: () => void, onError: (error: NodeJS.ErrnoException) => void): void
  /** What `kick` writes to, and how many bytes. */
  readonly kickFd: number
  readonly wordSize: number
  /** Ring the other side's doorbell. Throws an errno error when the device is gone. */
  kick(): void
  /** Stop, wait for I/O on the memory, detach, unmap, close. Twice is fine. */
  close(): void
}

/** A raw generic netlink socket, bound to a port of its own. Keeps the process alive until `close`. */
export interface NativeNetlinkSocket {
  /**
   * From now on one `onDatagrams` a wake-up, with what the kernel sent in order; `overrun` says that messages were lost
   * since the last call. `onError` is called once; nothing comes after it.
   */
  start(onDatagrams: (datagrams: readonly Uint8Array[], overrun: boolean) => void, onError: (error: NodeJS.ErrnoException) => void): void
  /** Hear a multicast group. Throws an errno error. */
  join(group: number): void
  /** To the kernel, whose answer comes as a datagram. Throws an errno error. */
  send(bytes: Uint8Array): void
  /** Twice is fine. */
  close(): void
}

export interface NativeCore {
  readonly abiVersion: number
  readonly memory: NativeMemory
  readonly UioMap: {
    /** A UIO device of exactly `size` bytes. */
    new (path: string, size: number): NativeUioMap
    /** The same, by whoever has it open: `uioFd` stays the caller's. */
    new (uioFd: number, size: number): NativeUioMap
    /** A sealed memfd and two eventfds (`wordSize` 8). Takes the eventfds; `memFd` stays the caller's. */
    new (memFd: number, size: number, wakeFd: number, kickFd: number, wordSize: 4 | 8): NativeUioMap
  }
  /** Throws an errno error, e.g. EPROTONOSUPPORT where netlink is not to be had. */
  readonly NetlinkSocket: new (receiveBufferBytes: number) => NativeNetlinkSocket
  /** `uring`: by io_uring where that can be had. A `refusal` other than 0 is the errno that it is taken to be refused with. */
  readonly IoEngine: new (table: IoTable, onDone: (rows: number) => void, memory: NativeMemory, coalescing: number, threads: number, uring: boolean, refusal: number) => NativeIoEngine
  /**
   * Make an open file pass by the page cache (O_DIRECT). Returns what positions and lengths must be multiples of; 0 where there is
   * no direct I/O, and the file stays as it was.
   */
  directIo(fd: number): number
  /** False when another open file description holds a lock in the way (F_OFD_SETLK over the whole file). */
  lockFile(fd: number, exclusive: boolean): boolean
  /**
   * Hold a shared lock on each byte of `hold`, then see that nobody else holds one on a byte of `refuse` (F_OFD_SETLK,
   * F_OFD_GETLK). −1 when that is so, else the first byte in the way; what was locked stays so until `fd` is closed.
   */
  lockBytes(fd: number, hold: readonly number[], refuse: readonly number[]): number
  /** Raise the soft limit of open files towards `wanted`, at most to the hard one; returns the limit. */
  raiseFileLimit(wanted: number): number
  /** When the thread that started this process ends, however it does, this process is ended at once (SIGKILL). */
  endWithParent(): void
  /** Continue a CRC-32C (0 to begin) over bytes [from, to), by the processor's instruction; absent where it has none. */
  readonly crc32c?: (crc: number, bytes: Uint8Array, from: number, to: number) => number
  /** A descriptor of zeroed shared memory whose size is sealed. */
  memfd(size: number): number
  /** A non-blocking counter. */
  eventfd(): number
  /**
   * One datagram to a socket of the Unix family; a path that begins with @ is in the abstract name space. Never waits. False when
   * nobody is there or takes it.
   */
  sendDatagram(path: string, text: string): boolean
  /** The two ends of a channel that carries descriptors between processes. */
  descriptorChannel(): [number, number]
  /** One to eight descriptors and a number, without waiting; the other end gets duplicates. Throws an errno error. */
  sendDescriptors(channel: number, tag: number, fds: readonly number[]): void
  /** The next message; throws EAGAIN when none is there, EPIPE when the other end is gone. */
  receiveDescriptors(channel: number): { readonly tag: number; readonly fds: number[] }
}

/** This package's folder, from its sources as from `dist`. */
export const packageFolder = existsSync(join(__dirname, 'binding.gyp')) ? __dirname : dirname(__dirname)

/** An addon of this package, built here or prebuilt. Throws when there is none for this platform. */
export function loadAddon(name: string): unknown {
  const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc'
  const places = [join('build/Release', `${name}.node`), join('prebuilds', `${platform}-${arch}`, `${name}.${libc}.node`)]
  const file = places.map((place) => join(packageFolder, place)).find((path) => existsSync(path))
  if (file === undefined) throw new Error(`there is no ${name}.node for ${platform}-${arch} (${libc}) in ${packageFolder}`)
  return createRequire(__filename)(file)
}

/** The addon of a storage library. Its sessions do not outlive the process's JavaScript, however that ends. */
export function loadLibrary<Library extends NativeLibrary>(name: string): Library {
  const library = loadAddon(name) as Library
  if (!exiting.has(library)) process.once('exit', () => library.end())
  exiting.add(library)
  return library
}
const exiting = new WeakSet<NativeLibrary>()

export const loadCore = (): NativeCore => loadAddon('tcmu_core') as NativeCore
