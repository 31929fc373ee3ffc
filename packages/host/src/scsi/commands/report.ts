import { bits, layout, skip, u16be, u32be, u8 } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { ReadDefectData10, ReadDefectData12, ReportOpcodes, ReportTaskManagement } from '../cdb'
import type { Lun, Result } from '../lun'
import { op, serviceAction } from '../opcodes'
import type { Status } from '../status'
import type { Task } from '../task'
import { invalidField } from './checks'

/** SPC-4 6.35.2 */
export const AllCommandsHeader = layout('all_commands', { length: u32be }, { size: 4 })
export const CommandDescriptor = layout('command_descriptor', {
  opcode: u8, reserved: skip(1), serviceAction: u16be, reserved2: skip(1), flags: bits(u8, { ctdp: 1, servactv: 0 }), cdbLength: u16be,
}, { size: 8 })
/** SPC-4 6.35.4; times in seconds, 0 is not known. */
export const TimeoutsDescriptor = layout('command_timeouts_descriptor', {
  length: u16be, reserved: skip(1), specific: u8, nominal: u32be, recommended: u32be,
}, { size: 12 })
/** SPC-4 6.35.3, before the CDB usage data. */
export const OneCommand = layout('one_command', { reserved: skip(1), flags: bits(u8, { ctdp: 7, support: [2, 0] }), cdbSize: u16be }, { size: 4 })

/** SPC-4 table 254, REPORTING OPTIONS. */
export const reportingOptions = { ALL: 0, OPCODE: 1, OPCODE_AND_ACTION: 2, EITHER: 3 } as const
/** SPC-4 table 257, SUPPORT. */
export const support = { NOT_SUPPORTED: 1, AS_STANDARD: 3 } as const

const SERVICE_ACTION_BYTE = 1
const SERVICE_ACTION = 0x1f
/** What Linux gives a command before it aborts it, and the kernel's ring as well. */
const DEFAULT_TIMEOUT = 30
const timeouts = (row: CommandRow): Uint8Array =>
  TimeoutsDescriptor.encode({ length: TimeoutsDescriptor.size - 2, recommended: row.timeoutSeconds ?? DEFAULT_TIMEOUT })

function allCommands(rows: readonly CommandRow[], rctd: boolean): Uint8Array {
  const parts: Uint8Array[] = []
  for (const row of rows) {
    const servactv = row.sa !== undefined
    parts.push(CommandDescriptor.encode({ opcode: row.op, serviceAction: row.sa ?? 0, ctdp: rctd, servactv, cdbLength: row.cdb.size }))
    if (rctd) parts.push(timeouts(row))
  }
  const body = Buffer.concat(parts)
  return Buffer.concat([AllCommandsHeader.encode({ length: body.length }), body])
}

/** The bits that the row looks at; operation code and service action stand for themselves. */
export function usageMap(row: CommandRow): Uint8Array {
  const map = Uint8Array.from(row.cdb.mask)
  map[0] = row.op
  if (row.sa !== undefined) map[SERVICE_ACTION_BYTE] = (map[SERVICE_ACTION_BYTE]! & ~SERVICE_ACTION) | row.sa
  return map
}

function oneCommand(row: CommandRow | undefined, rctd: boolean): Uint8Array {
  if (!row) return OneCommand.encode({ support: support.NOT_SUPPORTED })
  const head = OneCommand.encode({ ctdp: rctd, support: support.AS_STANDARD, cdbSize: row.cdb.size })
  return Buffer.concat([head, usageMap(row), ...(rctd ? [timeouts(row)] : [])])
}

type Report = { rctd: number; options: number; requestedOp: number; requestedAction: number; allocation: number }
/** The row asked for, or undefined when there is none; a status when the question does not fit the operation code. */
function asked(lun: Lun, task: Task, c: Report): CommandRow | Status | undefined {
  const entry = lun.commands.entry(c.requestedOp)
  const actions = Array.isArray(entry)
  const wrong = entry !== undefined && (c.options === reportingOptions.OPCODE ? actions : c.options === reportingOptions.OPCODE_AND_ACTION && !actions)
  if (wrong) return invalidField(task, 'requestedOp')
  if (actions) return (entry as readonly (CommandRow | undefined)[])[c.requestedAction]
  return c.options === reportingOptions.EITHER && c.requestedAction !== 0 ? undefined : (entry as CommandRow | undefined)
}

function runReportOpcodes(lun: Lun, task: Task, c: Report): Result {
  if (c.options > reportingOptions.EITHER) return invalidField(task, 'options', 2)
  if (c.options === reportingOptions.ALL) return task.respond(allCommands(lun.commands.rows, c.rctd === 1), c.allocation)
  const row = asked(lun, task, c)
  return typeof row === 'number' ? row : task.respond(oneCommand(row, c.rctd === 1), c.allocation)
}

/** SPC-4 6.36 */
export const TaskManagement = layout('task_management_functions', {
  first: bits(u8, { ats: 7, atss: 6, cacas: 5, ctss: 4, lurs: 3, qts: 2, trs: 1 }),
  second: bits(u8, { qaes: 2, qtss: 1, itnrs: 0 }),
  reserved: skip(1),
  length: u8,
}, { size: 4 })
const EXTENDED_SIZE = 16

/** ABORT TASK, ABORT TASK SET, CLEAR TASK SET and LOGICAL UNIT RESET: what `LogicalUnit.abort` serves. */
const functions = { ats: 1, atss: 1, ctss: 1, lurs: 1 } as const

function runReportTaskManagement(_lun: Lun, task: Task, c: { repd: number; allocation: number }): Result {
  if (!c.repd) return task.respond(TaskManagement.encode(functions), c.allocation)
  const out = new Uint8Array(EXTENDED_SIZE)
  TaskManagement.encode({ ...functions, length: EXTENDED_SIZE - TaskManagement.size }, out)
  return task.respond(out, c.allocation)
}

/** SBC-3 5.17.2, 5.18.2: lists without an entry. */
const defectFlags = { flags: bits(u8, { plist: 4, glist: 3, format: [2, 0] }) }
export const Defects10 = layout('read_defect_data_10', { reserved: skip(1), ...defectFlags, length: u16be }, { size: 4 })
export const Defects12 = layout('read_defect_data_12', { reserved: skip(1), ...defectFlags, generation: u16be, length: u32be }, { size: 8 })

type Defects = { plist: number; glist: number; format: number; allocation: number }
const runReadDefectData10 = (_lun: Lun, task: Task, { plist, glist, format, allocation }: Defects): Result =>
  task.respond(Defects10.encode({ plist, glist, format }), allocation)
const runReadDefectData12 = (_lun: Lun, task: Task, { plist, glist, format, allocation }: Defects): Result =>
  task.respond(Defects12.encode({ plist, glist, format }), allocation)

const reporting = { access: 'none', dataDirection: 'in', transfer: (c: { allocation: number }): number => c.allocation } as const

export const reportSupportedOperationCodes = command({
  op: op.MAINTENANCE_IN, sa: serviceAction.REPORT_SUPPORTED_OPERATION_CODES, name: 'REPORT SUPPORTED OPERATION CODES', cdb: ReportOpcodes,
  ...reporting, allowed: { stopped: true, unformatted: true, unsanitized: true }, run: runReportOpcodes,
})
export const reportTaskManagementFunctions = command({
  op: op.MAINTENANCE_IN, sa: serviceAction.REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS, name: 'REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS',
  cdb: ReportTaskManagement, ...reporting, allowed: { stopped: true }, run: runReportTaskManagement,
})
export const readDefectData10 = command({
  op: op.READ_DEFECT_DATA_10, name: 'READ DEFECT DATA(10)', cdb: ReadDefectData10, ...reporting, run: runReadDefectData10,
})
export const readDefectData12 = command({
  op: op.READ_DEFECT_DATA_12, name: 'READ DEFECT DATA(12)', cdb: ReadDefectData12, ...reporting, run: runReadDefectData12,
})

export const reportCommands: readonly CommandRow[] = [
  reportSupportedOperationCodes, reportTaskManagementFunctions, readDefectData10, readDefectData12,
]
