import { type Result, Status, zoneCondition as c } from '@tcmu/host/scsi'
import type { Image } from './image'
import { discard } from './image-file'
import type { Writes } from './writes'
import { hasPointer, type Zone } from './zone'
import type { ManagementCommand } from './zones'

/** Zones that a command names: all that it applies to, or `count` from the one with this first LBA on. */
export type Selection = 'all' | { readonly zone: number; readonly count: number }

/** Commands that change zones, one after another; each waits for the writes of its zones, and keeps others out meanwhile. */
export class ZoneCommands {
  private queue: Promise<unknown> | undefined = undefined

  constructor(private readonly image: () => Image, private readonly writes: Writes, private readonly lbaBytes: number) {}

  /** OPEN, CLOSE, FINISH ZONE, RESET WRITE POINTER. Nothing is changed unless all zones can be. */
  run(command: ManagementCommand, selection: Selection): Result {
    const quick = command === 'OPEN' || command === 'CLOSE'
    if (quick && !this.queue && !this.writes.anyLocked) return this.change(command, selection)
    return this.alone(() => this.exclusively(command, selection))
  }

  /** Run `work` when no other command changes zones. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.queue
    const mine = before ? before.then(work, work) : work()
    this.queue = mine
    const ended = (): void => {
      if (this.queue === mine) this.queue = undefined
    }
    mine.then(ended, ended)
    return mine
  }

  /** The zones, or why the command is refused. */
  private select(command: ManagementCommand, selection: Selection): readonly Zone[] | Status {
    const { table } = this.image()
    if (selection === 'all') return table.affected(command)
    const { zone: lba, count } = selection
    if (lba >= table.capacity) return Status.RANGE
    const first = table.at(lba)
    if (first.start !== lba) return Status.INVALID_CDB
    const zones = table.zones.slice(first.index, first.index + Math.max(1, count))
    if (zones.length < count) return Status.INVALID_CDB
    for (const zone of zones) {
      const refused = table.refuse(zone, command)
      if (refused !== undefined) return refused
    }
    return command === 'OPEN' && zones.length > 1 && !this.roomFor(zones) ? Status.ZONE_RESOURCES : zones
  }

  private roomFor(zones: readonly Zone[]): boolean {
    const { table } = this.image()
    const { openLimit } = table.policy
    return openLimit === 0 || table.open.explicit + zones.filter((z) => z.condition !== c.EXPLICIT_OPEN && z.condition !== c.FULL).length <= openLimit
  }

  private change(command: ManagementCommand, selection: Selection): Status {
    const zones = this.select(command, selection)
    if (typeof zones === 'number') return zones
    for (const zone of zones) this.image().table.apply(zone, command)
    return Status.OK
  }

  private async exclusively(command: ManagementCommand, selection: Selection): Promise<Status> {
    const chosen = this.select(command, selection)
    if (typeof chosen === 'number') return chosen
    await this.writes.lock(chosen)
    try {
      // A write that failed meanwhile may have changed what is possible.
      const zones = selection === 'all' ? chosen.filter((z) => this.image().table.step(z, command).refuse === undefined) : this.select(command, selection)
      return typeof zones === 'number' ? zones : await this.perform(command, zones)
    } finally {
      this.writes.unlock(chosen)
    }
  }

  private async perform(command: ManagementCommand, zones: readonly Zone[]): Promise<Status> {
    const { table, journal } = this.image()
    const stale = zones.filter((z) => z.condition !== c.EMPTY && !(command === 'FINISH' && z.condition === c.FULL))
    // The rest of a finished zone reads as zeroes; before it is said to be full, it has to.
    if (command === 'FINISH') await this.discard(zones.filter((z) => z.condition !== c.FULL), (z) => z.wp)
    for (const zone of zones) table.apply(zone, command)
    if (command === 'OPEN' || command === 'CLOSE' || zones.length === 0) return Status.OK
    await journal.recordEach(zones)
    if (command === 'RESET') await this.discard(stale, (z) => z.start)
    return Status.OK
  }

  /** Zeroes from `from` to the end of each zone; neighbours in one go. */
  private async discard(zones: readonly Zone[], from: (zone: Zone) => number): Promise<void> {
    const { file } = this.image()
    let offset = -1
    let length = 0
    for (const zone of zones) {
      const at = zone.offset + (from(zone) - zone.start) * this.lbaBytes
      const bytes = (zone.end - from(zone)) * this.lbaBytes
      if (at === offset + length) length += bytes
      else {
        await discard(file, offset, length)
        offset = at
        length = bytes
      }
    }
    await discard(file, offset, length)
  }

  /** FORMAT UNIT, SANITIZE: every zone as new, all data gone. Zones that cannot be used stay as they are. */
  format(): Promise<Status> {
    return this.alone(async () => {
      const { table, journal } = this.image()
      await this.writes.lock(table.zones)
      try {
        for (const zone of table.zones) if (hasPointer(zone.type) && table.step(zone, 'RESET').to !== undefined) table.apply(zone, 'RESET')
        await journal.recordEach(table.zones)
        await this.discard(table.zones, (z) => z.start)
        return Status.OK
      } finally {
        this.writes.unlock(table.zones)
      }
    })
  }
}
