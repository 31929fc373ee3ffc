import type { IoFile, Mover } from '@tcmu/host/handler'
import { DataArea, Segments, Status } from '@tcmu/host/scsi'
import { encodeRecord, placesOf, ZoneRecord } from './metadata'
import { encodeRunnerRecord, RUNNER_TABLE, RunnerRecord } from './runner-image'
import type { Zone } from './zone'

const nobody: Awaiting = { recorded: () => undefined }

/** A table of fixed records in the file and its image in memory. */
interface Table {
  readonly at: number
  readonly area: DataArea
  readonly memory: Segments
  readonly bytes: Uint8Array
  /** Zones whose record in this table is not the newest, and by index whether a zone is among them. A Set that is cleared allocates anew. */
  readonly stale: Zone[]
  readonly isStale: Uint8Array
}

/** How a format keeps zones: one table or two in turn, and what a record looks like. */
export interface RecordFormat {
  readonly size: number
  readonly tables: readonly number[]
  encode(zone: Zone, sequence: number, into: Uint8Array, at: number): void
}

export const ownRecords = (zones: number): RecordFormat => {
  const { table } = placesOf(zones)
  return { size: ZoneRecord.size, tables: [table(0), table(1)], encode: encodeRecord }
}
export const runnerRecords: RecordFormat = { size: RunnerRecord.size, tables: [RUNNER_TABLE], encode: (zone, _, into, at) => encodeRunnerRecord(zone, into, at) }

/** Records closer than this go out in one piece. */
const MERGE_BYTES = 4096

/** Hears once that what it waits for is in the file, or why it is not. */
export interface Awaiting {
  recorded(outcome: Status | Error): void
}

/**
 * Records zones in the file. One write is under way at a time; zones touched meanwhile go out together in the next, and
 * who touched them is told when their records are in the file.
 */
export class Journal implements Mover<undefined> {
  private readonly tables: readonly Table[]
  private readonly one = new Segments()
  private sequence: number
  /** Who waits for the write under way, and for the next. */
  private waiting: Awaiting[] = []
  private next: Awaiting[] = []
  private running = false
  /** Of the write under way: its table and zones, how many of its pieces have not ended, how those went that have. */
  private table: Table
  private readonly zones: Zone[] = []
  private pieces = 0
  private outcome: Status | Error = Status.OK
  private whenIdle: (() => void)[] = []

  constructor(private readonly file: IoFile, private readonly format: RecordFormat, zones: readonly Zone[], sequence = 0) {
    this.sequence = sequence
    this.tables = format.tables.map((at) => {
      const bytes = new Uint8Array(zones.length * format.size)
      for (const zone of zones) format.encode(zone, sequence, bytes, zone.index * format.size)
      const area = new DataArea(bytes)
      const memory = new Segments().start(area)
      memory.add(0, bytes.length)
      return { at, bytes, area, memory, stale: [], isStale: new Uint8Array(zones.length) }
    })
    this.table = this.tables[0]!
  }

  /** The zone has changed; tell when that is recorded. */
  note(zone: Zone, who: Awaiting): void {
    for (const table of this.tables) this.mark(table, zone)
    this.next.push(who)
    if (this.running) return
    this.running = true
    // What ends together is recorded together.
    if (this.file.afterBatch) this.file.afterBatch(this.start)
    else queueMicrotask(this.start)
  }

  private mark({ stale, isStale }: Table, zone: Zone): void {
    if (isStale[zone.index]) return
    isStale[zone.index] = 1
    stale.push(zone)
  }

  /** The zone has changed; resolves when that is recorded. */
  record(zone: Zone): Promise<Status> {
    return new Promise((resolve, reject) => {
      this.note(zone, { recorded: (outcome) => (typeof outcome === 'number' ? resolve(outcome) : reject(outcome)) })
    })
  }

  /** The same of several zones, which are recorded together. */
  recordEach(zones: readonly Zone[]): Promise<Status> {
    const [first, ...others] = zones
    if (!first) return Promise.resolve(Status.OK)
    for (const zone of others) this.note(zone, nobody)
    return this.record(first)
  }

  /** Write every record of every table. */
  async recordAll(): Promise<void> {
    for (const table of this.tables) await this.file.writev(table.memory, table.at)
  }

  private readonly start = (): void => {
    [this.waiting, this.next] = [this.next, this.waiting]
    const sequence = ++this.sequence
    this.table = this.tables[sequence % this.tables.length]!
    for (const zone of this.table.stale) {
      this.table.isStale[zone.index] = 0
      this.zones.push(zone)
    }
    this.table.stale.length = 0
    // One for this call: it is not over before all pieces have begun.
    this.pieces = 1
    this.outcome = Status.OK
    this.put(sequence)
    this.moved(undefined, Status.OK)
  }

  private put(sequence: number): void {
    const { format: { size }, table, zones } = this
    for (const zone of zones) this.format.encode(zone, sequence, table.bytes, zone.index * size)
    if (zones.length === 1) {
      const at = zones[0]!.index * size
      this.one.start(table.area).add(at, size)
      this.write(this.one, table.at + at)
      return
    }
    zones.sort((a, b) => a.index - b.index)
    for (let i = 0; i < zones.length;) {
      const from = zones[i]!.index * size
      let to = from + size
      for (i++; i < zones.length && zones[i]!.index * size - to < MERGE_BYTES; i++) to = zones[i]!.index * size + size
      this.write(table.memory.slice(from, to - from), table.at + from)
    }
  }

  private write(data: Segments, at: number): void {
    this.pieces++
    try {
      if (this.file.move) this.file.move(true, data, at, false, this, undefined)
      else Promise.resolve(this.file.writev(data, at)).then((status) => this.moved(undefined, status), (e: Error) => this.moved(undefined, e))
    } catch (e) {
      this.moved(undefined, e as Error)
    }
  }

  /** A piece has ended. */
  moved(_: undefined, outcome: Status | Error): void {
    if (outcome !== Status.OK) this.outcome = outcome
    if (--this.pieces > 0) return
    if (this.outcome !== Status.OK) for (const zone of this.zones) this.mark(this.table, zone)
    this.zones.length = 0
    for (const who of this.waiting) who.recorded(this.outcome)
    this.waiting.length = 0
    this.running = this.next.length > 0
    if (this.running) this.start()
    else for (const go of this.whenIdle.splice(0)) go()
  }

  /** Waits for what is under way. */
  async idle(): Promise<void> {
    if (this.running) await new Promise<void>((go) => void this.whenIdle.push(go))
  }
}
