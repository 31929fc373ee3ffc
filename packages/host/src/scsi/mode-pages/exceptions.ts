import { bits, layout, u32be, u8 } from '../../wire'
import { modePage } from './page'

/** SPC-4 7.5.13, after the page header. */
const InformationalExceptions = layout('informational_exceptions_control', {
  flags: bits(u8, { perf: 7, ebf: 5, ewAsc: 4, dexcpt: 3, test: 2, ebackErr: 1, logErr: 0 }),
  method: bits(u8, { mrie: [3, 0] }),
  intervalTimer: u32be,
  reportCount: u32be,
}, { size: 10 })

/** Mode page 1Ch: no failure is ever predicted (DEXCPT=1, MRIE 0). */
export const informationalExceptions = modePage(0x1c, 'Informational Exceptions Control', InformationalExceptions, {
  defaults: () => ({ dexcpt: 1 }),
})
