import { bits, layout, skip, u16be, u32be, u64be, u8 } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { ReadCapacity10, ServiceActionIn16 } from '../cdb'
import type { Lun, Result } from '../lun'
import { provisioned, readsZero } from '../medium'
import { op, serviceAction } from '../opcodes'
import type { Task } from '../task'
import { invalidField } from './checks'

/** SBC-3 5.15.2 */
export const Capacity10 = layout('read_capacity_10_data', { lastLba: u32be, blockLength: u32be }, { size: 8 })
/** SBC-3 5.16.2 */
export const Capacity16 = layout('read_capacity_16_data', {
  lastLba: u64be,
  blockLength: u32be,
  protection: bits(u8, { rcBasis: [5, 4], pType: [3, 1], protEn: 0 }),
  exponents: bits(u8, { piExponent: [7, 4], physicalExponent: [3, 0] }),
  provisioning: bits(u16be, { lbpme: 15, lbprz: 14, lowestAligned: [13, 0] }),
  reserved: skip(16),
}, { size: 32 })

/** The last LBA is more than 32 bits say: ask READ CAPACITY(16). */
const MORE = 0xffffffff

/** What a disk says of its size. */
export interface CapacityFacts {
  readonly blocks: number
  readonly blockSize: number
  /** log2 of logical blocks per physical block. */
  readonly physicalExponent?: number
  /** LBPME: thinly provisioned. */
  readonly provisioned?: boolean
  /** LBPRZ: unmapped blocks read as zeroes. */
  readonly readsZero?: boolean
}

/** Parameter data of READ CAPACITY(10). */
export const capacity10Data = ({ blocks, blockSize }: CapacityFacts): Uint8Array =>
  Capacity10.encode({ lastLba: Math.min(Math.max(0, blocks - 1), MORE), blockLength: blockSize })

/** Parameter data of READ CAPACITY(16). */
export const capacity16Data = (c: CapacityFacts): Uint8Array => Capacity16.encode({
  lastLba: Math.max(0, c.blocks - 1), blockLength: c.blockSize, physicalExponent: c.physicalExponent ?? 0,
  lbpme: c.provisioned ?? false, lbprz: c.readsZero ?? false,
})

function runReadCapacity10(lun: Lun, task: Task, c: { reladr: number; pmi: number }): Result {
  if (c.reladr) return invalidField(task, 'reladr', 0)
  if (c.pmi) return invalidField(task, 'pmi', 0)
  return task.respond(capacity10Data(lun), Capacity10.size)
}

function runReadCapacity16(lun: Lun, task: Task, c: { allocation: number }): Result {
  const { blocks, blockSize, physicalExponent } = lun
  const data = capacity16Data({ blocks, blockSize, physicalExponent, provisioned: provisioned(lun), readsZero: readsZero(lun) })
  return task.respond(data, c.allocation)
}

export const readCapacity10 = command({
  op: op.READ_CAPACITY_10, name: 'READ CAPACITY(10)', cdb: ReadCapacity10, access: 'none', dataDirection: 'in',
  transfer: () => Capacity10.size, allowed: { reserved: true }, run: runReadCapacity10,
})
export const readCapacity16 = command({
  op: op.SERVICE_ACTION_IN_16, sa: serviceAction.READ_CAPACITY_16, name: 'READ CAPACITY(16)', cdb: ServiceActionIn16, access: 'none',
  dataDirection: 'in', transfer: (c) => c.allocation, allowed: { reserved: true }, run: runReadCapacity16,
})

export const capacityCommands: readonly CommandRow[] = [readCapacity10, readCapacity16]
