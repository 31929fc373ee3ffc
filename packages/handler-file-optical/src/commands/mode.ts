import {
  cdb, encodeModePage, invalidField, ModeHeader10, ModeHeader6, modeSelectCommands, op, pageControl, type Result, Status, type Task,
} from '@tcmu/host/scsi'
import { mmcPages } from '../pages'
import { answering, borrowed, mmc, type MmcRow } from '../row'
import type { Unit } from '../unit'

const ALL_PAGES = 0x3f
const ALL_SUBPAGES = 0xff

type Sense = { pc: number; page: number; subpage: number; allocation: number }
/** The pages asked for; a status when there is none. A disc has no block descriptor (MMC-6 7.2.2). */
function contents(unit: Unit, task: Task, c: Sense): Uint8Array | Status {
  if (c.pc === pageControl.SAVED) return Status.NOTSUPP_SAVE_PARAMS
  if (c.subpage !== 0 && c.subpage !== ALL_SUBPAGES) return invalidField(task, 'subpage')
  const found = mmcPages.filter((p) => c.page === ALL_PAGES || p.code === c.page)
  return found.length ? Buffer.concat(found.map((p) => encodeModePage(p, unit, c.pc))) : invalidField(task, 'page', 5)
}

/** The two lengths of the CDB differ in their headers. */
const modeSense = (headerOf: (body: number) => Uint8Array) => (unit: Unit, task: Task, c: Sense): Result => {
  const body = contents(unit, task, c)
  return typeof body === 'number' ? body : task.respond(Buffer.concat([headerOf(body.length), body]), c.allocation)
}
const header6 = (body: number): Uint8Array => ModeHeader6.encode({ length: ModeHeader6.size - 1 + body })
const header10 = (body: number): Uint8Array => ModeHeader10.encode({ length: ModeHeader10.size - 2 + body })

const { modeSelect6, modeSelect10 } = modeSelectCommands(mmcPages)
export const modeCommands: readonly MmcRow[] = [
  mmc({ op: op.MODE_SENSE_6, name: 'MODE SENSE(6)', cdb: cdb.ModeSense6, ...answering, run: modeSense(header6) }),
  mmc({ op: op.MODE_SENSE_10, name: 'MODE SENSE(10)', cdb: cdb.ModeSense10, ...answering, run: modeSense(header10) }),
  borrowed(modeSelect6, { medium: false }),
  borrowed(modeSelect10, { medium: false }),
]
