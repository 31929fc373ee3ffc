import { type DeviceInfo, defineHandler, TcmuError } from '@tcmu/host/handler'
import { type CommandRow, zoneCondition as c, zoneType as t } from '@tcmu/host/scsi'
import { DomainDevice } from './domains/device'
import { dialects } from './domains/dialect'
import { domainConfig, profileAsked, type StructuredOptions } from './domains/options'
import { domainModePages, domainPages } from './domains/pages'
import { deviceKind } from './domains/profiles'
import { asItIs } from './image-file'
import { accessRows } from './rows/access'
import { domainRows, remake } from './rows/domains'
import { unitRows } from './rows/unit'
import { zoneRows } from './rows/zones'
import { type Personality, ZonedUnit } from './unit'

const HOST_MANAGED = 0x14
/** Reporting options beside those of every zoned disk. */
const report = { INACTIVE: 0x08, GAPS: 0x3e } as const

const personalityOf = (d: DomainDevice): Personality => ({
  deviceType: () => (d.profile.type === deviceKind.HOST_MANAGED ? HOST_MANAGED : 0),
  reportedBlocks: () => d.plan.reportedBlocks,
  wholeMedium: () => d.profile.type === deviceKind.HOST_MANAGED || d.profile.type === deviceKind.HOST_AWARE,
  vpdPages: domainPages(d),
  modePages: () => domainModePages(d),
  reportOptions: new Map([[report.INACTIVE, (zone) => zone.type !== t.GAP && zone.condition === c.INACTIVE], [report.GAPS, d.dialect.gapOption]]),
  sequentialize: d.dialect.sequentialize,
  strictAll: d.dialect.strictAll,
  format: (unit) => {
    const { type, model } = profileAsked(d.options)
    return remake(unit, d, { deviceType: type, deviceModel: model })
  },
})

/** The unit and what it is made of, which rows ask both. */
export interface State {
  readonly unit: ZonedUnit
  readonly device: DomainDevice
}

export const dhsmr = defineHandler({
  subtype: 'dhsmr',
  summary: 'disk with Zone Domains and Realms, in one file',

  checkConfig(config: string, options: StructuredOptions | undefined) {
    const parsed = domainConfig(config, options)
    return typeof parsed === 'string' ? parsed : true
  },

  async open(info: DeviceInfo<StructuredOptions>): Promise<State> {
    const config = domainConfig(info.config, info.options)
    if (typeof config === 'string') throw new TcmuError('E_ZONED_CONFIG', `${info.name}: ${config}`)
    const { dev, parsed } = asItIs(info, config)
    const device = await DomainDevice.open(dev, parsed, dialects[parsed.options.std ?? 'r5'])
    const { lbaBytes } = device.header
    dev.declare({ product: 'TCMU DH-SMR dev', blockSize: lbaBytes, lacking: ['unmap', 'compareAndWrite', 'extents'] })
    dev.resized(device.image.table.capacity * lbaBytes)
    return { device, unit: new ZonedUnit(device, lbaBytes, dev, personalityOf(device), true) }
  },
  close: ({ unit }) => unit.close(),

  commands: ({ unit, device }): CommandRow[] => [...accessRows(unit), ...zoneRows(unit), ...domainRows(unit, device), ...unitRows(unit)],
  deviceType: ({ unit }) => unit.personality.deviceType(),
  medium: ({ unit }) => unit.medium,
  file: ({ unit }) => unit.file,
  locate: ({ unit }, offset, length, write) => unit.medium.place(offset, length, write),
})
