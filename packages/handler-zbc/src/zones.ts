import { type ZoneCondition, zoneCondition as c, zoneType as t, Status } from '@tcmu/host/scsi'
import { affectedByAll, type Step, type Transitions, transitions, type ZoneCommand } from './transitions'
import { hasPointer, Zone, type ZoneShape } from './zone'

export type ManagementCommand = Exclude<ZoneCommand, 'WRITE'>

/** ZONE CONDITION is a field of four bits (ZBC-2, zone descriptor). */
const CONDITIONS = 16

/** What the rules depend on beside the zones. */
export interface ZonePolicy {
  /** Most open zones of type sequential write required; 0 for no limit. */
  readonly openLimit: number
  /** Reads above the write pointer give zeroes (URSWRZ); asked for each command. */
  readonly unrestrictedReads: () => boolean
  /** log2 of logical blocks per physical block. */
  readonly physicalExponent: number
  /** FINISH ZONE applies to SOBR zones. */
  readonly sobrFinish: boolean
  /** Reads may cross from one type of zone into another. */
  readonly mixedReads: boolean
  /** With restricted reads, an inactive SWP zone cannot be read either. */
  readonly inactivePreferredReads: boolean
}

/** Counters of the zoned block device statistics log page (ZBC-2 6.3), since the device was opened. */
export interface ZoneStatistics {
  maxOpen: number
  maxExplicit: number
  maxImplicit: number
  minEmpty: number
  maxNonSequential: number
  emptied: number
  suboptimalWrites: number
  beyondOptimal: number
  failedOpens: number
  readFailures: number
  writeFailures: number
}

/** The zones of a device: who is open, what may be read and written, what a command does. Nothing here waits. */
export class ZoneTable {
  readonly zones: readonly Zone[]
  readonly zoneBlocks: number
  readonly statistics: ZoneStatistics
  private readonly steps: Transitions
  /** Of WRITE, by type and condition: in one array, as each write looks there. */
  private readonly writeSteps: Step[] = []
  /** Open zones that count against the limit; the implicitly open ones in the order in which they were used. */
  private readonly implicit = new Set<Zone>()
  /** The last of them, if it is known. */
  private newest: Zone | undefined = undefined
  private explicit = 0
  private empty = 0

  /** Every zone but the last one has `zoneBlocks` blocks, a power of two; they follow each other from LBA 0. */
  constructor(shapes: readonly ZoneShape[], readonly policy: ZonePolicy) {
    this.zones = shapes.map((shape, i) => new Zone(i, shape))
    this.zoneBlocks = shapes[0]!.length
    this.steps = transitions(policy.sobrFinish)
    for (const type of Object.values(t)) for (const condition of Object.values(c)) this.writeSteps[type * CONDITIONS + condition] = this.steps[type][condition].WRITE
    this.statistics = {
      maxOpen: 0, maxExplicit: 0, maxImplicit: 0, minEmpty: 0, maxNonSequential: 0, emptied: 0, suboptimalWrites: 0, beyondOptimal: 0,
      failedOpens: 0, readFailures: 0, writeFailures: 0,
    }
    this.begin()
  }

  /** Conditions were restored from metadata, where no zone is open. */
  begin(): void {
    this.empty = this.statistics.minEmpty = this.zones.filter((z) => z.condition === c.EMPTY).length
  }

  /** First LBA after the last zone. */
  get capacity(): number {
    return this.zones[this.zones.length - 1]!.end
  }
  at(lba: number): Zone {
    return this.zones[Math.floor(lba / this.zoneBlocks)]!
  }
  get open(): { readonly implicit: number; readonly explicit: number } {
    return { implicit: this.implicit.size, explicit: this.explicit }
  }

  step(zone: Zone, command: ZoneCommand): Step {
    return this.steps[zone.type][zone.condition][command]
  }

  writeStep(zone: Zone): Step {
    return this.writeSteps[zone.type * CONDITIONS + zone.condition]!
  }

  private counts(zone: Zone): boolean {
    return zone.type === t.SEQUENTIAL_REQUIRED && this.policy.openLimit > 0
  }

  /** Whether a zone that is not open may become so: at worst an implicitly open one is closed for it. */
  private mayOpen(zone: Zone): boolean {
    return zone.open || !this.counts(zone) || this.explicit < this.policy.openLimit
  }

  /** Make room for one more open zone; `mayOpen` said that there is. */
  private makeRoom(zone: Zone): void {
    if (zone.open || !this.counts(zone) || this.implicit.size + this.explicit < this.policy.openLimit) return
    for (const oldest of this.implicit) {
      this.move(oldest, c.CLOSED)
      return
    }
  }

  /** Give a zone its next condition, with the two rules of the state machine and the counting of open zones. */
  move(zone: Zone, condition: ZoneCondition): void {
    const wasOpen = zone.open
    const next = condition === c.CLOSED && zone.wp === zone.start ? c.EMPTY : condition
    if (next === zone.condition) return
    if (wasOpen && this.counts(zone)) {
      if (zone.condition === c.EXPLICIT_OPEN) this.explicit--
      else this.closeImplicit(zone)
    }
    if (zone.condition === c.EMPTY) this.empty--
    if (next === c.EMPTY) this.empty++
    zone.condition = next
    if (this.counts(zone)) {
      if (next === c.EXPLICIT_OPEN) this.explicit++
      else if (next === c.IMPLICIT_OPEN) this.openImplicit(zone)
    }
    this.measure()
  }

  private openImplicit(zone: Zone): void {
    this.implicit.add(zone)
    this.newest = zone
  }
  private closeImplicit(zone: Zone): boolean {
    if (this.newest === zone) this.newest = undefined
    return this.implicit.delete(zone)
  }

  private measure(): void {
    const s = this.statistics
    const open = this.implicit.size + this.explicit
    if (this.empty < s.minEmpty) s.minEmpty = this.empty
    if (open > s.maxOpen) s.maxOpen = open
    if (this.explicit > s.maxExplicit) s.maxExplicit = this.explicit
    if (this.implicit.size > s.maxImplicit) s.maxImplicit = this.implicit.size
  }

  /** Why a command on one zone is refused, or undefined. */
  refuse(zone: Zone, command: ManagementCommand): Status | undefined {
    const step = this.step(zone, command)
    if (step.refuse !== undefined) return step.refuse
    if (!step.slot || this.mayOpen(zone)) return undefined
    if (command === 'OPEN') this.statistics.failedOpens++
    return Status.ZONE_RESOURCES
  }

  /** Do what `refuse` allowed. The caller discards data and records the metadata. */
  apply(zone: Zone, command: ManagementCommand): void {
    const step = this.step(zone, command)
    if (step.to === undefined) return
    if (step.slot) this.makeRoom(zone)
    if (step.to === c.FULL) zone.wp = zone.done = zone.end
    if (step.to === c.EMPTY) {
      zone.wp = zone.done = zone.start
      zone.nonSequential = false
      if (zone.condition !== c.EMPTY) this.statistics.emptied++
    }
    this.move(zone, step.to)
  }

  /** Zones that a command with ALL changes, or why it is refused as a whole. */
  affected(command: ManagementCommand): readonly Zone[] | Status {
    const zones = this.zones.filter((z) => hasPointer(z.type) && affectedByAll[command].has(z.condition))
    const usable = zones.filter((z) => this.step(z, command).refuse === undefined)
    if (zones.length > 0 && usable.length === 0 && command === 'FINISH') return this.step(zones[0]!, command).refuse!
    if (command !== 'OPEN' || this.policy.openLimit === 0) return usable
    const wanted = usable.filter((z) => this.counts(z)).length
    if (this.explicit + wanted <= this.policy.openLimit) return usable
    this.statistics.failedOpens++
    return Status.ZONE_RESOURCES
  }

  /** Close what is open, as at power on. */
  closeAll(): void {
    for (const zone of this.zones) if (zone.open) this.move(zone, c.CLOSED)
  }

  /** A write is about to be taken by this zone: open it. `refuseWrite` has allowed it. */
  openForWrite(zone: Zone): void {
    const step = this.writeStep(zone)
    if (step.slot) this.makeRoom(zone)
    if (step.to !== undefined) this.touch(zone, step.to)
  }

  private touch(zone: Zone, condition: ZoneCondition): void {
    if (zone.condition !== condition) return this.move(zone, condition)
    // Used now: last in line to be closed.
    if (zone !== this.newest && this.closeImplicit(zone)) this.openImplicit(zone)
  }

  /** A zone that is to be written in order is written elsewhere (NON_SEQ). */
  notSequential(zone: Zone): void {
    zone.nonSequential = true
    this.statistics.suboptimalWrites++
    this.statistics.maxNonSequential = Math.max(this.statistics.maxNonSequential, this.zones.filter((z) => z.nonSequential).length)
  }

  /** Whether an implicit opening of these zones would find room. */
  roomFor(zone: Zone): boolean {
    return !this.writeStep(zone).slot || this.mayOpen(zone)
  }
}
