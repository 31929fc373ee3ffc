import { layout, u32be } from '@tcmu/host/scsi'

/** SAM-5 4.7 addressing methods, bits 7 and 6 of a LUN. */
const METHOD = { PERIPHERAL: 0, FLAT: 1, EXTENDED: 3 } as const
const MAX_PERIPHERAL = 255
export const MAX_LUN = 16383
/** REPORT LUNS well-known logical unit, C101 0000 0000 0000h (SPC-4 8.1). */
const REPORT_LUNS_W_LUN = 0xc1010000

/** What a LUN field addresses that no number of ours does. */
export const NO_LUN = -1
export const WELL_KNOWN_REPORT_LUNS = -2

/** The LUN number of a LUN field given as two words: single level, peripheral device or flat space addressing. */
export function lunNumber(high: number, low: number): number {
  if (high === REPORT_LUNS_W_LUN && low === 0) return WELL_KNOWN_REPORT_LUNS
  if (low !== 0 || (high & 0xffff) !== 0) return NO_LUN
  const method = high >>> 30
  const rest = (high >>> 16) & 0x3fff
  if (method === METHOD.FLAT) return rest
  return method === METHOD.PERIPHERAL && rest <= MAX_PERIPHERAL ? rest : NO_LUN
}

/** High word of the LUN field: peripheral addressing to 255, flat space above, as initiators expect. */
export const lunHigh = (number: number): number =>
  (number <= MAX_PERIPHERAL ? number * 0x10000 : (METHOD.FLAT * 0x4000 + number) * 0x10000) >>> 0

/** One entry of REPORT LUNS data (SPC-4 6.33). */
export const LunEntry = layout('lun', { high: u32be, low: u32be }, { size: 8 })
