import { bits, layout, u16be, u8 } from '../../wire'
import type { Lun } from '../lun'

/** SPC-4 7.3.2 */
export const LogPageHeader = layout('log_page', { first: bits(u8, { ds: 7, spf: 6, code: [5, 0] }), subpage: u8, length: u16be }, { size: 4 })
/** SPC-4 7.3.2.2 */
export const LogParameterHeader = layout('log_parameter', {
  code: u16be, control: bits(u8, { du: 7, tsd: 5, etc: 4, tmc: [3, 2], format: [1, 0] }), length: u8,
}, { size: 4 })

/** FORMAT AND LINKING: a bounded data counter, or a list in binary format. */
export const parameterFormat = { COUNTER: 0, BINARY_LIST: 3 } as const

export interface LogParameter {
  readonly code: number
  readonly format: number
  readonly value: Uint8Array
}

/** A log page as a value: LOG SENSE answers from it. */
export interface LogPage {
  readonly code: number
  readonly subpage: number
  readonly name: string
  /** Left out: every unit has it. */
  when?(lun: Lun): boolean
  /** In ascending order of their codes. `zeroed`: as after a reset of the counters. */
  parameters?(lun: Lun, zeroed: boolean): readonly LogParameter[] | Promise<readonly LogParameter[]>
  /** Of pages that have no parameters: what follows the header. */
  list?(lun: Lun): Uint8Array
}

export const logPage = (page: Omit<LogPage, 'subpage'> & { readonly subpage?: number }): LogPage => Object.freeze({ subpage: 0, ...page })

export function encodeParameter({ code, format, value }: LogParameter): Uint8Array {
  return Buffer.concat([LogParameterHeader.encode({ code, format, length: value.length }), value])
}

/** The page with its header; DS says that nothing of it is saved. */
export function encodeLogPage(page: LogPage, body: Uint8Array): Uint8Array {
  const header = LogPageHeader.encode({ ds: page.parameters !== undefined, spf: page.subpage !== 0, code: page.code, subpage: page.subpage, length: body.length })
  return Buffer.concat([header, body])
}
