import { TWO32 } from './format'
import type { ImageHeader } from './header'

/** How entries are written in one version: masks over the two halves. */
export interface EntryForm {
  readonly compressed: number
  /** 0 in version 1: every cluster may be written in place. */
  readonly copied: number
  readonly hostHigh: number
  readonly hostLow: number
  /** "Reads as zeroes"; 0 where there is no such bit. */
  readonly zero: number
  readonly reservedHigh: number
  readonly reservedLow: number
}
const formV1: EntryForm = { compressed: 0x80000000, copied: 0, hostHigh: 0x7fffffff, hostLow: 0xffffffff, zero: 0, reservedHigh: 0, reservedLow: 0 }
const formV2: EntryForm = { compressed: 0x40000000, copied: 0x80000000, hostHigh: 0x00ffffff, hostLow: 0xfffffe00, zero: 0, reservedHigh: 0x3f000000, reservedLow: 0x1ff }
const formV3: EntryForm = { ...formV2, zero: 1, reservedLow: 0x1fe }

export const formOf = (h: ImageHeader): EntryForm => (h.version === 1 ? formV1 : h.version === 3 && h.entryBytes === 8 ? formV3 : formV2)

/** The cluster that an entry names. */
export const hostOf = (form: EntryForm, high: number, low: number): number => (high & form.hostHigh) * TWO32 + ((low & form.hostLow) >>> 0)

/** The halves of an entry for a cluster; `copied`: it belongs to that entry alone. */
export const entryFor = (form: EntryForm, host: number, copied = true): { high: number; low: number } =>
  ({ high: (Math.floor(host / TWO32) | (copied ? form.copied : 0)) >>> 0, low: host % TWO32 })

/** Whether a cluster that an entry names can be one. `table`: it is an L2 table. */
export type Plausible = (host: number, table: boolean) => boolean
