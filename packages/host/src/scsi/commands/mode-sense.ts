import { bits, layout, type Layout, skip, u16be, u24be, u32be, u64be, u8 } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { ModeSense10, ModeSense6 } from '../cdb'
import type { Lun, Result } from '../lun'
import { encodeModePage, type ModePage, pageControl } from '../mode-pages'
import { op } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { invalidField } from './checks'

/** SBC-3 6.5.1, device-specific parameter. */
const device = { device: bits(u8, { wp: 7, dpoFua: 4 }) }
/** SPC-4 7.5.5 */
export const ModeHeader6 = layout('mode_header_6', { length: u8, mediumType: u8, ...device, descriptorLength: u8 }, { size: 4 })
export const ModeHeader10 = layout('mode_header_10', {
  length: u16be, mediumType: u8, ...device, flags: bits(u8, { longLba: 0 }), reserved: skip(1), descriptorLength: u16be,
}, { size: 8 })
/** SBC-3 6.5.2: short and long LBA mode parameter block descriptors. */
export const ShortDescriptor = layout('block_descriptor', { blocks: u32be, reserved: skip(1), blockLength: u24be }, { size: 8 })
export const LongDescriptor = layout('long_block_descriptor', { blocks: u64be, reserved: skip(4), blockLength: u32be }, { size: 16 })

const ALL_PAGES = 0x3f
const ALL_SUBPAGES = 0xff
const MOST_BLOCKS = 0xffffffff

function chosen(pages: readonly ModePage[], code: number, subpage: number): readonly ModePage[] {
  if (code === ALL_PAGES && subpage !== 0 && subpage !== ALL_SUBPAGES) return []
  const ofCode = code === ALL_PAGES ? pages : pages.filter((p) => p.code === code)
  return subpage === ALL_SUBPAGES ? ofCode : ofCode.filter((p) => p.subpage === subpage)
}

function descriptorOf(lun: Lun, long: boolean): Uint8Array {
  const shape: Layout<{ blocks: typeof u64be; blockLength: typeof u64be }> | typeof ShortDescriptor = long ? LongDescriptor : ShortDescriptor
  return shape.encode({ blocks: long ? lun.blocks : Math.min(lun.blocks, MOST_BLOCKS), blockLength: lun.blockSize })
}

type Sense = { dbd: number; pc: number; page: number; subpage: number; allocation: number; llbaa?: number }
/** Everything after the header; a status when the CDB asks for what is not there. */
function contents(lun: Lun, task: Task, c: Sense, all: readonly ModePage[]): { descriptor: Uint8Array; body: Uint8Array } | Status {
  if (c.pc === pageControl.SAVED && !lun.savedModes) return Status.NOTSUPP_SAVE_PARAMS
  const pages = all.filter((p) => p.when?.(lun) ?? true)
  const found = chosen(pages, c.page, c.subpage)
  if (found.length === 0) {
    return pages.some((p) => p.code === c.page || c.page === ALL_PAGES) ? invalidField(task, 'subpage') : invalidField(task, 'page', 5)
  }
  return {
    descriptor: c.dbd ? new Uint8Array(0) : descriptorOf(lun, c.llbaa === 1),
    body: Buffer.concat(found.map((p) => encodeModePage(p, lun, c.pc))),
  }
}

/** DPO and FUA are always honoured: by the handler, or by a flush after the write. */
const deviceSpecific = (lun: Lun): { wp: boolean; dpoFua: number } => ({ wp: lun.readOnly || lun.modes.swp, dpoFua: 1 })

/** MODE SENSE(6) and (10) for units with these pages (SPC-4 6.13, 6.14). */
export function modeSenseCommands(pages: readonly ModePage[]): { modeSense6: CommandRow; modeSense10: CommandRow } {
  const run6 = (lun: Lun, task: Task, c: Sense): Result => {
    const parts = contents(lun, task, c, pages)
    if (typeof parts === 'number') return parts
    const { descriptor, body } = parts
    const length = ModeHeader6.size - 1 + descriptor.length + body.length
    if (length > 255) return invalidField(task, 'page', 5)
    const header = ModeHeader6.encode({ length, ...deviceSpecific(lun), descriptorLength: descriptor.length })
    return task.respond(Buffer.concat([header, descriptor, body]), c.allocation)
  }
  const run10 = (lun: Lun, task: Task, c: Sense): Result => {
    const parts = contents(lun, task, c, pages)
    if (typeof parts === 'number') return parts
    const { descriptor, body } = parts
    const header = ModeHeader10.encode({
      length: ModeHeader10.size - 2 + descriptor.length + body.length, ...deviceSpecific(lun),
      longLba: descriptor.length === LongDescriptor.size, descriptorLength: descriptor.length,
    })
    return task.respond(Buffer.concat([header, descriptor, body]), c.allocation)
  }
  const sensing = { access: 'none', dataDirection: 'in', transfer: (c: Sense) => c.allocation } as const
  return {
    modeSense6: command({ op: op.MODE_SENSE_6, name: 'MODE SENSE(6)', cdb: ModeSense6, ...sensing, run: run6 }),
    modeSense10: command({ op: op.MODE_SENSE_10, name: 'MODE SENSE(10)', cdb: ModeSense10, ...sensing, run: run10 }),
  }
}
