import { Segments } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { Rw10, Rw12, Rw16, Rw6, WriteAtomic16 } from '../cdb'
import { type Hand, noticed, onlyItsRange, taskItself } from '../hand-out'
import type { Lun, Result } from '../lun'
import { andThen, flush, fuaFlush, fuaNative, noDataOut, PartIo, wholeBlocks, writePart } from '../medium'
import { op } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { invalidField, refuseTransfer } from './checks'

/** Blocks addressed and bytes moved by a CDB with `lba` and `blocks`. */
export const extent = { lba: (c: { lba: number }): number => c.lba, blocks: (c: { blocks: number }): number => c.blocks }
export const blockBytes = (c: { blocks: number }, lun: Lun): number => c.blocks * lun.blockSize
const blocks6 = (c: { blocks: number }): number => c.blocks || 256
const extent6 = { lba: extent.lba, blocks: blocks6 }
const blockBytes6 = (c: { blocks: number }, lun: Lun): number => blocks6(c) * lun.blockSize

/** READ of a range that `task.data` has not exactly the room for: as much of its beginning as fits. */
function readAround(lun: Lun, task: Task): Result {
  const { data, offset } = task
  const wanted = Math.min(task.length, data.length)
  const partial = wanted % lun.blockSize
  if (partial === 0) return lun.ops.read(new PartIo(task, data.slice(0, wanted), offset))
  const bytes = new Uint8Array(wanted - partial + lun.blockSize)
  return andThen(lun.ops.read(new PartIo(task, Segments.of(bytes), offset)), () => {
    data.set(bytes.subarray(0, wanted))
    return Status.OK
  })
}

/** The range of the task, from the medium into its data. Promise-free while the handler is. */
export function readExtent(lun: Lun, task: Task): Result {
  return readInto(lun, task, taskItself)
}

function readInto(lun: Lun, task: Task, hand: Hand): Result {
  const { length } = task
  task.transferLength = length
  task.dataInLength = Math.min(length, task.data.length)
  if (length === 0 || task.dataInLength === 0) return Status.OK
  return task.data.length === length ? noticed(lun, lun.ops.read(hand(lun, task))) : readAround(lun, task)
}

/**
 * The range of the task, from its data to the medium. When the initiator sent less than the CDB asks for, the whole
 * blocks that came are written; the residual count says so (SAM-5 5.4.2 leaves it to the device server).
 */
export function writeExtent(lun: Lun, task: Task, fua: boolean): Result {
  return writeFrom(lun, task, fua, taskItself)
}

function writeFrom(lun: Lun, task: Task, fua: boolean, hand: Hand): Result {
  const { length, data } = task
  if (noDataOut(task)) return Status.INVALID_CDB
  task.transferLength = length
  const n = wholeBlocks(lun, task)
  if (n === 0) return Status.OK
  if (n !== data.length) return writePart(lun, task, data.slice(0, n), task.offset, fua)
  if (n !== length) return writePart(lun, task, data, task.offset, fua)
  task.fua = fuaNative(lun, fua)
  const written = noticed(lun, lun.ops.write(hand(lun, task)))
  return fuaFlush(lun, fua) ? andThen(written, () => flush(lun, task)) : written
}

/** A whole range, as the last act of a command; undefined where the host cannot move it itself. */
function moveDirect(lun: Lun, task: Task, write: boolean): Status | undefined {
  const { length } = task
  if (lun.direct === undefined || length === 0 || task.data.length !== length || !lun.direct.move(task, write)) return undefined
  task.transferLength = length
  if (!write) task.dataInLength = length
  return Status.OK
}

function readWhole(lun: Lun, task: Task): Result {
  return moveDirect(lun, task, false) ?? readInto(lun, task, onlyItsRange)
}

function writeWhole(lun: Lun, task: Task, fua: boolean): Result {
  if (noDataOut(task) || fuaFlush(lun, fua)) return writeFrom(lun, task, fua, onlyItsRange)
  task.fua = fuaNative(lun, fua)
  return moveDirect(lun, task, true) ?? writeFrom(lun, task, fua, onlyItsRange)
}

type Access = { protect: number; fua: number }
const runRead = (lun: Lun, task: Task, c: Access): Result => refuseTransfer(lun, task, c.protect) ?? readWhole(lun, task)
const runRead6 = (lun: Lun, task: Task): Result => refuseTransfer(lun, task, 0) ?? readWhole(lun, task)
const runWrite = (lun: Lun, task: Task, c: Access): Result => refuseTransfer(lun, task, c.protect) ?? writeWhole(lun, task, c.fua === 1)
const runWrite6 = (lun: Lun, task: Task): Result => refuseTransfer(lun, task, 0) ?? writeWhole(lun, task, false)

/** SBC-4 5.49: whole or not at all, which the handler sees to; a part of it because less data came is no part of that. */
function runWriteAtomic(lun: Lun, task: Task, c: Access & { boundary: number }): Result {
  const refused = refuseTransfer(lun, task, c.protect)
  if (refused !== undefined) return refused
  if (c.boundary) return invalidField(task, 'boundary')
  if (task.blocks > lun.limits.maxAtomic) return invalidField(task, 'blocks')
  task.transferLength = task.length
  return task.data.length < task.length ? Status.INVALID_CDB : writeExtent(lun, task, c.fua === 1)
}

const reading = { access: 'read', dataDirection: 'in', transfer: blockBytes, extent, hot: true } as const
const writing = { access: 'write', dataDirection: 'out', transfer: blockBytes, extent, hot: true } as const
const short = { transfer: blockBytes6, extent: extent6 } as const

export const read6 = command({ op: op.READ_6, name: 'READ(6)', cdb: Rw6, ...reading, ...short, run: runRead6 })
export const read10 = command({ op: op.READ_10, name: 'READ(10)', cdb: Rw10, ...reading, run: runRead })
export const read12 = command({ op: op.READ_12, name: 'READ(12)', cdb: Rw12, ...reading, run: runRead })
export const read16 = command({ op: op.READ_16, name: 'READ(16)', cdb: Rw16, ...reading, run: runRead })
export const write6 = command({ op: op.WRITE_6, name: 'WRITE(6)', cdb: Rw6, ...writing, ...short, run: runWrite6 })
export const write10 = command({ op: op.WRITE_10, name: 'WRITE(10)', cdb: Rw10, ...writing, run: runWrite })
export const write12 = command({ op: op.WRITE_12, name: 'WRITE(12)', cdb: Rw12, ...writing, run: runWrite })
export const write16 = command({ op: op.WRITE_16, name: 'WRITE(16)', cdb: Rw16, ...writing, run: runWrite })

export const writeAtomic16 = command({
  op: op.WRITE_ATOMIC_16, name: 'WRITE ATOMIC(16)', cdb: WriteAtomic16, access: 'write', dataDirection: 'out', transfer: blockBytes, extent,
  exclusive: true, needs: 'writeAtomic', run: runWriteAtomic,
})

export const accessCommands: readonly CommandRow[] = [
  read10, write10, read16, write16, read6, write6, read12, write12, writeAtomic16,
]
