import { layout, u64be } from '../../wire'
import type { Lun, Statistics } from '../lun'
import { type LogPage, logPage, parameterFormat } from './page'

/** SPC-4 table 338: parameter of the error counter pages. */
const TOTAL_BYTES = 0x0005
const Counter = layout('data_counter', { value: u64be }, { size: 8 })

/** An error counter page with what is counted here: bytes. The backend corrects errors, if anybody does. */
const bytesPage = (code: number, name: string, of: keyof Statistics): LogPage => logPage({
  code, name,
  parameters: (lun: Lun, zeroed) => [{ code: TOTAL_BYTES, format: parameterFormat.COUNTER, value: Counter.encode({ value: zeroed ? 0 : lun.history!.statistics[of] }) }],
})

/** Log pages 02h and 03h (SPC-4 7.3.6). */
export const writeErrorCounters = bytesPage(0x02, 'Write Error Counters', 'writtenBytes')
export const readErrorCounters = bytesPage(0x03, 'Read Error Counters', 'readBytes')
