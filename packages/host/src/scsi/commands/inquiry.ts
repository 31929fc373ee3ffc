import { ascii, bits, layout, skip, u16be, u8 } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { Inquiry } from '../cdb'
import type { Lun, Result } from '../lun'
import { op } from '../opcodes'
import type { Status } from '../status'
import type { Task } from '../task'
import { blockPages, encodePage, identityPages, printable, type VpdPage, vpdPages } from '../vpd'
import { invalidField } from './checks'

/** SPC-4 6.6.2 */
export const StandardInquiry = layout('standard_inquiry', {
  peripheral: bits(u8, { qualifier: [7, 5], deviceType: [4, 0] }),
  medium: bits(u8, { rmb: 7 }),
  version: u8,
  format: bits(u8, { normAca: 5, hiSup: 4, responseFormat: [3, 0] }),
  additionalLength: u8,
  access: bits(u8, { sccs: 7, tpgs: [5, 4], threePc: 3, protect: 0 }),
  ports: bits(u8, { encServ: 6, multiP: 4 }),
  queue: bits(u8, { cmdQue: 1 }),
  vendor: ascii(8),
  product: ascii(16),
  revision: ascii(4),
  vendorSpecific: skip(20),
  reserved: skip(2),
  version1: u16be,
  version2: u16be,
  version3: u16be,
  version4: u16be,
  more: skip(30),
}, { size: 96 })

/** SPC-4 table 142: values of the version descriptor fields, no revision claimed. */
export const versionDescriptor = { SAM_5: 0x00a0, SPC_4: 0x0460, SBC_3: 0x04c0, ISCSI: 0x0960 } as const
const SPC_4_VERSION = 6
const RESPONSE_FORMAT = 2

/** How a unit differs from a fixed disk in its standard INQUIRY data. */
export interface StandardData {
  readonly removable?: boolean
  /** The command set standard of the device type. */
  readonly commandSet: number
}

/** What standard INQUIRY data says; left out: a fixed disk of no name. */
export interface InquiryFacts extends Partial<StandardData> {
  readonly deviceType?: number
  readonly vendor?: string
  readonly product?: string
  readonly revision?: string
  readonly tpgs?: number
  readonly thirdPartyCopy?: boolean
  /** Version descriptor of the transport standard. */
  readonly transport?: number
}

/** Standard INQUIRY data (SPC-4 6.6.2), all of it: the allocation length cuts it. */
export function standardInquiryData(facts: InquiryFacts): Uint8Array {
  const { vendor = '', product = '', revision = '' } = facts
  return StandardInquiry.encode({
    deviceType: facts.deviceType ?? 0, rmb: facts.removable ?? false, version: SPC_4_VERSION, hiSup: 1, responseFormat: RESPONSE_FORMAT,
    additionalLength: StandardInquiry.size - StandardInquiry.at.additionalLength - 1, tpgs: facts.tpgs ?? 0, cmdQue: 1,
    threePc: facts.thirdPartyCopy ?? false,
    vendor: printable(vendor, 8), product: printable(product, 16), revision: printable(revision, 4),
    version1: versionDescriptor.SAM_5, version2: versionDescriptor.SPC_4, version3: facts.commandSet ?? versionDescriptor.SBC_3,
    version4: facts.transport ?? 0,
  })
}

const standardData = (lun: Lun, task: Task, more: StandardData): Uint8Array =>
  standardInquiryData({
    vendor: lun.identity.vendor, product: lun.identity.product, revision: lun.identity.revision, ...more, deviceType: lun.deviceType, tpgs: lun.portGroups?.tpgs,
    thirdPartyCopy: lun.abilities.extendedCopy !== 'none', transport: lun.port?.(task.nexus).versionDescriptor,
  })

type Question = { evpd: number; cmddt: number; page: number; allocation: number }

/** INQUIRY for units that have these pages besides page 00h. */
export function inquiryCommand(pages: readonly VpdPage[], data: StandardData): CommandRow {
  const all = vpdPages(...pages)
  const answer = (lun: Lun, task: Task, c: Question): Status => {
    if (c.cmddt) return invalidField(task, 'cmddt', 1)
    if (!c.evpd) return c.page === 0 ? task.respond(standardData(lun, task, data), c.allocation) : invalidField(task, 'page')
    const page = all.find((p) => p.code === c.page && (p.when?.(lun, task) ?? true))
    return page ? task.respond(encodePage(page, lun, task), c.allocation) : invalidField(task, 'page')
  }
  const run = (lun: Lun, task: Task, c: Question): Result => lun.portGroups?.refresh()?.then(() => answer(lun, task, c)) ?? answer(lun, task, c)
  return command({
    op: op.INQUIRY, name: 'INQUIRY', cdb: Inquiry, access: 'none', dataDirection: 'in', transfer: (c) => c.allocation,
    allowed: { attention: true, formatting: true, unformatted: true, unsanitized: true, recovering: true, stopped: true, reserved: true }, run,
  })
}

export const inquiry = inquiryCommand([...identityPages, ...blockPages], { commandSet: versionDescriptor.SBC_3 })
