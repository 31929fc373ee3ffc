import type { Lun } from '../lun'
import { readErrorCounters, writeErrorCounters } from './counters'
import { informationalExceptionsLog } from './exceptions'
import { type LogPage, logPage } from './page'
import { provisioningLog } from './provisioning'
import { selfTestResults } from './self-test'

/** SUBPAGE CODE of the page that lists subpages too. */
const SUBPAGES = 0xff

/** Pages 00h, 00h/FFh and these, in order of their codes (SPC-4 7.3.22, 7.3.23). */
export function logPages(...pages: readonly LogPage[]): readonly LogPage[] {
  const of = (lun: Lun): readonly LogPage[] => all.filter((p) => p.when?.(lun) ?? true)
  const all: readonly LogPage[] = [
    logPage({ code: 0x00, name: 'Supported Log Pages', list: (lun) => Uint8Array.from(of(lun).filter((p) => p.subpage === 0).map((p) => p.code)) }),
    logPage({ code: 0x00, subpage: SUBPAGES, name: 'Supported Log Pages and Subpages', list: (lun) => Uint8Array.from(of(lun).flatMap((p) => [p.code, p.subpage])) }),
    ...pages,
  ].sort((a, b) => a.code - b.code || a.subpage - b.subpage)
  return Object.freeze(all)
}

/** Log pages of a block device. */
export const blockLogPages: readonly LogPage[] = [writeErrorCounters, readErrorCounters, provisioningLog, selfTestResults, informationalExceptionsLog]

export * from './page'
export { selfTestResult } from './self-test'
