import { type ZoneCondition, zoneCondition as c, type ZoneType, zoneType as t } from '@tcmu/host/scsi'
import type { ZoneWrite } from './zone-write'

/** Write pointer of a zone that has none to tell (ZBC-2 table 36). */
export const NO_WRITE_POINTER = 0xffffffffffffffff

/** What a zone is, before anything happens to it. LBAs and lengths are logical blocks, `offset` is bytes in the file. */
export interface ZoneShape {
  readonly start: number
  readonly length: number
  readonly type: ZoneType
  readonly offset: number
}

/** One zone at run time. */
export class Zone implements ZoneShape {
  readonly start: number
  readonly length: number
  readonly end: number
  readonly type: ZoneType
  readonly offset: number
  condition: ZoneCondition
  /** Next LBA that a write is taken at. */
  wp: number
  /** Everything below it is in the file: what the metadata records. */
  done: number
  nonSequential = false
  /** Writes under way. */
  busy = 0
  /** A zone command has it: writes wait. */
  locked = false
  /** Locked until the data of a lost write is no more on its way. */
  draining = false
  /** Writes that move the write pointer, in order of their LBAs. */
  readonly appends: ZoneWrite[] = []

  constructor(readonly index: number, shape: ZoneShape) {
    this.start = shape.start
    this.length = shape.length
    this.end = shape.start + shape.length
    this.type = shape.type
    this.offset = shape.offset
    this.condition = hasPointer(shape.type) ? c.EMPTY : c.NOT_WRITE_POINTER
    this.wp = this.done = shape.start
  }

  get open(): boolean {
    return this.condition === c.IMPLICIT_OPEN || this.condition === c.EXPLICIT_OPEN
  }
  /** First LBA that holds nothing: reads give zeroes from here on. */
  get readable(): number {
    if (this.type === t.GAP || this.condition === c.INACTIVE) return this.start
    return this.condition === c.FULL || this.condition === c.READ_ONLY || !hasPointer(this.type) ? this.end : this.wp
  }
  /** As REPORT ZONES tells it. */
  get writePointer(): number {
    if (!hasPointer(this.type) || noPointer.has(this.condition)) return NO_WRITE_POINTER
    return this.condition === c.FULL ? this.end : this.wp
  }
}

const noPointer: ReadonlySet<number> = new Set([c.NOT_WRITE_POINTER, c.INACTIVE, c.READ_ONLY, c.OFFLINE])
export const hasPointer = (type: ZoneType): boolean => type === t.SEQUENTIAL_REQUIRED || type === t.SEQUENTIAL_PREFERRED || type === t.SOBR
