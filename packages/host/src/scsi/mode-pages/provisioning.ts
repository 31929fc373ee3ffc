import { bits, layout, skip, u32be, u8, type ValueOf } from '../../wire'
import type { Lun, Threshold } from '../lun'
import { thresholdsOf } from '../medium'
import { Status } from '../status'
import { modePage } from './page'

/** SBC-3 6.5.9, after the page header: a threshold descriptor for each of the two resources. */
const members = {
  flags: bits(u8, { situa: 0 }),
  reserved: skip(11),
  available: bits(u8, { availableEnabled: 7, availableType: [5, 3], availableArming: [2, 0] }),
  availableResource: u8,
  reserved2: skip(2),
  availableCount: u32be,
  used: bits(u8, { usedEnabled: 7, usedType: [5, 3], usedArming: [2, 0] }),
  usedResource: u8,
  reserved3: skip(2),
  usedCount: u32be,
}
const Provisioning = layout('logical_block_provisioning_page', members, { size: 28 })

/** Log parameter codes of the resources (SBC-3 6.4.3), and the direction in which a threshold is crossed. */
export const thresholdResources = [
  { name: 'available', resource: 0x01, arming: 0 },
  { name: 'used', resource: 0x02, arming: 1 },
] as const
const [available, used] = thresholdResources

export const noThresholds: readonly Threshold[] = Object.freeze(thresholdResources.map(() => Object.freeze({ enabled: false, count: 0 })))

/** The descriptors name their resources and directions whatever is set. */
const fixed = {
  availableResource: available.resource, availableArming: available.arming, usedResource: used.resource, usedArming: used.arming,
} as const

function current(lun: Lun): Partial<ValueOf<typeof members>> {
  const [a, u] = lun.modes.thresholds as readonly [Threshold, Threshold]
  return { ...fixed, availableEnabled: Number(a.enabled), availableCount: a.count, usedEnabled: Number(u.enabled), usedCount: u.count }
}

/** Mode page 1Ch, subpage 02h: when initiators are told that storage runs short (38/07), if LBPERE asks for it. */
export const logicalBlockProvisioning = modePage(0x1c, 'Logical Block Provisioning', Provisioning, {
  subpage: 0x02,
  when: thresholdsOf,
  defaults: () => fixed,
  current,
  changeable: () => ({ availableEnabled: 1, availableCount: 0xffffffff, usedEnabled: 1, usedCount: 0xffffffff }),
  apply: (lun, v) => {
    lun.modes.thresholds = [{ enabled: v.availableEnabled === 1, count: v.availableCount }, { enabled: v.usedEnabled === 1, count: v.usedCount }]
    return Status.OK
  },
})
