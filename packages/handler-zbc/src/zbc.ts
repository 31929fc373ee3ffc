import { type DeviceInfo, defineHandler, TcmuError } from '@tcmu/host/handler'
import { BlockCharacteristics, blockLimits, blockModePages, type CommandRow, vpdPage } from '@tcmu/host/scsi'
import type { Geometry } from './geometry'
import { openZbcImage } from './image'
import { asItIs } from './image-file'
import { type ZbcOptions, zbcConfig } from './options'
import { accessRows } from './rows/access'
import { unitRows } from './rows/unit'
import { zoneRows } from './rows/zones'
import { type Personality, ZonedUnit } from './unit'
import { ZonedCharacteristics, ROTATION_RATE } from './vpd'

const HOST_MANAGED = 0x14
/** ZONED of the block device characteristics page (SBC-4 6.6.2). */
const HOST_AWARE_ZONED = 1

function personalityOf(g: Geometry): Personality {
  return {
    deviceType: () => (g.hostManaged ? HOST_MANAGED : 0),
    reportedBlocks: () => g.capacity,
    wholeMedium: () => true,
    vpdPages: [
      blockLimits,
      vpdPage(0xb1, 'Block Device Characteristics', BlockCharacteristics, () => ({ rotationRate: ROTATION_RATE, fuab: 1, zoned: g.hostManaged ? 0 : HOST_AWARE_ZONED })),
      vpdPage(0xb6, 'Zoned Block Device Characteristics', ZonedCharacteristics, () => ({
        urswrz: !g.restrictedReads,
        ...(g.hostManaged ? { maxOpen: g.openLimit } : { optimalOpen: g.openLimit, optimalNonSequential: g.openLimit }),
      })),
    ],
    modePages: () => blockModePages,
    reportOptions: new Map(),
    sequentialize: g.hostManaged ? undefined : SEQUENTIALIZE,
    strictAll: false,
  }
}
/** Service action of ZBC OUT in the published standard. */
const SEQUENTIALIZE = 0x10

export const zbc = defineHandler({
  subtype: 'zbc',
  summary: 'zoned disk, host managed or host aware, in one file',

  checkConfig(config: string, options: Partial<ZbcOptions> | undefined) {
    const parsed = zbcConfig(config, options)
    return typeof parsed === 'string' ? parsed : true
  },

  async open(info: DeviceInfo<Partial<ZbcOptions>>) {
    const config = zbcConfig(info.config, info.options)
    if (typeof config === 'string') throw new TcmuError('E_ZONED_CONFIG', `${info.name}: ${config}`)
    const { dev, parsed } = asItIs(info, config)
    const image = await openZbcImage(dev, parsed)
    const { geometry: g } = image
    dev.declare({
      product: 'TCMU ZBC device', blockSize: g.lbaBytes, physicalExponent: g.physicalExponent, lacking: ['unmap', 'compareAndWrite', 'extents'],
    })
    dev.resized(g.capacity * g.lbaBytes)
    return new ZonedUnit({ image }, g.lbaBytes, dev, personalityOf(g))
  },
  close: (unit) => unit.close(),

  /** Most frequent first. */
  commands: (unit): CommandRow[] => [...accessRows(unit), ...zoneRows(unit), ...unitRows(unit)],
  deviceType: (unit) => unit.personality.deviceType(),
  medium: (unit) => unit.medium,
  file: (unit) => unit.file,
  locate: (unit, offset, length, write) => unit.medium.place(offset, length, write),
})
