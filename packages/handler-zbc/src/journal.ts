import type { IoFile } from '@tcmu/host/handler'
import { DataArea, Segments, Status } from '@tcmu/host/scsi'
import { encodeRecord, placesOf, ZoneRecord } from './metadata'
import { encodeRunnerRecord, RUNNER_TABLE, RunnerRecord } from './runner-image'
import type { Zone } from './zone'

/** A table of fixed records in the file and its image in memory. */
interface Table {
  readonly at: number
  readonly area: DataArea
  readonly memory: Segments
  readonly bytes: Uint8Array
  /** Zones whose record in this table is not the newest. */
  readonly stale: Set<Zone>
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

/**
 * Records zones in the file. One write is under way at a time; zones touched meanwhile go out together in the next, and
 * who touched them is told when their records are in the file.
 */
export class Journal {
  private readonly tables: readonly Table[]
  private readonly one = new Segments()
  private sequence: number
  private running: Promise<void> | undefined = undefined
  private next: { readonly done: Promise<Status>; readonly resolve: (s: Status) => void; readonly reject: (e: unknown) => void } | undefined = undefined

  constructor(private readonly file: IoFile, private readonly format: RecordFormat, zones: readonly Zone[], sequence = 0) {
    this.sequence = sequence
    this.tables = format.tables.map((at) => {
      const bytes = new Uint8Array(zones.length * format.size)
      for (const zone of zones) format.encode(zone, sequence, bytes, zone.index * format.size)
      const area = new DataArea(bytes)
      const memory = new Segments().start(area)
      memory.add(0, bytes.length)
      return { at, bytes, area, memory, stale: new Set<Zone>() }
    })
  }

  /** The zone has changed; resolves when that is recorded. */
  record(zone: Zone): Promise<Status> {
    for (const table of this.tables) table.stale.add(zone)
    return this.soon()
  }

  /** Write every record of every table. */
  async recordAll(): Promise<void> {
    for (const table of this.tables) await this.file.writev(table.memory, table.at)
  }

  private soon(): Promise<Status> {
    if (!this.next) {
      let resolve!: (s: Status) => void
      let reject!: (e: unknown) => void
      const done = new Promise<Status>((ok, bad) => {
        resolve = ok
        reject = bad
      })
      this.next = { done, resolve, reject }
      // As a microtask: what completes together is recorded together.
      if (!this.running) queueMicrotask(this.start)
    }
    return this.next.done
  }

  private readonly start = (): void => {
    const batch = this.next!
    this.next = undefined
    this.running = this.write().then(() => batch.resolve(Status.OK), (e: unknown) => batch.reject(e)).then(() => {
      this.running = undefined
      if (this.next) this.start()
    })
  }

  private async write(): Promise<void> {
    const sequence = ++this.sequence
    const table = this.tables[sequence % this.tables.length]!
    const zones = [...table.stale]
    table.stale.clear()
    try {
      await this.put(table, zones, sequence)
    } catch (e) {
      for (const zone of zones) table.stale.add(zone)
      throw e
    }
  }

  private async put(table: Table, zones: Zone[], sequence: number): Promise<void> {
    const { size } = this.format
    for (const zone of zones) this.format.encode(zone, sequence, table.bytes, zone.index * size)
    if (zones.length === 1) {
      const at = zones[0]!.index * size
      this.one.start(table.area).add(at, size)
      await this.file.writev(this.one, table.at + at)
      return
    }
    zones.sort((a, b) => a.index - b.index)
    const writes: unknown[] = []
    for (let i = 0; i < zones.length;) {
      const from = zones[i]!.index * size
      let to = from + size
      for (i++; i < zones.length && zones[i]!.index * size - to < MERGE_BYTES; i++) to = zones[i]!.index * size + size
      writes.push(this.file.writev(table.memory.slice(from, to - from), table.at + from))
    }
    await Promise.all(writes)
  }

  /** Waits for what is under way. */
  async idle(): Promise<void> {
    while (this.running ?? this.next) await (this.running ?? this.next!.done.catch(() => undefined))
  }
}
