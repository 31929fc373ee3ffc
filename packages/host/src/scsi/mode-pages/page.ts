import { bits, type Layout, layout, type Members, u16be, u8, type ValueOf } from '../../wire'
import type { Lun, Result } from '../lun'

/** SPC-4 7.5.7 page_0 format and sub_page format. */
const PageHeader = layout('mode_page', { first: bits(u8, { ps: 7, spf: 6, code: [5, 0] }), length: u8 }, { size: 2 })
const SubpageHeader = layout('mode_subpage', {
  first: bits(u8, { ps: 7, spf: 6, code: [5, 0] }), subpage: u8, length: u16be,
}, { size: 4 })

/** Page control field of MODE SENSE (SPC-4 table 204). */
export const pageControl = { CURRENT: 0, CHANGEABLE: 1, DEFAULT: 2, SAVED: 3 } as const

/** A mode page as a value: MODE SENSE answers from it, MODE SELECT is validated by it. */
export interface ModePage {
  readonly code: number
  readonly subpage: number
  readonly name: string
  /** Bytes after the page header. */
  readonly size: number
  /** Left out: every unit has it. */
  when?(lun: Lun): boolean
  /** The page without its header, by page control (not SAVED). */
  body(lun: Lun, pc: number): Uint8Array
  /** Take values that MODE SELECT has validated. */
  apply?(lun: Lun, body: Uint8Array): Result
}

type Value<M extends Members> = Parameters<Layout<M>['encode']>[0]
interface PageParts<M extends Members> {
  readonly subpage?: number
  readonly when?: (lun: Lun) => boolean
  /** Left out: all zero. */
  readonly defaults?: (lun: Lun) => Value<M>
  /** Left out: as the defaults. */
  readonly current?: (lun: Lun) => Value<M>
  /** All ones in what MODE SELECT may change. */
  readonly changeable?: (lun: Lun) => Value<M>
  readonly apply?: (lun: Lun, value: ValueOf<M>) => Result
}

/** Declare a page; `body` lays out what follows the page header. */
export function modePage<M extends Members>(code: number, name: string, body: Layout<M>, parts: PageParts<M>): ModePage {
  const none = (): Value<M> => ({}) as Value<M>
  const { defaults = none, current = defaults, changeable = none, apply } = parts
  const values = [current, changeable, defaults]
  return Object.freeze<ModePage>({
    code, name, subpage: parts.subpage ?? 0, size: body.size,
    body: (lun, pc) => body.encode((values[pc] ?? current)(lun)),
    ...(parts.when && { when: parts.when }),
    ...(apply && { apply: (lun: Lun, bytes: Uint8Array) => apply(lun, body.decode(bytes)) }),
  })
}

/** PS: somebody keeps values for the unit, and the page has some that can be changed. */
export const isSavable = (page: ModePage, lun: Lun): boolean =>
  lun.savedModes !== undefined && page.apply !== undefined && page.body(lun, pageControl.CHANGEABLE).some((b) => b !== 0)

/** What the page has after power on: the defaults, and in what can be changed what was saved (SPC-4 6.13.3). */
export function savedBody(page: ModePage, lun: Lun): Uint8Array {
  const defaults = page.body(lun, pageControl.DEFAULT)
  const saved = isSavable(page, lun) ? lun.savedModes!.get(page) : undefined
  if (saved?.length !== defaults.length) return defaults
  const changeable = page.body(lun, pageControl.CHANGEABLE)
  return defaults.map((b, i) => (b & ~changeable[i]!) | (saved[i]! & changeable[i]!))
}

/** The page with its header. */
export function encodeModePage(page: ModePage, lun: Lun, pc: number): Uint8Array {
  const ps = isSavable(page, lun)
  const header = page.subpage === 0
    ? PageHeader.encode({ ps, code: page.code, length: page.size })
    : SubpageHeader.encode({ ps, spf: 1, code: page.code, subpage: page.subpage, length: page.size })
  return Buffer.concat([header, pc === pageControl.SAVED ? savedBody(page, lun) : page.body(lun, pc)])
}

/** Head of a page in a parameter list; undefined when less than that is left. */
export function decodePageHeader(list: Uint8Array, at: number): { code: number; subpage: number; length: number; size: number } | undefined {
  if (at + PageHeader.size > list.length) return undefined
  const short = PageHeader.decode(list, at)
  if (!short.spf) return { code: short.code, subpage: 0, length: short.length, size: PageHeader.size }
  if (at + SubpageHeader.size > list.length) return undefined
  const long = SubpageHeader.decode(list, at)
  return { code: long.code, subpage: long.subpage, length: long.length, size: SubpageHeader.size }
}
