import { bits, command, type CommandRow, invalidField, layout, op, type Task, u16be, u32be, u8, skip, type Result } from '@tcmu/host/scsi'
import type { ZonedUnit } from '../unit'
import type { ZoneStatistics } from '../zones'

const LogSense = layout('log_sense', {
  op: u8, flags: bits(u8, { ppc: 1, sp: 0 }), which: bits(u8, { pc: [7, 6], page: [5, 0] }), subpage: u8, reserved: skip(1), parameter: u16be, allocation: u16be,
  control: bits(u8, { naca: 2 }),
}, { size: 10 })
const ReceiveDiagnostic = layout('receive_diagnostic_results', {
  op: u8, flags: bits(u8, { pcv: 0 }), page: u8, allocation: u16be, control: bits(u8, { naca: 2 }),
}, { size: 6 })

/** SPC-4 7.3.2 */
const LogHeader = layout('log_page', { first: bits(u8, { ds: 7, spf: 6, code: [5, 0] }), subpage: u8, length: u16be }, { size: 4 })
/** ZBC-2 table 67. */
const LogParameter = layout('zbd_statistics_parameter', { code: u16be, control: u8, length: u8, reserved: skip(4), value: u32be }, { size: 12 })
const PARAMETER_LENGTH = 8
/** DU, TSD of 0 and FORMAT AND LINKING 11b: binary values. */
const BINARY = 0x03

const STATISTICS = { page: 0x14, subpage: 0x01 } as const
/** In the order of their parameter codes. */
const parameters: readonly (keyof ZoneStatistics)[] = [
  'maxOpen', 'maxExplicit', 'maxImplicit', 'minEmpty', 'maxNonSequential', 'emptied', 'suboptimalWrites', 'beyondOptimal', 'failedOpens', 'readFailures', 'writeFailures',
]

const statisticsOf = (unit: ZonedUnit, from = 0): Uint8Array => Buffer.concat(parameters.map((name, code) => LogParameter.encode({
  code, control: BINARY, length: PARAMETER_LENGTH, value: Math.min(unit.image.table.statistics[name], 0xffffffff),
})).slice(from))

const page = (code: number, subpage: number, body: Uint8Array): Uint8Array =>
  Buffer.concat([LogHeader.encode({ spf: subpage !== 0, code, subpage, length: body.length }), body])

interface Sense { readonly ppc: number; readonly sp: number; readonly pc: number; readonly page: number; readonly subpage: number; readonly parameter: number; readonly allocation: number }
const pages: readonly (readonly [page: number, subpage: number])[] = [[0x00, 0x00], [0x00, 0xff], [STATISTICS.page, STATISTICS.subpage]]

/** SPC-4 6.8: the list of pages, the list with subpages, and the statistics of the zoned block device. */
function runLogSense(unit: ZonedUnit, task: Task, c: Sense): Result {
  if (c.sp) return invalidField(task, 'sp', 0)
  if (c.ppc) return invalidField(task, 'ppc', 1)
  if (c.page === 0x00 && c.subpage === 0x00) return task.respond(page(0, 0, Uint8Array.of(0x00, STATISTICS.page)), c.allocation)
  if (c.page === 0x00 && c.subpage === 0xff) return task.respond(page(0, 0xff, Uint8Array.from(pages.flat())), c.allocation)
  if (c.page !== STATISTICS.page) return invalidField(task, 'page', 5)
  if (c.subpage !== STATISTICS.subpage) return invalidField(task, 'subpage')
  if (c.parameter >= parameters.length) return invalidField(task, 'parameter')
  return task.respond(page(c.page, c.subpage, statisticsOf(unit, c.parameter)), c.allocation)
}

const DiagnosticPage = layout('diagnostic_page', { code: u8, specific: u8, length: u16be }, { size: 4 })

/** SPC-4 6.27 with the pages of the Zone Domains branch: the list, and the statistics once more. */
function runReceiveDiagnostic(unit: ZonedUnit, task: Task, c: { pcv: number; page: number; allocation: number }): Result {
  if (c.pcv && c.page !== 0 && c.page !== STATISTICS.page) return invalidField(task, 'page')
  const list = !c.pcv || c.page === 0
  const body = list ? Uint8Array.of(0x00, STATISTICS.page) : statisticsOf(unit)
  const bytes = Buffer.concat([DiagnosticPage.encode({ code: list ? 0 : STATISTICS.page | 0x40, specific: list ? 0 : 1, length: body.length }), body])
  return task.respond(bytes, c.allocation)
}

export const logRows = (unit: ZonedUnit): CommandRow[] => [
  command({
    op: op.LOG_SENSE, name: 'LOG SENSE', cdb: LogSense, access: 'none', dataDirection: 'in', transfer: (c) => c.allocation, run: (_lun, task, c) => runLogSense(unit, task, c),
  }),
  command({
    op: op.RECEIVE_DIAGNOSTIC_RESULTS, name: 'RECEIVE DIAGNOSTIC RESULTS', cdb: ReceiveDiagnostic, access: 'none', dataDirection: 'in', transfer: (c) => c.allocation,
    run: (_lun, task, c) => runReceiveDiagnostic(unit, task, c),
  }),
]
