import { bits, layout, skip, u8 } from '../../wire'
import { modePage } from './page'

/** SPC-4 7.5.9, after the page header. */
const ControlExtension = layout('control_extension', {
  flags: bits(u8, { tcmos: 2, scsip: 1, ialuae: 0 }),
  priority: bits(u8, { initialPriority: [3, 0] }),
  maximumSense: u8,
  reserved: skip(25),
}, { size: 28 })

/** Mode page 0Ah, subpage 01h: no clock that initiators may set, no priorities, no limit of sense data of its own. */
export const controlExtension = modePage(0x0a, 'Control Extension', ControlExtension, { subpage: 0x01 })
