import type { VpdPage } from './page'

/** VPD 00h: the pages that the unit has, itself among them (SPC-4 7.8.14). */
export const supportedPages = (pages: () => readonly VpdPage[]): VpdPage => Object.freeze<VpdPage>({
  code: 0x00,
  name: 'Supported VPD Pages',
  body: (lun, task) => Uint8Array.from(pages().filter((p) => p.when?.(lun, task) ?? true).map((p) => p.code)),
})
