import { type CommandRow, command } from '../command-table'
import { ModeSelect10, ModeSelect6 } from '../cdb'
import type { Lun, Result } from '../lun'
import { andThen, noDataOut } from '../medium'
import { decodePageHeader, isSavable, type ModePage, pageControl, savedBody } from '../mode-pages'
import { op } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { invalidField } from './checks'
import { LongDescriptor, ModeHeader10, ModeHeader6, ShortDescriptor } from './mode-sense'

interface Change {
  readonly page: ModePage
  /** Byte of the parameter list at which its values begin. */
  readonly at: number
  readonly body: Uint8Array
}
type Header = { mediumType: number; descriptorLength: number; longLba: number }

const UNCHANGED_BLOCKS = 0xffffffff

/** A block descriptor may only say what is so already; 0 and all ones leave the number of blocks alone (SBC-3 6.5.2). */
function refuseDescriptor(lun: Lun, task: Task, list: Uint8Array, at: number, header: Header): Status | undefined {
  const size = header.descriptorLength
  if (size === 0) return undefined
  if (at + size > list.length) return Status.INVALID_PARAM_LIST_LEN
  const shape = header.longLba ? LongDescriptor : ShortDescriptor
  if (size !== shape.size) return task.invalidParameter(at - 1)
  const { blocks, blockLength } = shape.decode(list, at)
  const sameBlocks = blocks === 0 || blocks === lun.blocks || blocks === UNCHANGED_BLOCKS
  if (!sameBlocks) return task.invalidParameter(at + shape.at.blocks)
  return blockLength === lun.blockSize ? undefined : task.invalidParameter(at + shape.at.blockLength)
}

/** Points at the first bit that is neither as it is nor changeable. */
function refuseFixedBits(lun: Lun, task: Task, change: Change): Status | undefined {
  const current = change.page.body(lun, pageControl.CURRENT)
  const changeable = change.page.body(lun, pageControl.CHANGEABLE)
  for (let i = 0; i < current.length; i++) {
    const wrong = (change.body[i] ^ current[i]) & ~changeable[i]
    if (wrong !== 0) return task.invalidParameter(change.at + i, 31 - Math.clz32(wrong))
  }
  return undefined
}

/** The pages of a parameter list from byte `at` on, all of them valid; else a status (SPC-4 6.11). */
function changesIn(lun: Lun, task: Task, list: Uint8Array, start: number, pages: readonly ModePage[]): Change[] | Status {
  const changes: Change[] = []
  for (let at = start; at < list.length; ) {
    const header = decodePageHeader(list, at)
    if (!header) return Status.INVALID_PARAM_LIST_LEN
    const page = pages.find((p) => p.code === header.code && p.subpage === header.subpage && (p.when?.(lun) ?? true))
    if (!page) return task.invalidParameter(at, 5)
    const body = list.subarray(at + header.size, at + header.size + header.length)
    if (body.length < header.length) return Status.INVALID_PARAM_LIST_LEN
    if (header.length !== page.size) return task.invalidParameter(at + header.size - 1)
    const change = { page, body, at: at + header.size }
    const refused = refuseFixedBits(lun, task, change)
    if (refused !== undefined) return refused
    changes.push(change)
    at += header.size + header.length
  }
  return changes
}

/** Take the new values; other nexuses are told when there were any (SPC-4 6.11). */
async function applyAll(lun: Lun, task: Task, changes: readonly Change[]): Promise<Status> {
  let changed = false
  let status: Status = Status.OK
  for (const { page, body, at } of changes) {
    if (Buffer.compare(body, page.body(lun, pageControl.CURRENT)) === 0) continue
    status = await (page.apply?.(lun, body) ?? Status.OK)
    if (status === Status.INVALID_PARAM_LIST && !task.detail) status = task.invalidParameter(at)
    if (status !== Status.OK) break
    changed = true
  }
  if (changed) lun.attention(Status.MODE_CHANGED, task.nexus)
  return status
}

/** Keep the current values of every page that can be saved; resolves when they would outlive a loss of power. */
async function saveAll(lun: Lun, pages: readonly ModePage[]): Promise<Status> {
  const savable = pages.filter((p) => (p.when?.(lun) ?? true) && isSavable(p, lun))
  await lun.savedModes!.save(savable.map((p) => ({ code: p.code, subpage: p.subpage, body: p.body(lun, pageControl.CURRENT) })))
  return Status.OK
}

/** Make the values current that the unit has after power on (SAM-5 6.3.3). `onlySaved`: those that were never saved stay. */
export async function restoreModes(lun: Lun, pages: readonly ModePage[], onlySaved = false): Promise<void> {
  for (const page of pages) {
    if (!page.apply || !(page.when?.(lun) ?? true) || (onlySaved && !lun.savedModes?.get(page))) continue
    const body = savedBody(page, lun)
    if (Buffer.compare(body, page.body(lun, pageControl.CURRENT)) !== 0) await page.apply(lun, body)
  }
}

type Select = { pf: number; sp: number; listLength: number }
function select(
  lun: Lun, task: Task, c: Select, pages: readonly ModePage[], size: number, decode: (list: Uint8Array) => Header,
): Result {
  if (!c.pf) return invalidField(task, 'pf', 4)
  if (c.sp && !lun.savedModes) return invalidField(task, 'sp', 0)
  if (noDataOut(task)) return Status.INVALID_CDB
  if (c.listLength === 0) return c.sp ? saveAll(lun, pages) : Status.OK
  const list = task.parameters(c.listLength)
  if (list.length < c.listLength || list.length < size) return Status.INVALID_PARAM_LIST_LEN
  const header = decode(list)
  if (header.mediumType !== 0) return task.invalidParameter(size === ModeHeader6.size ? ModeHeader6.at.mediumType : ModeHeader10.at.mediumType)
  const refused = refuseDescriptor(lun, task, list, size, header)
  if (refused !== undefined) return refused
  const changes = changesIn(lun, task, list, size + header.descriptorLength, pages)
  if (typeof changes === 'number') return changes
  return andThen(applyAll(lun, task, changes), () => (c.sp ? saveAll(lun, pages) : Status.OK))
}

/** MODE SELECT(6) and (10) for units with these pages. */
export function modeSelectCommands(pages: readonly ModePage[]): { modeSelect6: CommandRow; modeSelect10: CommandRow } {
  const run6 = (lun: Lun, task: Task, c: Select): Result =>
    select(lun, task, c, pages, ModeHeader6.size, (list) => ({ ...ModeHeader6.decode(list), longLba: 0 }))
  const run10 = (lun: Lun, task: Task, c: Select): Result => select(lun, task, c, pages, ModeHeader10.size, (list) => ModeHeader10.decode(list))
  const selecting = { access: 'none', dataDirection: 'out', transfer: (c: Select) => c.listLength } as const
  return {
    modeSelect6: command({ op: op.MODE_SELECT_6, name: 'MODE SELECT(6)', cdb: ModeSelect6, ...selecting, run: run6 }),
    modeSelect10: command({ op: op.MODE_SELECT_10, name: 'MODE SELECT(10)', cdb: ModeSelect10, ...selecting, run: run10 }),
  }
}
