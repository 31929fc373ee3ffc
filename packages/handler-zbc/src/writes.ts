import { type AfterMove, type Result, Status, zoneCondition as c, zoneType as t } from '@tcmu/host/scsi'
import type { Image } from './image'
import { discard } from './image-file'
import { refuseWrite } from './rules'
import { hasPointer, type Zone } from './zone'
import { type Outcome, type WritesEnd, ZoneWrite } from './zone-write'

/** Has the host move the data of the command, whose task is `after`'s to end then; false: it cannot. */
export type Move = (after?: AfterMove) => boolean

/**
 * Takes writes in the order in which they come, lets their data go to the file side by side, and answers them in the order
 * of their places in a zone, when data and write pointer are both in the file. One that fails takes those behind it along.
 */
export class Writes implements WritesEnd {
  private locked = 0
  private unlocked: (() => void)[] = []
  private idle: (() => void)[] = []

  /** `tracked`: writes to conventional zones are counted too, as their zones may be taken away. */
  constructor(private readonly image: () => Image, private readonly lbaBytes: number, private readonly tracked: boolean) {}

  /**
   * Write [lba, end) by calling `data`, which touches that range only, or `move` where that will do. A status at once when it is refused.
   */
  run(lba: number, end: number, data: () => Result, move?: Move): Result {
    const { table } = this.image()
    if (this.locked > 0 && this.waits(lba, end)) return this.turn().then(() => this.run(lba, end, data, move))
    const refused = refuseWrite(table, lba, end)
    if (refused !== undefined) {
      table.statistics.writeFailures++
      return refused
    }
    const first = table.at(lba)
    if (first.type === t.CONVENTIONAL && !this.tracked) return end <= first.end && move?.() ? Status.OK : data()
    if (first.type === t.SEQUENTIAL_PREFERRED && lba > first.wp && first.condition !== c.FULL) return this.afterGap(first, lba, end, data)
    return end <= first.end ? this.inZone(first, lba, end, data, move) : this.inZones(first, lba, end, data)
  }

  private waits(lba: number, end: number): boolean {
    const { zones } = this.image().table
    for (let zone: Zone | undefined = this.image().table.at(lba); zone && zone.start < end; zone = zones[zone.index + 1]) if (zone.locked) return true
    return false
  }

  /** Resolves when some zone has been unlocked. */
  private turn(): Promise<void> {
    return new Promise((go) => void this.unlocked.push(go))
  }

  /** What lies between the write pointer and a write above it has to read as zeroes. */
  private async afterGap(zone: Zone, lba: number, end: number, data: () => Result): Promise<Status> {
    await this.lock([zone])
    try {
      const from = zone.wp - zone.start
      await discard(this.image().file, zone.offset + from * this.lbaBytes, (lba - zone.wp) * this.lbaBytes)
      if (lba > zone.wp) {
        this.image().table.notSequential(zone)
        zone.wp = zone.done = lba
      }
    } finally {
      this.unlock([zone])
    }
    return this.run(lba, end, data)
  }

  private inZone(zone: Zone, lba: number, end: number, data: () => Result, move?: Move): Result {
    const write = this.begin(zone, lba, end)
    let result: Result
    try {
      if (move?.(write)) return Status.OK
      result = data()
    } catch (e) {
      this.ended(write, e as Error)
      throw e
    }
    return typeof result === 'number' ? write.written(result) : result.then((status) => write.written(status), (e: Error) => write.written(e))
  }

  /** A write over several zones, none of them sequential write required. */
  private async inZones(first: Zone, lba: number, end: number, data: () => Result): Promise<Status> {
    const { table } = this.image()
    const parts: ZoneWrite[] = []
    for (let zone: Zone | undefined = first; zone && zone.start < end; zone = table.zones[zone.index + 1]) {
      parts.push(this.begin(zone, Math.max(lba, zone.start), Math.min(end, zone.end)))
    }
    let outcome: Outcome
    try {
      outcome = await data()
    } catch (e) {
      outcome = e as Error
    }
    const answers = await Promise.all(parts.map((part) => part.written(outcome)))
    return answers.find((status) => status !== Status.OK) ?? Status.OK
  }

  private begin(zone: Zone, lba: number, end: number): ZoneWrite {
    zone.busy++
    if (!hasPointer(zone.type)) return new ZoneWrite(this, zone, lba, end, false)
    const { table } = this.image()
    const full = zone.condition === c.FULL
    table.openForWrite(zone)
    if (zone.type === t.SEQUENTIAL_PREFERRED && lba !== zone.wp) table.notSequential(zone)
    if (full || end <= zone.wp) return new ZoneWrite(this, zone, lba, end, false)
    const append = new ZoneWrite(this, zone, zone.wp, end, true)
    zone.appends.push(append)
    zone.wp = end
    if (end === zone.end) table.move(zone, c.FULL)
    return append
  }

  /** The data of a write is in the file, or is not. It is answered when it and all before it in the zone are recorded. */
  ended(write: ZoneWrite, outcome: Outcome): void {
    const { zone } = write
    if (--zone.busy === 0) this.idleZone(zone)
    if (!write.advances) return write.answer(outcome)
    if (outcome !== Status.OK) {
      if (write.state !== 'lost') this.lose(write)
      return write.answer(outcome)
    }
    if (write.state === 'lost') return write.answer(Status.WR_ERR)
    write.state = 'written'
    const { journal } = this.image()
    while (zone.appends[0]?.state === 'written') {
      const head = zone.appends.shift()!
      zone.done = head.end
      journal.note(zone, head)
    }
  }

  private idleZone(zone: Zone): void {
    if (zone.draining) {
      zone.draining = false
      this.unlock([zone])
    }
    if (this.idle.length > 0) for (const go of this.idle.splice(0)) go()
  }

  /**
   * The pointer goes back to where the lost write began; what was taken behind it is lost too. Its data may still be on
   * its way, so that nothing new is taken until it has come.
   */
  private lose(write: ZoneWrite): void {
    const { zone } = write
    const [, ...behind] = zone.appends.splice(zone.appends.indexOf(write))
    zone.wp = write.start
    if (zone.condition === c.FULL) this.image().table.move(zone, c.CLOSED)
    write.state = 'lost'
    if (zone.busy > 0 && !zone.locked) {
      zone.draining = zone.locked = true
      this.locked++
    }
    for (const other of behind) {
      const written = other.state === 'written'
      other.state = 'lost'
      if (written) other.answer(Status.WR_ERR)
    }
  }

  /** Keep writes out of these zones, and wait for those under way. */
  async lock(zones: readonly Zone[]): Promise<void> {
    for (;;) {
      const taken = zones.some((z) => z.locked)
      if (!taken) break
      await this.turn()
    }
    for (const zone of zones) zone.locked = true
    this.locked += zones.length
    while (zones.some((z) => z.busy > 0)) await new Promise<void>((go) => void this.idle.push(go))
  }

  unlock(zones: readonly Zone[]): void {
    for (const zone of zones) zone.locked = false
    this.locked -= zones.length
    for (const go of this.unlocked.splice(0)) go()
  }

  get anyLocked(): boolean {
    return this.locked > 0
  }
}
