import path from 'node:path'
import { StateFile, StateFileError } from './state-file'

const KIND = 'mode parameters'
const VERSION = 1

interface Page {
  readonly code: number
  readonly subpage: number
}
const keyOf = ({ code, subpage }: Page): string => `${code.toString(16).padStart(2, '0')}/${subpage.toString(16).padStart(2, '0')}`

/** Hexadecimal bodies by page, as they are kept; undefined when `data` is nothing of the kind. */
function pagesIn(data: unknown): Map<string, Uint8Array> | undefined {
  const { pages } = (data ?? {}) as { pages?: unknown }
  if (typeof pages !== 'object' || pages === null) return undefined
  const all = Object.entries(pages as Record<string, unknown>)
  const good = all.every(([key, body]) => /^[0-9a-f]{2}\/[0-9a-f]{2}$/.test(key) && typeof body === 'string' && /^([0-9a-f]{2})*$/.test(body))
  return good ? new Map(all.map(([key, body]) => [key, Buffer.from(body as string, 'hex')])) : undefined
}

/** The mode parameters that initiators have saved of one device: `NAME.modes.json` in the folder of states. */
export class ModeFile {
  private readonly state: StateFile
  private pages: ReadonlyMap<string, Uint8Array>

  /** Throws a StateFileError when there are some that cannot be used. */
  constructor(directory: string, name: string) {
    this.state = new StateFile(path.join(directory, `${encodeURIComponent(name)}.modes.json`), KIND, VERSION)
    const data = this.state.read()
    const pages = data === undefined ? new Map<string, Uint8Array>() : pagesIn(data)
    if (!pages) throw new StateFileError(this.state.file, 'it holds no mode pages')
    this.pages = pages
  }

  get(page: Page): Uint8Array | undefined {
    return this.pages.get(keyOf(page))
  }

  /** Resolves when they would outlive a loss of power; until then `get` gives what was there. */
  async save(pages: readonly (Page & { readonly body: Uint8Array })[]): Promise<void> {
    const all = new Map([...this.pages, ...pages.map((p) => [keyOf(p), p.body] as const)])
    await this.state.write({ pages: Object.fromEntries([...all].map(([key, body]) => [key, Buffer.from(body).toString('hex')])) })
    this.pages = all
  }
}
