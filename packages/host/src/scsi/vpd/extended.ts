import { bits, layout, skip, u16be, u8 } from '../../wire'
import { hasPortGroups } from '../port-groups'
import { vpdPage } from './page'

/** SPC-4 7.8.7, after the page header. */
export const ExtendedInquiry = layout('vpd_extended_inquiry', {
  checks: bits(u8, { activateMicrocode: [7, 6], spt: [5, 3], grdChk: 2, appChk: 1, refChk: 0 }),
  tasks: bits(u8, { uaskSup: 5, groupSup: 4, priorSup: 3, headSup: 2, ordSup: 1, simpSup: 0 }),
  cache: bits(u8, { wuSup: 3, crdSup: 2, nvSup: 1, vSup: 0 }),
  clear: bits(u8, { piiSup: 4, luiclr: 0 }),
  referrals: bits(u8, { luCollectionType: [7, 5], rSup: 4, hssRelEf: 1, cbcs: 0 }),
  nexusMicrocode: bits(u8, { multiNexusMicrocode: [3, 0] }),
  selfTestMinutes: u16be,
  power: bits(u8, { poaSup: 7, hraSup: 6, vsaSup: 5 }),
  maximumSense: u8,
  reserved: skip(50),
}, { size: 60 })

/** The extended self-test reads some hundred blocks. */
const SELF_TEST_MINUTES = 1

/** VPD 86h. Commands run in any order, so that only SIMPLE is claimed; V_SUP tells of a volatile cache. */
export const extendedInquiry = vpdPage(0x86, 'Extended INQUIRY Data', ExtendedInquiry, (lun) => ({
  simpSup: 1, rSup: hasPortGroups(lun), vSup: lun.abilities.flush === 'native', selfTestMinutes: SELF_TEST_MINUTES,
}))
