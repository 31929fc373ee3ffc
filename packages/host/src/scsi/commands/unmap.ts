import { bits, layout, skip, u16be, u32be, u64be, u8 } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { ServiceActionIn16, Unmap } from '../cdb'
import { unmapRange } from '../fill'
import type { BlockRange, Extent, Lun, Result } from '../lun'
import { anchors, noDataOut } from '../medium'
import { op, serviceAction } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { invalidField } from './checks'

/** SBC-3 5.30.2 */
export const UnmapHeader = layout('unmap_parameter_list', { dataLength: u16be, descriptorsLength: u16be, reserved: skip(4) }, { size: 8 })
export const UnmapDescriptor = layout('unmap_block_descriptor', { lba: u64be, blocks: u32be, reserved: skip(4) }, { size: 16 })

/** The ranges of a parameter list, all of them valid; else a status. */
function rangesIn(lun: Lun, task: Task, list: Uint8Array): BlockRange[] | Status {
  const { descriptorsLength } = UnmapHeader.decode(list)
  const end = Math.min(list.length, UnmapHeader.size + descriptorsLength)
  const count = Math.floor((end - UnmapHeader.size) / UnmapDescriptor.size)
  if (count > lun.limits.maxUnmapDescriptors) return task.invalidParameter(UnmapHeader.at.descriptorsLength)
  const ranges: BlockRange[] = []
  let total = 0
  for (let i = 0; i < count; i++) {
    const at = UnmapHeader.size + i * UnmapDescriptor.size
    const { lba, blocks } = UnmapDescriptor.decode(list, at)
    if (blocks === 0) continue
    if (lba >= lun.blocks || blocks > lun.blocks - lba) {
      task.detail = { information: Number.isSafeInteger(lba) ? lba : -1, field: { byte: at, bit: -1, inCdb: false } }
      return Status.RANGE
    }
    total += blocks
    if (total > lun.limits.maxUnmap) return task.invalidParameter(at + UnmapDescriptor.at.blocks)
    ranges.push({ offset: lba * lun.blockSize, length: blocks * lun.blockSize, signal: task.signal })
  }
  return ranges
}

/** One after the other; the first that fails ends it. A handler that finds it cannot unmap after all is told on. */
async function unmapAll(lun: Lun, task: Task, ranges: readonly BlockRange[]): Promise<Status> {
  for (const range of ranges) {
    if (task.aborted) return Status.ABORTED
    const status = await unmapRange(lun, task, range.offset, range.length)
    if (status !== Status.OK) return status
  }
  return Status.OK
}

function runUnmap(lun: Lun, task: Task, c: { anchor: number; listLength: number }): Result {
  if (c.anchor && !anchors(lun)) return invalidField(task, 'anchor', 0)
  if (c.listLength === 0) return Status.OK
  if (noDataOut(task)) return Status.INVALID_CDB
  const list = task.parameters(c.listLength)
  if (list.length < c.listLength || list.length < UnmapHeader.size) return Status.INVALID_PARAM_LIST_LEN
  const ranges = rangesIn(lun, task, list)
  if (typeof ranges === 'number') return ranges
  return ranges.length === 0 ? Status.OK : unmapAll(lun, task, ranges)
}

export const unmap = command({
  op: op.UNMAP, name: 'UNMAP', cdb: Unmap, access: 'write', dataDirection: 'out', needs: 'unmap', transfer: (c) => c.listLength, run: runUnmap,
})

/** SBC-3 5.4.2 */
export const LbaStatusHeader = layout('lba_status', { length: u32be, reserved: skip(4) }, { size: 8 })
export const LbaStatusDescriptor = layout('lba_status_descriptor', {
  lba: u64be, blocks: u32be, status: bits(u8, { provisioning: [3, 0] }), reserved: skip(3),
}, { size: 16 })
export const provisioningStatus = { mapped: 0, deallocated: 1, anchored: 2 } as const

/** How far one question to the handler reaches, and how many of them a command asks: bounds time and memory. */
const WINDOW_BYTES = 2 ** 28
const MOST_WINDOWS = 64
const MOST_DESCRIPTORS = 4096

interface Run {
  lba: number
  blocks: number
  state: Extent['state']
}

function append(runs: Run[], lba: number, blocks: number, state: Run['state']): void {
  if (blocks <= 0) return
  const last = runs[runs.length - 1]
  if (last && last.state === state && last.blocks + blocks <= 0xffffffff) last.blocks += blocks
  else runs.push({ lba, blocks, state })
}

/** Bytes as blocks: a block is without storage when all of it is; what the handler leaves out counts as mapped. */
function appendWindow(lun: Lun, runs: Run[], from: number, to: number, parts: readonly Extent[]): void {
  const { blockSize } = lun
  const kept = anchors(lun)
  let next = from
  for (const p of parts) {
    if (p.state === 'mapped') continue
    const first = Math.max(next, Math.ceil(p.offset / blockSize))
    const end = Math.min(to, Math.floor((p.offset + p.length) / blockSize))
    if (end <= first) continue
    append(runs, next, first - next, 'mapped')
    append(runs, first, end - first, kept ? 'anchored' : p.state)
    next = end
  }
  append(runs, next, to - next, 'mapped')
}

async function runGetLbaStatus(lun: Lun, task: Task, c: { lba: number; allocation: number }): Promise<Status> {
  const { lba, allocation } = c
  const room = Math.floor((Math.min(allocation, task.data.length) - LbaStatusHeader.size) / LbaStatusDescriptor.size)
  const wanted = Math.min(MOST_DESCRIPTORS, Math.max(1, room))
  const window = Math.max(1, Math.floor(WINDOW_BYTES / lun.blockSize))
  const runs: Run[] = []
  for (let at = lba, i = 0; at < lun.blocks && i < MOST_WINDOWS && runs.length <= wanted && !task.aborted; i++) {
    const to = Math.min(lun.blocks, at + window)
    const range = { offset: at * lun.blockSize, length: (to - at) * lun.blockSize, signal: task.signal }
    appendWindow(lun, runs, at, to, await lun.ops.extents!(range))
    at = to
  }
  // The last run may go on beyond the last window; it is as long as is known. One too many was asked for.
  runs.length = Math.min(runs.length, wanted)
  const out = new Uint8Array(LbaStatusHeader.size + runs.length * LbaStatusDescriptor.size)
  LbaStatusHeader.encode({ length: out.length - u32be.size }, out)
  runs.forEach((r, i) => LbaStatusDescriptor.encode(
    { lba: r.lba, blocks: r.blocks, provisioning: provisioningStatus[r.state] }, out, LbaStatusHeader.size + i * LbaStatusDescriptor.size,
  ))
  return task.respond(out, allocation)
}

export const getLbaStatus = command({
  op: op.SERVICE_ACTION_IN_16, sa: serviceAction.GET_LBA_STATUS, name: 'GET LBA STATUS', cdb: ServiceActionIn16, access: 'read',
  dataDirection: 'in', needs: 'extents', transfer: (c) => c.allocation, extent: { lba: (c) => c.lba, blocks: () => 1 },
  run: runGetLbaStatus,
})

export const provisioningCommands: readonly CommandRow[] = [unmap, getLbaStatus]
