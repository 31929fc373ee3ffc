import { bits, layout, skip, u16be, u64be, u8 } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { ReportReferrals } from '../cdb'
import type { Lun } from '../lun'
import { op, serviceAction } from '../opcodes'
import { hasPortGroups, type PortGroup } from '../port-groups'
import { Status } from '../status'
import type { Task } from '../task'

/** SBC-3 5.26.2, before the descriptors; `length` counts what follows it. */
export const ReferralsHeader = layout('referrals', { reserved: skip(2), length: u16be }, { size: 4 })
/** SBC-3 5.26.3, table 72: one user data segment. */
export const ReferralDescriptor = layout('user_data_segment_referral_descriptor', {
  reserved: skip(3), groups: u8, firstLba: u64be, lastLba: u64be,
}, { size: 20 })
/** SBC-3 table 73: how a target port group reaches the segment. */
export const ReferralGroup = layout('referral_target_port_group_descriptor', {
  first: bits(u8, { state: [3, 0] }), reserved: skip(1), id: u16be,
}, { size: 4 })
const MAX_GROUPS = 255

/** The parameter data: every block of the unit is in one segment, which all groups reach as their states say. */
export function encodeReferrals(blocks: number, groups: readonly PortGroup[]): Uint8Array {
  const told = groups.slice(0, MAX_GROUPS)
  const segment = Buffer.concat([
    ReferralDescriptor.encode({ groups: told.length, firstLba: 0, lastLba: Math.max(0, blocks - 1) }),
    ...told.map(({ state, id }) => ReferralGroup.encode({ state, id })),
  ])
  return Buffer.concat([ReferralsHeader.encode({ length: segment.length }), segment])
}

async function runReferrals(lun: Lun, task: Task, c: { allocation: number }): Promise<Status> {
  const found = (await lun.portGroups?.report()) ?? Status.INVALID_CMD
  return typeof found === 'number' ? found : task.respond(encodeReferrals(lun.blocks, found), c.allocation)
}

/** ONE_SEG asks for no more than there is anyway. */
export const reportReferrals = command({
  op: op.SERVICE_ACTION_IN_16, sa: serviceAction.REPORT_REFERRALS, name: 'REPORT REFERRALS', cdb: ReportReferrals, access: 'none',
  dataDirection: 'in', transfer: (c) => c.allocation, extent: { lba: (c) => c.lba, blocks: () => 1 }, allowed: { reserved: true },
  when: hasPortGroups, run: runReferrals,
})

export const referralCommands: readonly CommandRow[] = [reportReferrals]
