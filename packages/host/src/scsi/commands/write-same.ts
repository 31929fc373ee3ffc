import { type CommandRow, command } from '../command-table'
import { WriteSame10, WriteSame16 } from '../cdb'
import { fill, granule, isZero, unmapRange } from '../fill'
import type { Lun, Result } from '../lun'
import { anchors, andThen, noDataOut, provisioned, readsZero } from '../medium'
import { op } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { extent } from './access'
import { invalidField, refuseProtect } from './checks'

interface WriteSame {
  readonly protect: number
  readonly anchor: number
  readonly unmap: number
  readonly relative: number
  readonly blocks: number
  /** WRITE SAME(16) only. */
  readonly ndob?: number
}

/** SBC-3 5.44. ANCHOR goes with UNMAP, where storage is kept; 0 blocks would mean all up to the end (WSNZ=1). */
function refuse(lun: Lun, task: Task, c: WriteSame): Status | undefined {
  if (c.protect !== 0) return refuseProtect(task, c.protect)
  if (c.anchor && !(c.unmap && anchors(lun))) return invalidField(task, 'anchor', 4)
  if (c.unmap && !provisioned(lun)) return invalidField(task, 'unmap', 3)
  if (c.relative) return invalidField(task, 'relative', 2)
  if (c.blocks === 0) return invalidField(task, 'blocks')
  const most = lun.limits.maxWriteSame
  return most !== 0 && c.blocks > most ? invalidField(task, 'blocks') : undefined
}

/** Unmap the part of the range that lies on the handler's granularity, write zeroes to its ends (SBC-3 6.6.4). */
async function unmapZeroes(lun: Lun, task: Task, zeroes: Uint8Array): Promise<Status> {
  const { size, shift } = granule(lun)
  const end = task.offset + task.length
  const from = Math.ceil((task.offset - shift) / size) * size + shift
  const to = end === lun.blocks * lun.blockSize ? end : Math.floor((end - shift) / size) * size + shift
  if (from >= to) return fill(lun, task, zeroes, task.offset, task.length)
  const status = await unmapRange(lun, task, from, to - from)
  if (status === Status.NOT_HANDLED) return fill(lun, task, zeroes, task.offset, task.length)
  return andThen(andThen(status, () => fill(lun, task, zeroes, task.offset, from - task.offset)), () => fill(lun, task, zeroes, to, end - to))
}

function runWriteSame(lun: Lun, task: Task, c: WriteSame): Result {
  const refused = refuse(lun, task, c)
  if (refused !== undefined) return refused
  const block = new Uint8Array(lun.blockSize)
  if (!c.ndob) {
    task.transferLength = lun.blockSize
    // Less than a block says nothing of the rest; more of it is no WRITE SAME of this block size.
    if (noDataOut(task) || task.expected !== lun.blockSize || task.data.length !== lun.blockSize) return Status.INVALID_CDB
    task.data.copyTo(block)
  }
  const asZeroes = c.unmap === 1 && lun.ops.unmap !== undefined && !anchors(lun) && readsZero(lun) && isZero(block)
  return asZeroes ? unmapZeroes(lun, task, block) : fill(lun, task, block, task.offset, task.length)
}

const writing = { access: 'write', dataDirection: 'out', extent, exclusive: true, needs: 'writeSame', run: runWriteSame } as const

export const writeSame10 = command({
  op: op.WRITE_SAME_10, name: 'WRITE SAME(10)', cdb: WriteSame10, ...writing, transfer: (_c, lun) => lun.blockSize,
})
export const writeSame16 = command({
  op: op.WRITE_SAME_16, name: 'WRITE SAME(16)', cdb: WriteSame16, ...writing, transfer: (c, lun) => (c.ndob ? 0 : lun.blockSize),
})

export const writeSameCommands: readonly CommandRow[] = [writeSame10, writeSame16]
