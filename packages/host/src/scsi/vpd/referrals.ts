import { layout, skip, u32be } from '../../wire'
import { hasPortGroups } from '../port-groups'
import { vpdPage } from './page'

/** SBC-3 6.6.7, after the page header. */
export const Referrals = layout('vpd_referrals', { reserved: skip(4), segmentSize: u32be, segmentMultiplier: u32be }, { size: 12 })

/** VPD B3h. A segment size of 0: REPORT REFERRALS says how long segments are. */
export const referrals = vpdPage(0xb3, 'Referrals', Referrals, () => ({}), hasPortGroups)
