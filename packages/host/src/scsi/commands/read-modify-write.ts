import { type CommandRow, command } from '../command-table'
import { CompareAndWrite, Rw16 } from '../cdb'
import type { Lun, Result } from '../lun'
import { andThen, eachChunk, flush, fuaFlush, fuaNative, noDataOut, PartIo, wholeBlocks, withChunks, writePart } from '../medium'
import { op } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { blockBytes, extent } from './access'
import { invalidField, refuseProtect, refuseTransfer } from './checks'
import { compareMedium } from './verify'

type Access = { protect: number; fua: number }

/** SBC-3 5.8: the medium gets what is there OR what comes. */
function runOrWrite(lun: Lun, task: Task, c: Access): Result {
  const refused = refuseTransfer(lun, task, c.protect)
  if (refused !== undefined) return refused
  if (noDataOut(task)) return Status.INVALID_CDB
  task.transferLength = task.length
  const fua = c.fua === 1
  const length = wholeBlocks(lun, task)
  return withChunks(lun, task, length, (buffer) => {
    const incoming = new Uint8Array(buffer.bytes.length)
    return eachChunk(lun, task, length, (at, size) => {
      const { bytes } = buffer
      const data = buffer.segments(size)
      return andThen(lun.ops.read(new PartIo(task, data, task.offset + at)), () => {
        task.data.copyTo(incoming, 0, at)
        for (let i = 0; i < size; i++) bytes[i] |= incoming[i]
        return writePart(lun, task, data, task.offset + at, fua)
      })
    })
  })
}

/** Read, compare, and write if nothing differs; the extent is this task's own while it lasts. */
const emulate = (lun: Lun, task: Task, fua: boolean): Result =>
  andThen(compareMedium(lun, task, task.length, task.data.slice(0, task.length)), () =>
    writePart(lun, task, task.data.slice(task.length, task.length), task.offset, fua))

/** A handler does not say where it found the difference: look for it, the initiator is owed the offset. */
async function located(lun: Lun, task: Task): Promise<Status> {
  if (task.detail === undefined) await compareMedium(lun, task, task.length, task.data.slice(0, task.length))
  return Status.MISCOMPARE
}

async function native(lun: Lun, task: Task, fua: boolean): Promise<Status> {
  const status = await lun.ops.compareAndWrite!(new PartIo(task, task.data, task.offset, task.length, fuaNative(lun, fua)))
  if (status === Status.NOT_HANDLED) return emulate(lun, task, fua)
  if (status === Status.MISCOMPARE) return located(lun, task)
  return status === Status.OK && fuaFlush(lun, fua) ? flush(lun, task) : status
}

/**
 * SBC-3 5.2. Data-Out is twice the range; any other length cannot be compared and then written. That goes for 0 blocks
 * too: who sends a pair of blocks or more meant a multiple of 256, and must not hear that they were the same.
 */
function runCompareAndWrite(lun: Lun, task: Task, c: Access): Result {
  if (c.protect !== 0) return refuseProtect(task, c.protect)!
  if (task.blocks > lun.limits.maxCompareAndWrite) return invalidField(task, 'blocks')
  task.transferLength = 2 * task.length
  if (task.length === 0) return task.expected < 2 * lun.blockSize ? Status.OK : invalidField(task, 'blocks')
  if (noDataOut(task) || task.expected !== task.transferLength || task.data.length !== task.transferLength) return Status.INVALID_CDB
  const fua = c.fua === 1
  return lun.ops.compareAndWrite ? native(lun, task, fua) : emulate(lun, task, fua)
}

const exclusive = { access: 'write', dataDirection: 'out', extent, exclusive: true } as const

export const orWrite16 = command({ op: op.ORWRITE_16, name: 'ORWRITE(16)', cdb: Rw16, ...exclusive, transfer: blockBytes, run: runOrWrite })
export const compareAndWrite = command({
  op: op.COMPARE_AND_WRITE, name: 'COMPARE AND WRITE', cdb: CompareAndWrite, ...exclusive, needs: 'compareAndWrite',
  transfer: (c, lun) => 2 * blockBytes(c, lun), run: runCompareAndWrite,
})

export const readModifyWriteCommands: readonly CommandRow[] = [orWrite16, compareAndWrite]
