import { bits, layout, skip, u32be, u8 } from '../../wire'
import type { Lun } from '../lun'
import { thresholdsOf } from '../medium'
import { thresholdResources } from '../mode-pages/provisioning'
import { thresholdSetBytes } from '../vpd/block'
import { logPage, parameterFormat } from './page'

/** SBC-3 6.4.3.2 */
const ResourceCount = layout('lba_mapping_resource_count', { count: u32be, where: bits(u8, { scope: [1, 0] }), reserved: skip(3) }, { size: 8 })
/** SCOPE: what is used is this unit's, what is available others may take. */
const scopeOf = { available: 2, used: 1 } as const
const MOST = 0xffffffff

/** Log page 0Ch: storage in threshold sets. */
export const provisioningLog = logPage({
  code: 0x0c, name: 'Logical Block Provisioning', when: thresholdsOf,
  async parameters(lun: Lun) {
    const space = await lun.ops.space!()
    return thresholdResources.map(({ name, resource }) => ({
      code: resource, format: parameterFormat.BINARY_LIST,
      value: ResourceCount.encode({ count: Math.min(MOST, Math.floor(space[name] / thresholdSetBytes(lun))), scope: scopeOf[name] }),
    }))
  },
})
