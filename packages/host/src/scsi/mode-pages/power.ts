import { bits, layout, skip, u32be, u8 } from '../../wire'
import { modePage } from './page'

/** SPC-4 7.5.15, after the page header. */
const PowerCondition = layout('power_condition', {
  first: bits(u8, { pmBgPrecedence: [7, 6], standbyY: 0 }),
  second: bits(u8, { idleC: 3, idleB: 2, idleA: 1, standbyZ: 0 }),
  idleATimer: u32be,
  standbyZTimer: u32be,
  idleBTimer: u32be,
  idleCTimer: u32be,
  standbyYTimer: u32be,
  reserved: skip(15),
  checks: bits(u8, { ccfIdle: [7, 6], ccfStandby: [5, 4], ccfStopped: [3, 2] }),
}, { size: 38 })

/** Mode page 1Ah: the unit knows active and stopped, and no timer takes it from one to the other. */
export const powerCondition = modePage(0x1a, 'Power Condition', PowerCondition, {})
