import { bits, blockLimits, blockModePages, layout, type ModePage, modePage, skip, Status, u16be, u32be, u8, type VpdPage, vpdPage, zoneType as t } from '@tcmu/host/scsi'
import { ROTATION_RATE, ZonedCharacteristics } from '../vpd'
import type { DomainDevice } from './device'
import { deviceKind } from './profiles'

/** VPD B1h with the bits of the Zone Domains branch. */
const Characteristics = layout('vpd_block_device_characteristics_domains', {
  rotationRate: u16be, product: u8, form: u8, flags: bits(u8, { domains: 6, zoned: [5, 4], fuab: 1 }), vendor: bits(u8, { mutate: 0 }), reserved: skip(54),
}, { size: 60 })
/** VPD B6h as Rev.5 has it. */
const ZonedR5 = layout('vpd_zoned_block_device_characteristics_r5', {
  flags: bits(u8, { fsnozControl: 7, reportRealms: 5, urswrzControl: 4, nozsrc: 3, maxActivationControl: 2, domains: 1, urswrz: 0 }), reserved: skip(5),
  types: bits(u8, { gap: 4, sobr: 3, swr: 2, swp: 1, conventional: 0 }), reserved2: skip(5), maxOpen: u32be, maxActivation: u16be, reserved3: skip(42),
}, { size: 60 })
const DOMAINS_AND_REALMS = 2
const HOST_AWARE_ZONED = 1

const characteristics = (d: DomainDevice): VpdPage => vpdPage(0xb1, 'Block Device Characteristics', Characteristics, () => ({
  rotationRate: ROTATION_RATE, fuab: 1, zoned: d.profile.type === deviceKind.HOST_AWARE ? HOST_AWARE_ZONED : 0,
  domains: d.dialect.mutations && d.domains, mutate: d.dialect.mutations && (d.options.mutate ?? true),
}))

const zoned = (d: DomainDevice): boolean => d.profile.type !== deviceKind.NON_ZONED
const maxOpen = (d: DomainDevice): number => d.image.table.policy.openLimit

function zonedPage(d: DomainDevice): VpdPage {
  if (!d.dialect.mutations) {
    return vpdPage(0xb6, 'Zoned Block Device Characteristics', ZonedCharacteristics, () => ({
      urswrz: d.header.restrictedReads === 0, extension: d.domains ? DOMAINS_AND_REALMS : 0, maxOpen: maxOpen(d),
    }), () => zoned(d))
  }
  return vpdPage(0xb6, 'Zoned Block Device Characteristics', ZonedR5, () => {
    const has = (type: number): boolean => d.plan.shapes.some((s) => s.type === type)
    const control = d.domains && d.profile.bare !== true
    return {
      urswrz: d.header.restrictedReads === 0, domains: d.domains, fsnozControl: control, urswrzControl: control, maxActivationControl: control, nozsrc: d.domains,
      reportRealms: d.domains && d.header.realmsFeature === 1, conventional: has(t.CONVENTIONAL), swp: has(t.SEQUENTIAL_PREFERRED), swr: has(t.SEQUENTIAL_REQUIRED),
      sobr: has(t.SOBR), gap: has(t.GAP), maxOpen: maxOpen(d), maxActivation: d.header.maxActivation,
    }
  }, () => zoned(d))
}

export const domainPages = (d: DomainDevice): VpdPage[] => [blockLimits, characteristics(d), zonedPage(d)]

interface Settings { readonly fsnoz: number; readonly urswrz: number; readonly maxActivation: number }

/** What a list of settings comes to, or why it is refused. FSNOZ 0 changes nothing; a limit below FSNOZ lowers it. */
export function settled(now: Settings, wanted: Settings, controllable: boolean, zones: number): Settings | Status {
  if (!controllable) return wanted.fsnoz || wanted.urswrz || wanted.maxActivation ? Status.INVALID_CDB : now
  const maxActivation = wanted.maxActivation > zones ? 0 : wanted.maxActivation
  const unchanged = wanted.fsnoz === 0 || wanted.fsnoz === now.fsnoz
  if (!unchanged && maxActivation > 0 && wanted.fsnoz > maxActivation) return Status.INVALID_CDB
  const fsnoz = unchanged ? now.fsnoz : wanted.fsnoz
  return { fsnoz: maxActivation > 0 ? Math.min(fsnoz, maxActivation) : fsnoz, maxActivation, urswrz: wanted.urswrz > 1 ? now.urswrz : wanted.urswrz }
}

/** The mode page of activation: FSNOZ, URSWRZ, MAXIMUM ACTIVATION. They outlive the host. */
function activationPage(d: DomainDevice): ModePage {
  const { code, subpage, layout: body } = d.dialect.page
  const now = (): Settings => ({ fsnoz: d.header.zonesPerActivation, urswrz: d.header.restrictedReads === 0 ? 1 : 0, maxActivation: d.header.maxActivation })
  const controllable = (): boolean => d.profile.bare !== true
  return modePage(code, 'Zoned Block Device Control', body, {
    subpage,
    defaults: () => (controllable() ? { fsnoz: d.plan.cmrZones, urswrz: d.options.wpcheck ? 0 : 1, maxActivation: d.options.maxact ?? 0 } : {}),
    current: () => (controllable() ? { ...now() } : {}),
    changeable: () => ({ fsnoz: 0xffffffff, urswrz: 0xff, maxActivation: 0xffff }),
    apply: async (_lun, value) => {
      const next = settled(now(), value as unknown as Settings, controllable(), d.image.table.zones.length)
      if (typeof next === 'number') return next
      await d.save({ zonesPerActivation: next.fsnoz, restrictedReads: next.urswrz === 1 ? 0 : 1, maxActivation: next.maxActivation })
      return Status.OK
    },
  })
}

export const domainModePages = (d: DomainDevice): readonly ModePage[] => (d.domains ? [...blockModePages, activationPage(d)] : blockModePages)
