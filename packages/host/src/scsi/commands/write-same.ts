import { Segments } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { WriteSame10, WriteSame16 } from '../cdb'
import type { Lun, Result } from '../lun'
import { andThen, eachChunk, noDataOut, PartIo, provisioned, readsZero, withChunks } from '../medium'
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

/** SBC-3 5.44. No anchored blocks here; 0 blocks would mean all up to the end (WSNZ=1). */
function refuse(lun: Lun, task: Task, c: WriteSame): Status | undefined {
  if (c.protect !== 0) return refuseProtect(task, c.protect)
  if (c.anchor) return invalidField(task, 'anchor', 4)
  if (c.unmap && !provisioned(lun)) return invalidField(task, 'unmap', 3)
  if (c.relative) return invalidField(task, 'relative', 2)
  if (c.blocks === 0) return invalidField(task, 'blocks')
  const most = lun.limits.maxWriteSame
  return most !== 0 && c.blocks > most ? invalidField(task, 'blocks') : undefined
}

const isZero = (block: Uint8Array): boolean => block.every((b) => b === 0)

/** The block over and over, out of one buffer of at most CHUNK_BYTES. */
function emulate(lun: Lun, task: Task, block: Uint8Array, offset: number, length: number): Promise<Status> {
  return withChunks(lun, task, length, (repeated) => {
    for (let at = 0; at < repeated.bytes.length; at += block.length) repeated.bytes.set(block, at)
    return eachChunk(lun, task, length, (at, size) => lun.ops.write(new PartIo(task, repeated.segments(size), offset + at)))
  })
}

/** `block` in every block of [offset, offset+length). */
async function fill(lun: Lun, task: Task, block: Uint8Array, offset: number, length: number): Promise<Status> {
  if (length === 0) return Status.OK
  const status = (await lun.ops.writeSame?.(new PartIo(task, Segments.of(block), offset, length))) ?? Status.NOT_HANDLED
  return status === Status.NOT_HANDLED ? emulate(lun, task, block, offset, length) : status
}

/** Unmap the part of the range that lies on the handler's granularity, write zeroes to its ends (SBC-3 6.6.4). */
async function unmapZeroes(lun: Lun, task: Task, zeroes: Uint8Array): Promise<Status> {
  const { blockSize, limits } = lun
  const grain = Math.max(1, limits.unmapGranularity) * blockSize
  const shift = (limits.unmapAlignment * blockSize) % grain
  const end = task.offset + task.length
  const from = Math.ceil((task.offset - shift) / grain) * grain + shift
  const to = end === lun.blocks * blockSize ? end : Math.floor((end - shift) / grain) * grain + shift
  if (from >= to) return fill(lun, task, zeroes, task.offset, task.length)
  const status = await lun.ops.unmap!({ offset: from, length: to - from, signal: task.signal })
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
  const asZeroes = c.unmap === 1 && lun.ops.unmap !== undefined && readsZero(lun) && isZero(block)
  return asZeroes ? unmapZeroes(lun, task, block) : fill(lun, task, block, task.offset, task.length)
}

const writing = { access: 'write', dataDirection: 'out', extent, needs: 'writeSame', run: runWriteSame } as const

export const writeSame10 = command({
  op: op.WRITE_SAME_10, name: 'WRITE SAME(10)', cdb: WriteSame10, ...writing, transfer: (_c, lun) => lun.blockSize,
})
export const writeSame16 = command({
  op: op.WRITE_SAME_16, name: 'WRITE SAME(16)', cdb: WriteSame16, ...writing, transfer: (c, lun) => (c.ndob ? 0 : lun.blockSize),
})

export const writeSameCommands: readonly CommandRow[] = [writeSame10, writeSame16]
