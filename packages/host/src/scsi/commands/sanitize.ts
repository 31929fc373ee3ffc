import { bits, layout, skip, u16be, u8 } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { Sanitize } from '../cdb'
import { blockOf, overwrite, unlessDeclined, unmapRange } from '../fill'
import type { Lun, Result } from '../lun'
import { anchors, andThen, flush, noDataOut, readsZero } from '../medium'
import { endOf, type Operation, type OperationSpec } from '../operation'
import { op, serviceAction } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { invalidField, refuseReserved } from './checks'

/** SBC-3 5.25.2.2 */
export const OverwriteParameters = layout('sanitize_overwrite', {
  flags: bits(u8, { invert: 7, test: [6, 5], count: [4, 0] }), reserved: skip(1), length: u16be,
}, { size: 4 })

type Cdb = Readonly<Record<'immed' | 'znr' | 'ause' | 'listLength', number>>
type Work = OperationSpec['work']

/** Write the block everywhere, in place: not by a zero range, which may keep what was there in storage. */
const pass = (lun: Lun, operation: Operation, block: Uint8Array): Result => {
  const written = overwrite(lun, operation, block, 0, lun.blocks * lun.blockSize, (bytes) => operation.advance(bytes))
  return andThen(written, () => flush(lun, operation))
}

/** SBC-3 5.25.2.2: with INVERT every other pass writes the complement, so that the last one writes the pattern. */
const overwriting = (lun: Lun, pattern: Uint8Array, count: number, invert: boolean): Work => async (operation) => {
  const block = blockOf(lun, pattern)
  const inverted = block.map((b) => ~b)
  for (let left = count; left > 0; left--) {
    const status = await pass(lun, operation, invert && left % 2 === 0 ? inverted : block)
    if (status !== Status.OK) return status
  }
  return Status.OK
}

/** Zeroes in place, then no storage where that reads as zeroes too; anchored where the handler can do more than write zeroes again. */
const erasing = (lun: Lun): Work => (operation) =>
  andThen(pass(lun, operation, new Uint8Array(lun.blockSize)), () => {
    if (!readsZero(lun) || (anchors(lun) && lun.abilities.writeSame !== 'native')) return Status.OK
    return unlessDeclined(unmapRange(lun, operation, 0, lun.blocks * lun.blockSize), () => Status.OK)
  })

/** The parameter list of OVERWRITE as work and number of passes. */
function overwriteOf(lun: Lun, task: Task, listLength: number): { work: Work; passes: number } | Status {
  const most = OverwriteParameters.size + lun.blockSize
  if (listLength <= OverwriteParameters.size || listLength > most) return invalidField(task, 'listLength')
  if (noDataOut(task)) return Status.INVALID_CDB
  const list = task.parameters(listLength)
  if (list.length < listLength) return Status.INVALID_PARAM_LIST_LEN
  const { invert, test, count, length } = OverwriteParameters.decode(list)
  if (test) return task.invalidParameter(OverwriteParameters.at.test, 6)
  if (count === 0) return task.invalidParameter(OverwriteParameters.at.count, 4)
  if (length === 0 || length > lun.blockSize) return task.invalidParameter(OverwriteParameters.at.length)
  if (listLength < OverwriteParameters.size + length) return Status.INVALID_PARAM_LIST_LEN
  const pattern = list.slice(OverwriteParameters.size, OverwriteParameters.size + length)
  return { work: overwriting(lun, pattern, count, invert === 1), passes: count }
}

/**
 * SBC-3 4.11: what began goes on whatever becomes of the command, its nexus, or the unit's resets. A failure in restricted
 * completion mode (AUSE=0) is left by another SANITIZE in that mode only.
 */
async function sanitize(lun: Lun, task: Task, c: Cdb, work: Work, passes: number): Promise<Status> {
  const ended = lun.operations.begin({
    status: Status.SANITIZE_IN_PROGRESS, total: passes * lun.blocks * lun.blockSize, work,
    failed: { state: 'unsanitized', status: Status.SANITIZE_FAILED, restricted: c.ause === 0 },
  })
  if (c.immed) return Status.OK
  const status = await endOf(ended, task)
  return status === Status.OK || status === Status.ABORTED ? status : Status.SANITIZE_FAILED
}

/** What every service action checks first. */
const refuse = (task: Task, c: Cdb): Status | undefined => refuseReserved(task) ?? (c.znr ? invalidField(task, 'znr', 6) : undefined)
/** After a failure in restricted completion mode there is no other mode. */
const refuseUnrestricted = (lun: Lun, task: Task, c: Cdb): Status | undefined =>
  c.ause && lun.operations.condition?.restricted ? invalidField(task, 'ause', 5) : undefined
const refuseList = (task: Task, c: Cdb): Status | undefined => (c.listLength ? invalidField(task, 'listLength') : undefined)

function runOverwrite(lun: Lun, task: Task, c: Cdb): Result {
  const refused = refuse(task, c) ?? refuseUnrestricted(lun, task, c)
  if (refused !== undefined) return refused
  const wanted = overwriteOf(lun, task, c.listLength)
  return typeof wanted === 'number' ? wanted : sanitize(lun, task, c, wanted.work, wanted.passes)
}

function runBlockErase(lun: Lun, task: Task, c: Cdb): Result {
  const refused = refuse(task, c) ?? refuseList(task, c) ?? refuseUnrestricted(lun, task, c)
  return refused ?? sanitize(lun, task, c, erasing(lun), 1)
}

function runExitFailureMode(lun: Lun, task: Task, c: Cdb): Result {
  const refused = refuse(task, c) ?? refuseList(task, c)
  if (refused !== undefined) return refused
  if (lun.operations.condition?.restricted) return task.invalidCdb(Sanitize.at.serviceAction, 4)
  lun.operations.clear()
  return Status.OK
}

const common = { op: op.SANITIZE, cdb: Sanitize, needs: 'sanitize', allowed: { unsanitized: true } } as const
const wiping = { ...common, access: 'write', exclusive: true } as const

export const sanitizeOverwrite = command({
  ...wiping, sa: serviceAction.SANITIZE_OVERWRITE, name: 'SANITIZE (OVERWRITE)', dataDirection: 'out', transfer: (c) => c.listLength, run: runOverwrite,
})
export const sanitizeBlockErase = command({
  // A unit that knows no blocks without storage has nothing to erase them to (libiscsi's tool objects, too).
  ...wiping, needs: ['sanitize', 'unmap'], sa: serviceAction.SANITIZE_BLOCK_ERASE, name: 'SANITIZE (BLOCK ERASE)', dataDirection: 'none',
  run: runBlockErase,
})
export const sanitizeExitFailureMode = command({
  ...common, sa: serviceAction.SANITIZE_EXIT_FAILURE_MODE, name: 'SANITIZE (EXIT FAILURE MODE)', access: 'none', dataDirection: 'none',
  run: runExitFailureMode,
})

export const sanitizeCommands: readonly CommandRow[] = [sanitizeOverwrite, sanitizeBlockErase, sanitizeExitFailureMode]
