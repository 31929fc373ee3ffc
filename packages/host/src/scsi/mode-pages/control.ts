import { bits, layout, skip, u16be, u8 } from '../../wire'
import { Status } from '../status'
import { modePage } from './page'

/** SPC-4 7.5.8, after the page header. */
export const Control = layout('control', {
  tasks: bits(u8, { tst: [7, 5], tmfOnly: 4, dpicz: 3, dSense: 2, gltsd: 1, rlec: 0 }),
  queue: bits(u8, { algorithm: [7, 4], nuar: 3, qErr: [2, 1] }),
  access: bits(u8, { vs: 7, rac: 6, uaIntlckCtrl: [5, 4], swp: 3 }),
  status: bits(u8, { ato: 7, tas: 6, atmpe: 5, rwwp: 4, autoload: [2, 0] }),
  reserved: skip(2),
  busyTimeout: u16be,
  selfTestTime: u16be,
}, { size: 10 })

/** As VPD 86h says in minutes. */
const SELF_TEST_SECONDS = 60
const UNLIMITED = 0xffff
/** SPC-4 table 359: commands may be reordered without restriction. */
const UNRESTRICTED = 1
/** Aborted commands are answered with TASK ABORTED, log parameters are not saved, BUSY may last. */
const fixed = { gltsd: 1, tas: 1, algorithm: UNRESTRICTED, busyTimeout: UNLIMITED, selfTestTime: SELF_TEST_SECONDS } as const

/** Mode page 0Ah. */
export const control = modePage(0x0a, 'Control', Control, {
  defaults: () => fixed,
  current: (lun) => ({ ...fixed, dSense: lun.modes.dSense, swp: lun.modes.swp }),
  changeable: () => ({ dSense: 1, swp: 1 }),
  apply: (lun, v) => {
    lun.modes.dSense = v.dSense === 1
    lun.modes.swp = v.swp === 1
    return Status.OK
  },
})
