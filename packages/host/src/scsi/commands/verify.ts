import type { Segments } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { Verify10, Verify12, Verify16 } from '../cdb'
import type { Lun, Result } from '../lun'
import { andThen, eachChunk, flush, noDataOut, PartIo, wholeBlocks, withChunks, writePart } from '../medium'
import { op } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { blockBytes, extent } from './access'
import { invalidField, refuseProtect, refuseTransfer } from './checks'

/** SBC-3 5.31, table 138: what is compared. 10b is reserved. */
export const bytchk = { NOTHING: 0, RANGE: 1, BLOCK: 3 } as const

/** MISCOMPARE at byte `at` of Data-Out (SBC-3 5.31: INFORMATION field). */
export function miscompare(task: Task, at: number): Status {
  task.detail = { information: at }
  return Status.MISCOMPARE
}

/**
 * Read `length` bytes of the medium at the task's range and compare them with `expected`, as long as the range or one
 * block to be found in every place. Without `expected` reading is all.
 */
export function compareMedium(lun: Lun, task: Task, length: number, expected?: Segments): Promise<Status> {
  return withChunks(lun, task, length, (buffer) => eachChunk(lun, task, length, (at, size) =>
    andThen(lun.ops.read(new PartIo(task, buffer.segments(size), task.offset + at)), () => {
      if (!expected) return Status.OK
      const stride = expected.length < length ? expected.length : size
      for (let i = 0; i < size; i += stride) {
        const from = stride === size ? at : 0
        const differs = expected.compare(buffer.bytes.subarray(i, i + stride), from)
        if (differs >= 0) return miscompare(task, from + differs)
      }
      return Status.OK
    })))
}

type Check = { protect: number; bytchk: number; blocks: number }

/** Bytes of Data-Out. */
const compared = (c: Check, lun: Lun): number =>
  c.bytchk === bytchk.RANGE ? blockBytes(c, lun) : c.bytchk === bytchk.BLOCK && c.blocks > 0 ? lun.blockSize : 0

function runVerify(lun: Lun, task: Task, c: Check): Result {
  const refused = c.bytchk === bytchk.NOTHING ? refuseProtect(task, c.protect) : refuseTransfer(lun, task, c.protect)
  if (refused !== undefined) return refused
  if (c.bytchk === 2) return invalidField(task, 'bytchk', 2)
  const wanted = compared(c, lun)
  task.transferLength = wanted
  if (task.length === 0) return Status.OK
  if (wanted === 0) return compareMedium(lun, task, task.length)
  if (noDataOut(task)) return Status.INVALID_CDB
  // Data-Out cut short: what there is of it is compared, in whole blocks.
  if (c.bytchk === bytchk.BLOCK) return task.data.length < wanted ? Status.INVALID_CDB : compareMedium(lun, task, task.length, task.data.slice(0, wanted))
  const n = wholeBlocks(lun, task)
  return n === 0 ? Status.OK : compareMedium(lun, task, n, task.data.slice(0, n))
}

/** SBC-3 5.42: written, on the medium, and read back from it; compared if BYTCHK says so. */
function runWriteAndVerify(lun: Lun, task: Task, c: Check): Result {
  const refused = refuseTransfer(lun, task, c.protect)
  if (refused !== undefined) return refused
  if (c.bytchk > bytchk.RANGE) return invalidField(task, 'bytchk', 2)
  if (noDataOut(task)) return Status.INVALID_CDB
  task.transferLength = task.length
  const n = wholeBlocks(lun, task)
  if (n === 0) return Status.OK
  const data = task.data.slice(0, n)
  const expected = c.bytchk === bytchk.RANGE ? data : undefined
  const written = andThen(writePart(lun, task, data, task.offset, false), () => (lun.writeCache ? flush(lun, task) : Status.OK))
  return andThen(written, () => compareMedium(lun, task, n, expected))
}

const verifying = { access: 'read', dataDirection: 'out', transfer: compared, extent, run: runVerify } as const
const writing = { access: 'write', dataDirection: 'out', transfer: blockBytes, extent, exclusive: true, run: runWriteAndVerify } as const

export const verify10 = command({ op: op.VERIFY_10, name: 'VERIFY(10)', cdb: Verify10, ...verifying })
export const verify12 = command({ op: op.VERIFY_12, name: 'VERIFY(12)', cdb: Verify12, ...verifying })
export const verify16 = command({ op: op.VERIFY_16, name: 'VERIFY(16)', cdb: Verify16, ...verifying })
export const writeAndVerify10 = command({ op: op.WRITE_AND_VERIFY_10, name: 'WRITE AND VERIFY(10)', cdb: Verify10, ...writing })
export const writeAndVerify12 = command({ op: op.WRITE_AND_VERIFY_12, name: 'WRITE AND VERIFY(12)', cdb: Verify12, ...writing })
export const writeAndVerify16 = command({ op: op.WRITE_AND_VERIFY_16, name: 'WRITE AND VERIFY(16)', cdb: Verify16, ...writing })

export const verifyCommands: readonly CommandRow[] = [
  verify10, verify12, verify16, writeAndVerify10, writeAndVerify12, writeAndVerify16,
]
