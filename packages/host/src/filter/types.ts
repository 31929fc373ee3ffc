import type { Answer, BlocksHandler, DeviceInfo, DeviceProperties } from '../handler/types'
import type { AbilityName, BlockIo, BlockRange, Extent } from '../scsi'

type Maybe<T> = T | Promise<T>

/** Callbacks of a blocks handler that a filter stands in front of. */
export const filtered = ['read', 'write', 'flush', 'unmap', 'writeSame', 'compareAndWrite', 'extents'] as const
export type Filtered = (typeof filtered)[number]
/** Callbacks that a filter may take away and not replace. */
export const removable = ['flush', 'unmap', 'writeSame', 'compareAndWrite', 'extents', 'space'] as const

/** What lies behind a filter: the next one, or the handler. It has `flush` and so on where that has. */
export interface Next {
  read(io: BlockIo): Answer
  write(io: BlockIo): Answer
  flush?(): Answer
  unmap?(range: BlockRange): Answer
  writeSame?(io: BlockIo): Answer
  compareAndWrite?(io: BlockIo): Answer
  extents?(range: BlockRange): Maybe<readonly Extent[]>
}

/** The device as a filter sees it when everything behind it is open. */
export interface FilterDevice<O> extends Pick<DeviceInfo, 'name' | 'subtype' | 'blockSize' | 'log' | 'io' | 'report'> {
  /** Checked against the schema of the manifest; numbers and truth values are such, however they were written. */
  readonly options: O
  /** Bytes behind the filter. */
  readonly sizeBytes: number
  readonly next: Next
}

/**
 * Something between the host and a handler that moves blocks. What it does not mention passes it by and costs nothing; what it
 * takes away is not advertised to initiators.
 */
export interface Filter<S = any, O = any> { // eslint-disable-line @typescript-eslint/no-explicit-any
  readonly name: string
  /** One sentence for people. */
  readonly summary: string
  /** Callbacks it takes away, so that the host does without them or makes them of reads and writes. */
  readonly without?: readonly (typeof removable)[number][]
  /** Callbacks it answers by itself, whatever lies behind it. */
  readonly provides?: readonly Filtered[]
  /** Whether `write` honours `io.fua` here. Left out: as behind it. */
  readonly fua?: BlocksHandler['fua']
  /** Changes of size are refused, and those of the backend passed over. */
  readonly fixedSize?: boolean
  /** Bytes to ask for behind it, when so many are asked for here; bytes there are here, when there are so many behind it. */
  sizeBehind?(bytes: number, options: O): number
  sizeHere?(bytes: number, options: O): number
  /** What the device says of itself, seen from here. */
  declare?(properties: DeviceProperties, options: O): DeviceProperties
  /** After all behind it is open. Throw to refuse. */
  open?(dev: FilterDevice<O>): Maybe<S>
  /** Before what is behind it closes. */
  close?(state: S): Maybe<void>
  /** There are so many bytes behind it now. */
  resized?(state: S, sizeBytes: number): void
  read?(state: S, io: BlockIo, next: Next): Answer
  write?(state: S, io: BlockIo, next: Next): Answer
  flush?(state: S, next: Next): Answer
  unmap?(state: S, range: BlockRange, next: Next): Answer
  writeSame?(state: S, io: BlockIo, next: Next): Answer
  compareAndWrite?(state: S, io: BlockIo, next: Next): Answer
  extents?(state: S, range: BlockRange, next: Next): Maybe<readonly Extent[]>
  /** Instead of each callback it does not name: do something, `run` it, do something. */
  around?(state: S, operation: Exclude<Filtered, 'extents'>, range: BlockIo | BlockRange | undefined, run: () => Answer): Answer
}

/** A filter, and how it is to be. */
export interface FilterUse {
  readonly filter: Filter
  readonly options: unknown
}

/** What a callback of a device passes: names of filters, the first one asked first, and the handler's subtype where it gets there. */
export type Routes = Readonly<Partial<Record<Filtered, readonly string[]>>>

export type { AbilityName, Answer, BlockIo, BlockRange, DeviceProperties, Extent }
