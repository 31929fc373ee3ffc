import type { DeviceRuntime } from '../device'
import { blockCommands, CommandTable, op, sam, type Task } from '../scsi'
import { decodeSense, describeAnswer } from '../testing/answer'
import { type LineBudget } from './budget'
import type { Traced } from './traced'

const disk = new CommandTable(blockCommands)
const codes: ReadonlyMap<number, string> = new Map(Object.entries(op).map(([name, code]) => [code, name.replace(/_(6|10|12|16|32)$/, '($1)').replaceAll('_', ' ')]))
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').replace(/(..)(?=.)/g, '$1 ')

/** As standards call it; a code that none of our tables has is shown as it is. */
export function nameOf(task: Pick<Task, 'row' | 'cdb' | 'cdbLength'>): string {
  const { row, cdb, cdbLength } = task
  return row?.name ?? disk.find(cdb)?.name ?? codes.get(cdb[0]!) ?? `command ${hex(cdb.subarray(0, cdbLength))}`
}

const units = [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]] as const
/** Bytes for people. */
export function amount(bytes: number): string {
  const unit = units.find(([, size]) => bytes >= size)
  return unit ? `${+(bytes / unit[1]).toFixed(1)} ${unit[0]}` : `${bytes} B`
}

type Shown = Pick<Task, 'row' | 'cdb' | 'cdbLength' | 'dataInLength' | 'status' | 'sense' | 'senseLength' | 'aborted'>

/** How a command ended, in the words of the standards. */
export function outcomeOf(task: Shown): string {
  if (task.aborted) return 'aborted'
  return describeAnswer({ status: task.status, ...decodeSense(task.sense.subarray(0, task.senseLength)) })
}

/** What the CDB asks for, run or not. */
function extentOf({ row, cdb }: Shown): { lba: number; blocks: number } | undefined {
  if (!row?.extent) return undefined
  const view = row.cdb.view(cdb)
  return { lba: row.extent.lba(view), blocks: row.extent.blocks(view) }
}

function whatOf(task: Shown, blockSize: number): string {
  const extent = extentOf(task)
  if (extent && extent.blocks > 0) return ` lba ${extent.lba}, ${extent.blocks} ${extent.blocks === 1 ? 'block' : 'blocks'} (${amount(extent.blocks * blockSize)})`
  return task.dataInLength > 0 ? ` (${amount(task.dataInLength)} in)` : ''
}

/** `d0 WRITE(16) lba 2048, 128 blocks (64 KiB): GOOD, 312 µs`. */
export const commandLine = ({ name, blockSize }: Pick<DeviceRuntime, 'name' | 'blockSize'>, task: Shown, us: number): string =>
  `${name} ${nameOf(task)}${whatOf(task, blockSize)}: ${outcomeOf(task)}, ${us.toFixed(0)} µs`

/** Tell of each command of a device when it is over. */
export function traceDevice(device: DeviceRuntime, which: Traced, budget: LineBudget): void {
  if (which === 'off') return
  const began = new WeakMap<object, number>()
  device.trace = (task) => void began.set(task, performance.now())
  device.hooks.completed.tap('dev', (task) => {
    const failed = task.status !== sam.GOOD || task.aborted
    if (which === 'errors' && !failed) return
    const us = (performance.now() - (began.get(task) ?? performance.now())) * 1000
    budget.take({
      kind: `${device.name} ${nameOf(task)}: ${outcomeOf(task)}`, failed, us, bytes: task.row?.extent ? task.length : task.dataInLength,
      line: () => commandLine(device, task, us),
    })
  })
}
