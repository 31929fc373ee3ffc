import { type Result, Status, type WhenMoved, zoneCondition as c, zoneType as t } from '@tcmu/host/scsi'
import type { Image } from './image'
import { discard } from './image-file'
import { refuseWrite } from './rules'
import { type Append, hasPointer, type Zone } from './zone'

/** Has the host move the data of the command, and tells afterwards; false: it cannot. */
export type Move = (whenMoved?: WhenMoved) => boolean

/**
 * Takes writes in the order in which they come, lets their data go to the file side by side, and answers them in the order
 * of their places in a zone, when data and write pointer are both in the file. One that fails takes those behind it along.
 */
export class Writes {
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
    const append = this.begin(zone, lba, end)
    let result: Result
    try {
      if (move?.((well) => (well ? this.written(zone, append, Status.OK) : this.failed(zone, append)))) return Status.OK
      result = data()
    } catch (e) {
      void this.finish(zone, append, false)
      throw e
    }
    if (typeof result === 'number') return this.written(zone, append, result)
    return result.then((status) => this.written(zone, append, status), (e: unknown) => {
      void this.finish(zone, append, false)
      throw e
    })
  }

  private failed(zone: Zone, append: Append | undefined): Status {
    void this.finish(zone, append, false)
    return Status.WR_ERR
  }

  private written(zone: Zone, append: Append | undefined, status: Status): Result {
    const kept = this.finish(zone, append, status === Status.OK)
    if (status !== Status.OK || !append) return status
    if (typeof kept === 'boolean') return this.answer(zone, kept)
    return kept.then((k) => this.answer(zone, k))
  }
  private answer(zone: Zone, kept: boolean): Result {
    return kept ? this.image().journal.record(zone) : Status.WR_ERR
  }

  /** A write over several zones, none of them sequential write required. */
  private async inZones(first: Zone, lba: number, end: number, data: () => Result): Promise<Status> {
    const { table } = this.image()
    const parts: (readonly [Zone, Append | undefined])[] = []
    for (let zone: Zone | undefined = first; zone && zone.start < end; zone = table.zones[zone.index + 1]) {
      parts.push([zone, this.begin(zone, Math.max(lba, zone.start), Math.min(end, zone.end))])
    }
    let status: Status = Status.WR_ERR
    let answers: (boolean | Promise<boolean>)[] = []
    try {
      status = await data()
    } finally {
      answers = parts.map(([zone, append]) => this.finish(zone, append, status === Status.OK))
    }
    if (status !== Status.OK) return status
    const moved = parts.flatMap(([zone, append], i) => (append ? [Promise.resolve(answers[i]!).then((kept) => this.answer(zone, kept))] : []))
    return (await Promise.all(moved)).find((s) => s !== Status.OK) ?? Status.OK
  }

  private begin(zone: Zone, lba: number, end: number): Append | undefined {
    zone.busy++
    if (!hasPointer(zone.type)) return undefined
    const { table } = this.image()
    const full = zone.condition === c.FULL
    table.openForWrite(zone)
    if (zone.type === t.SEQUENTIAL_PREFERRED && lba !== zone.wp) table.notSequential(zone)
    if (full || end <= zone.wp) return undefined
    const append: Append = { start: zone.wp, end, state: 'under way' }
    zone.appends.push(append)
    zone.wp = end
    if (end === zone.end) table.move(zone, c.FULL)
    return append
  }

  /** The data of a write is in the file, or not. Tells, maybe later, whether it and all before it in the zone are. */
  private finish(zone: Zone, append: Append | undefined, ok: boolean): boolean | Promise<boolean> {
    if (--zone.busy === 0) this.idleZone(zone)
    if (!append) return ok
    if (append.state === 'lost') return false
    if (!ok) {
      this.lose(zone, append)
      return false
    }
    append.state = 'written'
    while (zone.appends[0]?.state === 'written') {
      const head = zone.appends.shift()!
      zone.done = head.end
      head.wake?.(true)
    }
    return zone.done >= append.end || new Promise((wake) => (append.wake = wake))
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
  private lose(zone: Zone, append: Append): void {
    const lost = zone.appends.splice(zone.appends.indexOf(append))
    zone.wp = append.start
    if (zone.condition === c.FULL) this.image().table.move(zone, c.CLOSED)
    for (const a of lost) {
      a.state = 'lost'
      a.wake?.(false)
    }
    if (zone.busy === 0 || zone.locked) return
    zone.draining = zone.locked = true
    this.locked++
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
