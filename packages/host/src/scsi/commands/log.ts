import { type CommandRow, command } from '../command-table'
import { LogSelect, LogSense } from '../cdb'
import { blockLogPages, encodeLogPage, encodeParameter, type LogPage, type LogParameter, logPages } from '../log-pages'
import type { Lun, Result } from '../lun'
import { noDataOut } from '../medium'
import { op } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { invalidField } from './checks'

/** SPC-4 table 180: page control. */
const pc = { THRESHOLD: 0, CUMULATIVE: 1, DEFAULT_THRESHOLD: 2, DEFAULT_CUMULATIVE: 3 } as const

type Sense = { ppc: number; sp: number; pc: number; page: number; subpage: number; pointer: number; allocation: number }

/** The parameters from PARAMETER POINTER on. */
function answer(task: Task, c: Sense, page: LogPage, all: readonly LogParameter[]): Status {
  const parameters = all.filter((p) => p.code >= c.pointer)
  if (parameters.length === 0) return invalidField(task, 'pointer')
  return task.respond(encodeLogPage(page, Buffer.concat(parameters.map(encodeParameter))), c.allocation)
}

/** SPC-4 6.10. There are no thresholds of counters, so that there are no values of them. */
function runLogSense(lun: Lun, task: Task, c: Sense, pages: readonly LogPage[]): Result {
  if (c.ppc) return invalidField(task, 'ppc', 1)
  if (c.sp) return invalidField(task, 'sp', 0)
  const page = pages.find((p) => p.code === c.page && p.subpage === c.subpage && (p.when?.(lun) ?? true))
  if (!page) return pages.some((p) => p.code === c.page) ? invalidField(task, 'subpage') : invalidField(task, 'page', 5)
  if (page.list) return c.pointer ? invalidField(task, 'pointer') : task.respond(encodeLogPage(page, page.list(lun)), c.allocation)
  if (c.pc === pc.THRESHOLD || c.pc === pc.DEFAULT_THRESHOLD) return invalidField(task, 'pc', 7)
  const parameters = page.parameters!(lun, c.pc === pc.DEFAULT_CUMULATIVE)
  return parameters instanceof Promise ? parameters.then((all) => answer(task, c, page, all)) : answer(task, c, page, parameters)
}

type Select = { pcr: number; sp: number; pc: number; page: number; subpage: number; listLength: number }

/** SPC-4 6.9. Counters can be set back, all at once; no parameter can be set to a value. */
function runLogSelect(lun: Lun, task: Task, c: Select): Result {
  if (c.sp) return invalidField(task, 'sp', 0)
  if (c.page) return invalidField(task, 'page', 5)
  if (c.subpage) return invalidField(task, 'subpage')
  if (noDataOut(task)) return Status.INVALID_CDB
  if (c.listLength !== 0) {
    if (c.pcr) return invalidField(task, 'pcr', 1)
    return task.parameters(c.listLength).length < c.listLength ? Status.INVALID_PARAM_LIST_LEN : task.invalidParameter(0)
  }
  if (!c.pcr && c.pc !== pc.DEFAULT_CUMULATIVE) return Status.OK
  lun.history!.reset()
  lun.attention(Status.LOG_CHANGED, task.nexus)
  return Status.OK
}

/** LOG SENSE and LOG SELECT for units with these pages. */
export function logCommands(pages: readonly LogPage[]): { logSense: CommandRow; logSelect: CommandRow } {
  const all = logPages(...pages)
  return {
    logSense: command({
      op: op.LOG_SENSE, name: 'LOG SENSE', cdb: LogSense, access: 'none', dataDirection: 'in', transfer: (c) => c.allocation,
      allowed: { stopped: true, reserved: true }, run: (lun, task, c) => runLogSense(lun, task, c, all),
    }),
    logSelect: command({
      op: op.LOG_SELECT, name: 'LOG SELECT', cdb: LogSelect, access: 'none', dataDirection: 'out', transfer: (c) => c.listLength,
      allowed: { stopped: true }, run: runLogSelect,
    }),
  }
}

export const { logSense, logSelect } = logCommands(blockLogPages)
