import { bits, type Layout, layout, skip, Status, u16be, u32be, u48be, u64be, u8, zoneType as t } from '@tcmu/host/scsi'
import type { Zone } from '../zone'
import type { Standard } from './options'

/** REPORT ZONE DOMAINS: header and descriptors; lengths include the header. */
export const DomainsHeader = layout('report_zone_domains', {
  available: u32be, returned: u32be, domains: u8, reported: u8, option: u8, reserved: skip(5), locator: u64be, reserved2: skip(40),
}, { size: 64 })
const domainHead = { id: u8, reserved: skip(15), zones: u64be, first: u64be, last: u64be, type: u8 } as const
const validBits = { flags: bits(u8, { typeValid: 1, shifting: 0 }) } as const
const DomainR5 = layout('zone_domain_r5', { ...domainHead, ...validBits, rest: skip(54) }, { size: 96 })
const DomainZ2 = layout('zone_domain', { ...domainHead, between: skip(1), ...validBits, rest: skip(53) }, { size: 96 })

const RealmsR5 = layout('report_realms_r5', { realms: u32be, descriptorBytes: u32be, next: u64be, reserved: skip(48) }, { size: 64 })
const RealmsZ2 = layout('report_realms', { listBytes: u32be, matching: u32be, descriptorBytes: u32be, next: u64be, reserved: skip(44) }, { size: 64 })
export const RealmHead = layout('realm_descriptor', {
  id: u32be, restrictions: u16be, reserved: skip(1), domain: u8, reserved2: skip(8),
}, { size: 16 })
const ExtentR5 = layout('realm_extent_r5', { first: u64be, last: u64be, reserved: skip(16) }, { size: 32 })
const ExtentZ2 = layout('realm_extent', { first: u64be, last: u64be }, { size: 16 })

const control = { control: bits(u8, { naca: 2 }) } as const
const Activate16 = layout('zone_activate_16', {
  op: u8, action: bits(u8, { serviceAction: [4, 0] }), flags: bits(u8, { all: 7, nzsrc: 6, domain: [5, 0] }), zone: u48be, allocation: u32be, count: u16be,
  ...control,
}, { size: 16 })
const Activate16Published = layout('zone_activate_16_published', {
  op: u8, action: bits(u8, { all: 7, serviceAction: [4, 0] }), zone: u64be, count: u16be, allocation: u16be, domain: u8, ...control,
}, { size: 16 })
export const Activate32 = layout('zone_activate_32', {
  op: u8, ...control, reserved: skip(5), additional: u8, serviceAction: u16be, flags: bits(u8, { all: 7, nzsrc: 6 }), domain: u8, zone: u64be, count: u32be,
  reserved2: skip(4), allocation: u32be,
}, { size: 32 })

const ResultDraft = layout('zone_activation_result', {
  available: u32be, returned: u32be, status: bits(u8, { countValid: 7, zoneValid: 6, activated: 0 }), errors: u8, domain: u8, reserved: skip(1),
  flags: bits(u8, { nzsrc: 1, all: 0 }), reserved2: skip(3), count: u32be, reserved3: skip(4), zone: u48be, reserved4: skip(34),
}, { size: 64 })
const ResultPublished = layout('zone_activation_result_published', {
  available: u32be, returned: u32be, status: bits(u8, { countValid: 7, zoneValid: 6, activated: 0 }), errors: u8, domain: u8, flags: bits(u8, { all: 0 }),
  reserved: skip(4), count: u32be, reserved2: skip(4), zone: u64be, reserved3: skip(32),
}, { size: 64 })
const changed = { type: u8, second: bits(u8, { condition: [7, 4] }), domain: u8, reserved: skip(5), zones: u64be, start: u64be } as const
const ChangedDraft = layout('activation_descriptor', changed, { size: 24 })
const ChangedPublished = layout('activation_descriptor_published', { ...changed, reserved2: skip(8) }, { size: 32 })

const page = { fsnoz: u32be, reserved: skip(2), urswrz: u8, reserved2: skip(5), maxActivation: u16be } as const
/** Mode pages without their headers. */
export const ActivationPageR5 = layout('zone_domains_mode_page', { ...page, rest: skip(236) }, { size: 250 })
export const ActivationPageZ2 = layout('zoned_block_device_control', { ...page, rest: skip(2) }, { size: 16 })

/** What an activation asks for, whatever its CDB. */
export interface ActivationRequest {
  readonly all: boolean
  /** The count is in the CDB; FSNOZ counts otherwise. */
  readonly nzsrc: boolean
  readonly domain: number
  readonly zone: number
  readonly count: number
  readonly allocation: number
}

type Any = Layout<any> // eslint-disable-line @typescript-eslint/no-explicit-any
/** A wire form of Zone Domains: three of them are in use, and nothing tells an initiator which one a device speaks. */
export interface Dialect {
  readonly name: Standard
  readonly domain: Any
  readonly extent: Any
  /** The list that REPORT REALMS begins with. */
  realmsHeader(all: number, matching: number, descriptorBytes: number): Uint8Array
  readonly activate16: Any
  /** ZONE ACTIVATE(16) says where its count comes from. */
  readonly countChoice: boolean
  readonly result: Any
  readonly changed: Any
  readonly query32: readonly number[]
  readonly page: { readonly code: number; readonly subpage: number; readonly layout: Any }
  readonly sequentialize: number
  /** Reporting option 3Eh. */
  readonly gapOption: (zone: Zone) => boolean
  readonly sobrFinish: boolean
  readonly inactivePreferredReads: boolean
  /** An activation that begins beyond the last zone. */
  readonly beyond: Status
  /** An activation that crosses a domain boundary: error bits, and whether the boundary is told. */
  readonly crossing: { readonly bits: number; readonly boundary: boolean }
  /** REPORT REALMS into less than a header is refused. */
  readonly realmsWhole: boolean
  readonly mutations: boolean
  readonly strictAll: boolean
}

const r5: Dialect = {
  name: 'r5', domain: DomainR5, extent: ExtentR5, realmsHeader: (realms, _, descriptorBytes) => RealmsR5.encode({ realms, descriptorBytes }),
  activate16: Activate16, countChoice: true, result: ResultDraft, changed: ChangedDraft, query32: [0xf801], page: { code: 0x3d, subpage: 0x08, layout: ActivationPageR5 },
  sequentialize: 0x05, gapOption: (zone) => zone.type === t.GAP, sobrFinish: true, inactivePreferredReads: true, beyond: Status.INVALID_CDB,
  crossing: { bits: 0x20, boundary: false }, realmsWhole: true, mutations: true, strictAll: true,
}
const z2: Dialect = {
  name: 'z2', domain: DomainZ2, extent: ExtentZ2,
  realmsHeader: (_, matching, descriptorBytes) => RealmsZ2.encode({ listBytes: matching * descriptorBytes, matching, descriptorBytes }),
  activate16: Activate16, countChoice: true, result: ResultDraft, changed: ChangedDraft, query32: [0xf801, 0xf810], page: { code: 0x0a, subpage: 0x0f, layout: ActivationPageZ2 },
  sequentialize: 0x10, gapOption: (zone) => zone.type !== t.GAP, sobrFinish: false, inactivePreferredReads: false, beyond: Status.RANGE,
  crossing: { bits: 0x28, boundary: true }, realmsWhole: false, mutations: false, strictAll: false,
}
/** The published ZBC-2 differs from the other in ZONE ACTIVATE and QUERY alone. */
const pub: Dialect = { ...z2, name: 'pub', activate16: Activate16Published, countChoice: false, result: ResultPublished, changed: ChangedPublished }

export const dialects: Readonly<Record<Standard, Dialect>> = { r5, z2, pub }
