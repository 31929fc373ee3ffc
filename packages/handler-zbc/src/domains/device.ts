import { type DeviceInfo, type IoFile, TcmuError } from '@tcmu/host/handler'
import { zoneCondition as c, zoneType as t } from '@tcmu/host/scsi'
import type { Parsed } from '../cfgstring'
import { clampOpen, MiB } from '../geometry'
import { headerDefaults, type Image, ZONE_DOMAINS } from '../image'
import { makeImage, newUuid, openFile, recognise, restoreOwn, writeHeader } from '../image-file'
import { Journal, ownRecords } from '../journal'
import { type ImageHeaderValue, placesOf } from '../metadata'
import { hasPointer, type Zone } from '../zone'
import { type ZonePolicy, ZoneTable } from '../zones'
import type { Dialect } from './dialect'
import { type DomainOptions, profileAsked } from './options'
import { type Plan, planOf, type Realm } from './plan'
import { hasDomains, type Profile, profileOf } from './profiles'

const DEFAULT_ZONE_BYTES = 256 * MiB
const DEFAULT_REALM_BYTES = 2560 * MiB
const DEFAULT_GAIN = 125
const DEFAULT_OPEN = 128

const unavailable: ReadonlySet<number> = new Set([c.INACTIVE, c.READ_ONLY, c.OFFLINE])

/** An open device of the subtype `dhsmr`: what it is now, and its image. MUTATE replaces all of it. */
export class DomainDevice {
  profile!: Profile
  plan!: Plan
  image!: Image
  header!: ImageHeaderValue

  private constructor(readonly file: IoFile, readonly dialect: Dialect, readonly options: Partial<DomainOptions>, private readonly dev: DeviceInfo) {}

  /** Open the image, or make it. Nothing stays open when it rejects. */
  static async open(dev: DeviceInfo, { options, path }: Parsed<DomainOptions>, dialect: Dialect): Promise<DomainDevice> {
    const file = await openFile(dev, path)
    try {
      const device = new DomainDevice(file, dialect, options, dev)
      await device.load()
      return device
    } catch (e) {
      await file.close()
      throw e
    }
  }

  private async load(): Promise<void> {
    const found = await recognise(this.file)
    const wrong = found.kind === 'empty' ? undefined : this.objection(found)
    if (wrong && !this.options.format) throw wrong
    if (wrong) this.dev.log.warn(`${wrong.message}. It is formatted now, as asked for`)
    if (wrong || found.kind !== 'own') return this.format(this.fresh())
    this.header = found.header
    this.use(this.header)
    const sequence = await restoreOwn(this.file, this.image.table.zones, this.dev.log)
    this.repair()
    this.image.table.begin()
    this.image = { ...this.image, journal: new Journal(this.file, ownRecords(this.image.table.zones.length), this.image.table.zones, sequence) }
    await this.image.journal.recordAll()
  }

  private objection(found: Awaited<ReturnType<typeof recognise>>): TcmuError | undefined {
    const { path } = this.file
    const hint = 'the option format-y lets it be formatted, and its contents be lost'
    if (found.kind === 'foreign') return new TcmuError('E_ZONED_FOREIGN', `${path}: ${found.why}, and it is not overwritten; ${hint}`, { path })
    if (found.kind === 'damaged') return new TcmuError('E_ZONED_DAMAGED', `${path}: ${found.why}; restore it from a copy, or ${hint}`, { path })
    if (found.kind !== 'own' || found.header.kind !== ZONE_DOMAINS) return new TcmuError('E_ZONED_MISMATCH', `${path} is a disk of the subtype zbc; open it with that, or ${hint}`, { path })
    const difference = this.difference(found.header)
    if (!difference) return undefined
    const [name, wanted, is] = difference
    return new TcmuError('E_ZONED_MISMATCH', `${path} has ${name} ${String(is)}, and ${String(wanted)} is asked for; ask for what it has, or ${hint}`, { path, name })
  }

  /** What was asked for and is not what the image was made as; a mutation is no difference. */
  private difference(h: ImageHeaderValue): readonly [string, unknown, unknown] | undefined {
    const { options: o, dev } = this
    const asked = o.type !== undefined || o.model !== undefined ? profileAsked(o) : undefined
    const rows: readonly (readonly [string, unknown, unknown])[] = [
      ['type', asked?.name, profileOf(h.initialType, h.initialModel)?.name],
      ['lba', o.lba, h.lbaBytes],
      ['zsize', o.zsize, h.zoneBlocks * h.lbaBytes],
      ['rsize', o.rsize, h.realmBlocks * h.lbaBytes],
      ['sgain', o.sgain, h.gainPercent],
      ['size', dev.sizeBytes === 0 ? undefined : dev.sizeBytes, h.capacity],
    ]
    return rows.find(([, wanted, is]) => wanted !== undefined && wanted !== is)
  }

  /** The header of a new image of the profile that the cfgstring asks for. */
  private fresh(): ImageHeaderValue {
    const { options: o, dev } = this
    if (dev.sizeBytes === 0) throw new TcmuError('E_ZONED_GEOMETRY', `${this.file.path}: no size is given for ${dev.name}; give the LUN a size`)
    const lbaBytes = o.lba ?? 512
    const { type, model } = profileAsked(o)
    return {
      ...headerDefaults, kind: ZONE_DOMAINS, lbaBytes, physicalBytes: lbaBytes, zoneBlocks: (o.zsize ?? DEFAULT_ZONE_BYTES) / lbaBytes, openLimit: o.open ?? DEFAULT_OPEN,
      realmBlocks: (o.rsize ?? DEFAULT_REALM_BYTES) / lbaBytes, gainPercent: o.sgain ?? DEFAULT_GAIN, conventional: o.conv ?? 0, uuid: newUuid(),
      initialType: type, initialModel: model, deviceType: type, deviceModel: model, capacity: dev.sizeBytes,
    }
  }

  /** Plan the zones of a header; `capacity` is the size asked for, in bytes. Throws E_ZONED_GEOMETRY. */
  private planned(h: ImageHeaderValue): { profile: Profile; plan: Plan } {
    const profile = profileOf(h.deviceType, h.deviceModel)
    const plan = profile ? planOf({
      profile, lbaBytes: h.lbaBytes, sizeBytes: h.capacity, zoneBlocks: h.zoneBlocks, realmBlocks: h.realmBlocks, gainPercent: h.gainPercent,
      conventional: this.options.conv,
    }) : 'it is of a kind that this version does not know'
    if (typeof plan === 'string') throw new TcmuError('E_ZONED_GEOMETRY', `${this.file.path} cannot be made a zoned disk: ${plan}`, { path: this.file.path })
    return { profile: profile!, plan }
  }

  private use(h: ImageHeaderValue): void {
    const { profile, plan } = this.planned(h)
    const { data } = placesOf(plan.shapes.length)
    const policy = this.policy(plan, Math.log2(h.physicalBytes / h.lbaBytes), h.openLimit)
    const table = new ZoneTable(plan.shapes.map((s) => ({ ...s, offset: s.offset + data })), policy)
    for (const zone of table.zones) begin(zone, plan.conditions[zone.index]!)
    table.begin()
    this.profile = profile
    this.plan = plan
    this.image = { file: this.file, table, journal: new Journal(this.file, ownRecords(table.zones.length), table.zones) }
  }

  private policy(plan: Plan, physicalExponent: number, open: number): ZonePolicy {
    const smr = plan.shapes.filter((s) => s.type === t.SEQUENTIAL_REQUIRED).length
    return {
      openLimit: smr === 0 ? 0 : clampOpen(open, smr), unrestrictedReads: () => this.header.restrictedReads === 0, physicalExponent,
      sobrFinish: this.dialect.sobrFinish, mixedReads: false, inactivePreferredReads: this.dialect.inactivePreferredReads,
    }
  }

  /** Make the image anew as this header says. */
  async format(header: ImageHeaderValue): Promise<void> {
    const before = this.header as ImageHeaderValue | undefined
    this.header = { ...header, restrictedReads: (this.options.wpcheck ?? false) ? 1 : 0 }
    try {
      this.use(this.header)
    } catch (e) {
      if (before) this.header = before
      throw e
    }
    const { plan } = this
    const zones = this.image.table.zones.length
    this.header = {
      ...this.header, zones, dataOffset: placesOf(zones).data, sizeBytes: plan.dataBytes, realmsFeature: (this.options.realms ?? true) ? 1 : 0,
      zonesPerActivation: plan.cmrZones, maxActivation: this.options.maxact ?? 0, sequence: 2,
    }
    await makeImage(this.file, this.header, this.image.journal)
  }

  /** Keep changed settings in the header. */
  async save(change: Partial<ImageHeaderValue>): Promise<void> {
    this.header = { ...this.header, ...change, sequence: this.header.sequence + 1 }
    await writeHeader(this.file, this.header)
  }

  get domains(): boolean {
    return hasDomains(this.profile)
  }
  /** Zones of an extent. */
  zonesOf(realm: Realm, domain: number): readonly Zone[] {
    const extent = realm.extents[domain]
    return extent ? this.image.table.zones.slice(extent.first, extent.first + extent.zones) : []
  }
  /** ID of the domain in which a realm is active. */
  activeIn(realm: Realm): number {
    const found = realm.extents.findIndex((_, id) => this.zonesOf(realm, id).some((z) => !unavailable.has(z.condition)))
    return found < 0 ? realm.initial : found
  }
  /** The realm that a zone belongs to; a GAP zone belongs to none. */
  realmAt(zone: Zone): Realm | undefined {
    return this.plan.realms.find((r) => r.extents.some((e) => e && zone.index >= e.first && zone.index < e.first + e.zones))
  }

  /** An activation that a crash cut off is finished, for the extent that has more of its zones. */
  private repair(): void {
    for (const realm of this.plan.realms) {
      const live = realm.extents.map((_, id) => this.zonesOf(realm, id).filter((z) => !unavailable.has(z.condition)).length)
      const chosen = live.indexOf(Math.max(...live))
      for (const [id] of realm.extents.entries()) {
        for (const zone of this.zonesOf(realm, id)) {
          const inactive = zone.condition === c.INACTIVE
          if (id === chosen && inactive) begin(zone, activated(zone))
          else if (id !== chosen && !unavailable.has(zone.condition)) begin(zone, c.INACTIVE)
        }
      }
    }
  }
}

/** Condition of a zone that has just been activated. */
export const activated = (zone: Zone): Zone['condition'] => (hasPointer(zone.type) ? c.EMPTY : c.NOT_WRITE_POINTER)

/** Set the condition of a zone that nobody uses. */
export function begin(zone: Zone, condition: Zone['condition']): void {
  zone.condition = condition
  zone.wp = zone.done = condition === c.FULL ? zone.end : zone.start
  zone.nonSequential = false
}
