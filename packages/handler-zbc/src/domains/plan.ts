import { type ZoneCondition, zoneCondition as c, type ZoneType, zoneType as t } from '@tcmu/host/scsi'
import type { ZoneShape } from '../zone'
import { deviceKind, hasDomains, isSmr, type Profile } from './profiles'

/** What a device of Zone Domains is made of. Blocks are logical blocks. */
export interface PlanInput {
  readonly profile: Profile
  readonly lbaBytes: number
  readonly sizeBytes: number
  readonly zoneBlocks: number
  readonly realmBlocks: number
  readonly gainPercent: number
  /** Of plain disks, when it was asked for. */
  readonly conventional: number | undefined
}

export interface Domain {
  readonly id: number
  readonly type: ZoneType
  /** Index of the first zone, and how many. */
  readonly first: number
  readonly zones: number
}
/** Zones of a realm in one domain. */
export interface Extent {
  readonly first: number
  readonly zones: number
}
export interface Realm {
  readonly id: number
  /** By domain ID; undefined where it cannot be activated. */
  readonly extents: readonly (Extent | undefined)[]
  readonly initial: number
}
/** The zones of a device, where their data is, and which belong together. Offsets of shapes begin at 0. */
export interface Plan {
  readonly shapes: readonly ZoneShape[]
  readonly conditions: readonly ZoneCondition[]
  readonly domains: readonly Domain[]
  readonly realms: readonly Realm[]
  /** Zones of a CMR extent: FSNOZ at first. */
  readonly cmrZones: number
  /** Blocks of the medium as a plain disk sees it. */
  readonly reportedBlocks: number
  readonly dataBytes: number
}

const READ_ONLY_AT = 7
const OFFLINE_AT = 11
const FAULTY_ZONES = 2
/** A domain with faulty zones has at least as many, and one that is not faulty. */
const FAULTY_NEEDS = OFFLINE_AT + FAULTY_ZONES + 1

/** Condition of a faulty zone by its place in its domain, `scale` percent; undefined when it is whole. */
function faultAt(place: number, scale: number): ZoneCondition | undefined {
  const within = (at: number): boolean => {
    const first = Math.floor((at * scale) / 100)
    return place >= first && place < first + Math.floor((FAULTY_ZONES * scale) / 100)
  }
  return within(READ_ONLY_AT) ? c.READ_ONLY : within(OFFLINE_AT) ? c.OFFLINE : undefined
}

/** The plan, or the sentence why there is none. */
export function planOf(i: PlanInput): Plan | string {
  return hasDomains(i.profile) ? planDomains(i) : planDisk(i)
}

function planDisk({ profile, lbaBytes, sizeBytes, zoneBlocks, conventional }: PlanInput): Plan | string {
  const blocks = Math.floor(sizeBytes / lbaBytes)
  const zones = Math.ceil(blocks / zoneBlocks)
  if (profile.type === deviceKind.NON_ZONED) return planOrdinary(blocks, lbaBytes)
  const percent = (share: number): number => (share === 0 ? 0 : Math.max(1, Math.floor((zones * share) / 100)))
  const wanted = profile.faulty ? Math.max(OFFLINE_AT + FAULTY_ZONES, percent(profile.bottom)) : percent(profile.bottom)
  const bottom = conventional ?? wanted
  const top = profile.top > 0 ? 1 : 0
  if (bottom + top >= zones) return `Too many conventional zones: ${bottom + top} of ${zones}`
  const typeOf = (n: number): ZoneType => (n < bottom || n >= zones - top ? t.CONVENTIONAL : profile.initial)
  const shapes = Array.from({ length: zones }, (_, n) => ({
    start: n * zoneBlocks, length: Math.min(zoneBlocks, blocks - n * zoneBlocks), type: typeOf(n), offset: n * zoneBlocks * lbaBytes,
  }))
  const conditions = shapes.map((s, n) => (profile.faulty ? faultAt(n, 100) : undefined) ?? (s.type === t.CONVENTIONAL ? c.NOT_WRITE_POINTER : c.EMPTY))
  return { shapes, conditions, domains: [], realms: [], cmrZones: 0, reportedBlocks: blocks, dataBytes: blocks * lbaBytes }
}

/** A disk without zones is one conventional zone. */
const planOrdinary = (blocks: number, lbaBytes: number): Plan => ({
  shapes: [{ start: 0, length: blocks, type: t.CONVENTIONAL, offset: 0 }], conditions: [c.NOT_WRITE_POINTER], domains: [], realms: [], cmrZones: 0, reportedBlocks: blocks,
  dataBytes: blocks * lbaBytes,
})

function planDomains(i: PlanInput): Plan | string {
  const { profile, lbaBytes, zoneBlocks, realmBlocks, gainPercent } = i
  if (realmBlocks % zoneBlocks !== 0 || realmBlocks < 2 * zoneBlocks) return 'Invalid realm/zone size'
  const blocks = Math.floor(i.sizeBytes / lbaBytes)
  if (realmBlocks > blocks / 2) return 'Invalid realm/capacity size'
  const count = Math.ceil(blocks / realmBlocks)
  const medium = count * realmBlocks
  const smr = Math.floor(medium / zoneBlocks / count)
  const cmr = Math.floor(Math.ceil(Math.floor((medium * 100) / gainPercent) / zoneBlocks) / count)
  if (cmr < 1) return `a realm of ${smr} zones has no room for a CMR zone with that SMR gain`
  const perRealm = (type: ZoneType): number => (isSmr(type) ? smr : cmr)
  if (profile.faulty && count * cmr < FAULTY_NEEDS) return `a device with faulty zones needs domains of ${FAULTY_NEEDS} zones`
  const restricted = (realm: number): boolean => realm < profile.bottom || realm >= count - profile.top
  const layout = layDomains(profile, count, perRealm)
  const initial = profile.types.indexOf(profile.initial)
  const realms = Array.from({ length: count }, (_, id) => ({ id, initial, extents: extentsOf(layout.domains, id, profile, perRealm, restricted(id)) }))
  return {
    ...fill(layout, realms, i, profile), domains: layout.domains, realms, cmrZones: cmr, reportedBlocks: count * cmr * zoneBlocks, dataBytes: medium * lbaBytes,
  }
}

/** Domains follow each other; what realms that stay CMR leave free of a domain is GAP, and so is what is between domains. */
function layDomains(profile: Profile, realms: number, perRealm: (t: ZoneType) => number): { domains: Domain[]; total: number } {
  const domains: Domain[] = []
  const free = profile.bottom + profile.top
  let at = 0
  for (const [id, type] of profile.types.entries()) {
    const all = realms * perRealm(type)
    const zones = isSmr(type) ? all - free * perRealm(type) : all
    domains.push({ id, type, first: at, zones })
    at += all + profile.gap
  }
  const last = domains.at(-1)!
  return { domains, total: last.first + last.zones }
}

function extentsOf(domains: readonly Domain[], realm: number, p: Profile, perRealm: (t: ZoneType) => number, restricted: boolean): (Extent | undefined)[] {
  return domains.map(({ type, first }) => {
    if (isSmr(type) && restricted) return undefined
    const place = isSmr(type) ? realm - p.bottom : realm
    return { first: first + place * perRealm(type), zones: perRealm(type) }
  })
}

function fill(layout: { domains: readonly Domain[]; total: number }, realms: readonly Realm[], i: PlanInput, profile: Profile): Pick<Plan, 'shapes' | 'conditions'> {
  const { zoneBlocks, lbaBytes } = i
  const zoneBytes = zoneBlocks * lbaBytes
  const types = new Array<ZoneType>(layout.total).fill(t.GAP)
  const conditions = new Array<ZoneCondition>(layout.total).fill(c.NOT_WRITE_POINTER)
  const offsets = new Array<number>(layout.total).fill(0)
  for (const { type, first, zones } of layout.domains) types.fill(type, first, first + zones)
  const active: ZoneCondition = profile.initial === t.CONVENTIONAL ? c.NOT_WRITE_POINTER : profile.startsFull ? c.FULL : c.EMPTY
  for (const realm of realms) {
    for (const [id, extent] of realm.extents.entries()) {
      for (let n = 0; extent && n < extent.zones; n++) {
        offsets[extent.first + n] = realm.id * i.realmBlocks * lbaBytes + n * zoneBytes
        conditions[extent.first + n] = id === realm.initial ? active : c.INACTIVE
      }
    }
  }
  if (profile.faulty) {
    for (const { type, first, zones } of layout.domains) {
      for (let n = 0; n < zones; n++) conditions[first + n] = faultAt(n, isSmr(type) ? i.gainPercent : 100) ?? conditions[first + n]!
    }
  }
  const shapes = types.map((type, n) => ({ start: n * zoneBlocks, length: zoneBlocks, type, offset: offsets[n]! }))
  return { shapes, conditions }
}
