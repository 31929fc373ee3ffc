import { bits, layout, type Layout, type Members, u16be, u8 } from '../../wire'
import type { Lun } from '../lun'
import type { Task } from '../task'

/** SPC-4 7.8.1 */
export const VpdHeader = layout('vpd_header', {
  peripheral: bits(u8, { qualifier: [7, 5], deviceType: [4, 0] }), page: u8, length: u16be,
}, { size: 4 })

/** A vital product data page as a value: who has it, and what is in it. */
export interface VpdPage {
  readonly code: number
  readonly name: string
  /** Left out: every unit has it. */
  readonly when?: (lun: Lun, task: Task) => boolean
  /** What follows the page header. */
  readonly body: (lun: Lun, task: Task) => Uint8Array
}

type Value<M extends Members> = Parameters<Layout<M>['encode']>[0]

/** A page of fixed layout; `fill` gives what is not zero. */
export const vpdPage = <M extends Members>(
  code: number, name: string, body: Layout<M>, fill: (lun: Lun) => Value<M>, when?: (lun: Lun) => boolean,
): VpdPage => Object.freeze({ code, name, body: (lun: Lun) => body.encode(fill(lun)), ...(when && { when }) })

/** The whole page with its header. */
export function encodePage(page: VpdPage, lun: Lun, task: Task): Uint8Array {
  const body = page.body(lun, task)
  const out = new Uint8Array(VpdHeader.size + body.length)
  VpdHeader.encode({ deviceType: lun.deviceType, page: page.code, length: body.length }, out)
  out.set(body, VpdHeader.size)
  return out
}
