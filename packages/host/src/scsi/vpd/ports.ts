import { bits, layout, skip, u16be, u8 } from '../../wire'
import type { Lun } from '../lun'
import type { Task } from '../task'
import { association, type Designator, designatorType, encodeDesignator, portNumberOf } from './identification'
import type { VpdPage } from './page'

const targetPorts = (lun: Lun, task: Task): Designator[] =>
  (lun.port?.(task.nexus).designators ?? []).filter((d) => d.association === association.TARGET_PORT)
const numberOf = (all: readonly Designator[], type: number): number | undefined => {
  const found = all.find((d) => d.type === type)
  return found && portNumberOf(found)
}

/** SPC-4 7.8.9: no address of anything that manages the unit. */
export const managementAddresses: VpdPage = Object.freeze<VpdPage>({ code: 0x85, name: 'Management Network Addresses', body: () => new Uint8Array(0) })

/** SPC-4 7.8.10 */
const PolicyDescriptor = layout('mode_page_policy_descriptor', {
  page: bits(u8, { code: [5, 0] }), subpage: u8, policy: bits(u8, { mlus: 7, policy: [1, 0] }), reserved: skip(1),
}, { size: 4 })
const ALL_PAGES = { code: 0x3f, subpage: 0xff }
const SHARED = 0

/** VPD 87h: each unit has one copy of every mode page for all its initiators. */
export const modePagePolicy: VpdPage = Object.freeze<VpdPage>({
  code: 0x87, name: 'Mode Page Policy', body: () => PolicyDescriptor.encode({ ...ALL_PAGES, policy: SHARED }),
})

/** SPC-4 7.8.16 */
const PortHead = layout('scsi_port', { reserved: skip(2), relative: u16be, reserved2: skip(2), transportIdLength: u16be }, { size: 8 })
const DesignatorsLength = layout('target_port_descriptors', { reserved: skip(2), length: u16be }, { size: 4 })

/** VPD 88h: the port that the command came through; the front end knows of no other. */
export const scsiPorts: VpdPage = Object.freeze<VpdPage>({
  code: 0x88,
  name: 'SCSI Ports',
  when: (lun, task) => numberOf(targetPorts(lun, task), designatorType.RELATIVE_TARGET_PORT) !== undefined,
  body: (lun, task) => {
    const all = targetPorts(lun, task)
    const names = Buffer.concat(all.filter((d) => d.type === designatorType.SCSI_NAME_STRING || d.type === designatorType.NAA).map(encodeDesignator))
    const relative = numberOf(all, designatorType.RELATIVE_TARGET_PORT)!
    return Buffer.concat([PortHead.encode({ relative }), DesignatorsLength.encode({ length: names.length }), names])
  },
})
