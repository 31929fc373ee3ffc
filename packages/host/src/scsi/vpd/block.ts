import { bits, layout, skip, u16be, u32be, u64be, u8 } from '../../wire'
import type { Lun } from '../lun'
import { anchors, provisioned, readsZero, thresholdsOf } from '../medium'
import { vpdPage } from './page'

const DISK = 0x00
const ZONED_DISK = 0x14
const blockDevice = (lun: Lun): boolean => lun.deviceType === DISK || lun.deviceType === ZONED_DISK

/** SBC-3 6.6.4, after the page header. */
export const BlockLimits = layout('vpd_block_limits', {
  first: bits(u8, { wsnz: 0 }),
  maxCompareAndWrite: u8,
  optimalTransferGranularity: u16be,
  maxTransfer: u32be,
  optimalTransfer: u32be,
  maxPrefetch: u32be,
  maxUnmap: u32be,
  maxUnmapDescriptors: u32be,
  unmapGranularity: u32be,
  alignment: bits(u32be, { ugavalid: 31, unmapAlignment: [30, 0] }),
  maxWriteSame: u64be,
  maxAtomic: u32be,
  atomicAlignment: u32be,
  atomicGranularity: u32be,
  maxAtomicWithBoundary: u32be,
  maxAtomicBoundary: u32be,
}, { size: 60 })

/** WSNZ: WRITE SAME of 0 blocks, which would mean all up to the end, is refused. */
export const blockLimits = vpdPage(0xb0, 'Block Limits', BlockLimits, (lun) => {
  const l = lun.limits
  return {
    wsnz: 1, maxCompareAndWrite: lun.abilities.compareAndWrite === 'none' ? 0 : Math.min(l.maxCompareAndWrite, 255),
    optimalTransferGranularity: l.optimalTransferGranularity, maxTransfer: l.maxTransfer, optimalTransfer: l.optimalTransfer,
    maxWriteSame: lun.abilities.writeSame === 'none' ? 0 : l.maxWriteSame,
    maxAtomic: lun.abilities.writeAtomic === 'none' ? 0 : l.maxAtomic,
    ...(provisioned(lun) && {
      maxUnmap: l.maxUnmap, maxUnmapDescriptors: l.maxUnmapDescriptors, unmapGranularity: l.unmapGranularity,
      ugavalid: 1, unmapAlignment: l.unmapAlignment,
    }),
  }
}, blockDevice)

/** SBC-3 6.6.2 (ZONED of SBC-4 6.6.2), after the page header. */
export const BlockCharacteristics = layout('vpd_block_device_characteristics', {
  rotationRate: u16be,
  productType: u8,
  form: bits(u8, { wabereq: [7, 6], wacereq: [5, 4], formFactor: [3, 0] }),
  flags: bits(u8, { zoned: [5, 4], fuab: 1, vbuls: 0 }),
  reserved: skip(55),
}, { size: 60 })

/** WABEREQ: after a block erase reads succeed without a write before. */
const READABLE = 1

export const blockCharacteristics = vpdPage(
  0xb1, 'Block Device Characteristics', BlockCharacteristics,
  (lun) => ({ rotationRate: lun.rotationRate, wabereq: lun.abilities.sanitize !== 'none' && provisioned(lun) ? READABLE : 0 }), blockDevice,
)

/** SBC-3 6.6.5, after the page header. */
export const ProvisioningPage = layout('vpd_logical_block_provisioning', {
  thresholdExponent: u8,
  flags: bits(u8, { lbpu: 7, lbpws: 6, lbpws10: 5, lbprz: [4, 2], ancSup: 1, dp: 0 }),
  type: bits(u8, { provisioningType: [2, 0] }),
  reserved: skip(1),
}, { size: 4 })

/** SBC-3 table 192, PROVISIONING TYPE. */
const provisioningType = { RESOURCE: 1, THIN: 2 } as const
/** Thresholds are counted in sets of 1 MiB, or of one block where that is larger. */
const THRESHOLD_SET_BYTES = 2 ** 20
const thresholdExponent = (lun: Lun): number => Math.max(1, Math.log2(THRESHOLD_SET_BYTES / lun.blockSize))
export const thresholdSetBytes = (lun: Lun): number => lun.blockSize * 2 ** thresholdExponent(lun)

export const provisioning = vpdPage(0xb2, 'Logical Block Provisioning', ProvisioningPage, (lun) => ({
  lbprz: readsZero(lun),
  ...(thresholdsOf(lun) && { thresholdExponent: thresholdExponent(lun) }),
  ...(provisioned(lun) && { lbpu: 1, lbpws: 1, lbpws10: 1, ancSup: anchors(lun) ? 1 : 0, provisioningType: anchors(lun) ? provisioningType.RESOURCE : provisioningType.THIN }),
}), blockDevice)
