import { layout, skip, u16be, u8 } from '../../wire'
import { logPage, parameterFormat } from './page'

/** SPC-4 7.3.11 */
const General = layout('informational_exceptions_general', { asc: u16be, temperature: u8, reserved: skip(1) }, { size: 4 })
const NO_TEMPERATURE = 0xff

/** Log page 2Fh: nothing is predicted, and there is no thermometer. */
export const informationalExceptionsLog = logPage({
  code: 0x2f, name: 'Informational Exceptions',
  parameters: () => [{ code: 0, format: parameterFormat.BINARY_LIST, value: General.encode({ temperature: NO_TEMPERATURE }) }],
})
