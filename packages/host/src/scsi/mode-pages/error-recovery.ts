import { bits, layout, skip, u16be, u8 } from '../../wire'
import { thresholdsOf } from '../medium'
import { Status } from '../status'
import { modePage } from './page'

/** SBC-3 6.5.8, after the page header. */
const ErrorRecovery = layout('read_write_error_recovery', {
  flags: bits(u8, { awre: 7, arre: 6, tb: 5, rc: 4, per: 2, dte: 1 }),
  readRetries: u8,
  reserved: skip(3),
  lbpere: bits(u8, { lbpere: 7 }),
  writeRetries: u8,
  reserved2: skip(1),
  recoveryTimeLimit: u16be,
}, { size: 10 })

/** Mode page 01h: the backend does its own recovery; LBPERE switches reports of thresholds on (SBC-3 4.7.3.8). */
export const errorRecovery = modePage(0x01, 'Read-Write Error Recovery', ErrorRecovery, {
  current: (lun) => ({ lbpere: lun.modes.lbpere }),
  changeable: (lun) => ({ lbpere: thresholdsOf(lun) }),
  apply: (lun, v) => {
    lun.modes.lbpere = v.lbpere === 1
    return Status.OK
  },
})
