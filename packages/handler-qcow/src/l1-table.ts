import type { IoFile } from '@tcmu/host/handler'
import { type Piece, readBytes } from './disk'
import { entryFor, type EntryForm, hostOf, type Plausible } from './entry-form'
import { Entry } from './format'
import type { ImageHeader } from './header'
import type { Changes } from './slices'

const L1_SECTOR = 512
const BAD_TABLE = -1

/** The L1 table, whole in memory: where the L2 tables are. */
export class L1Table {
  /** Position of each L2 table; 0: there is none, negative: its entry cannot be. */
  host: Float64Array
  /** Whether a table may be written in place. */
  copied: Uint8Array
  /** Position of this table. */
  offset: number
  private readonly dirty = new Set<number>()
  /** Entries that cannot be, as they are in the file: they stay what they are. */
  private readonly bad = new Map<number, { high: number; low: number }>()

  constructor({ l1Offset, l1Entries }: ImageHeader, private readonly form: EntryForm) {
    this.offset = l1Offset
    this.host = new Float64Array(l1Entries)
    this.copied = new Uint8Array(l1Entries)
  }

  /** Read it. Entries that cannot be are remembered as bad. */
  async read(file: IoFile, header: ImageHeader, plausible: Plausible): Promise<void> {
    const bytes = await readBytes(file, header.l1Offset, header.l1Entries * Entry.size)
    const view = new DataView(bytes.buffer)
    const { form } = this
    const seen = new Set<number>()
    for (let i = 0; i < header.l1Entries; i++) {
      const high = view.getUint32(i * Entry.size + Entry.at.high)
      const low = view.getUint32(i * Entry.size + Entry.at.low)
      const host = hostOf(form, high, low)
      const reserved = header.version === 1 ? (high & 0x80000000) !== 0 : ((high & 0x7f000000) | (low & 0x1ff)) !== 0
      this.host[i] = reserved || (host !== 0 && (seen.has(host) || !plausible(host, true))) ? BAD_TABLE : host
      seen.add(host)
      if (this.host[i] === BAD_TABLE) this.bad.set(i, { high, low })
      this.copied[i] = form.copied === 0 || (high & form.copied) !== 0 ? 1 : 0
    }
  }

  get changed(): boolean {
    return this.dirty.size > 0
  }

  /** A table is at another place now, and belongs to this entry alone. */
  set(index: number, host: number): void {
    this.host[index] = host
    this.copied[index] = 1
    this.dirty.add(Math.floor((index * Entry.size) / L1_SECTOR))
  }

  encode(first: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count * Entry.size)
    for (let i = 0; i < count; i++) {
      const host = this.host[first + i] ?? 0
      const bad = this.bad.get(first + i)
      if (bad) Entry.encode(bad, bytes, i * Entry.size)
      if (host > 0) Entry.encode(entryFor(this.form, host, this.copied[first + i] === 1), bytes, i * Entry.size)
    }
    return bytes
  }

  /** Its changed parts, as they are now. */
  take(): Changes {
    const sectors = [...this.dirty]
    this.dirty.clear()
    const per = L1_SECTOR / Entry.size
    const pieces = sectors.map((s): Piece => ({
      offset: this.offset + s * L1_SECTOR, bytes: this.encode(s * per, Math.min(per, this.host.length - s * per)),
    }))
    return { pieces, done: (written) => { if (!written) for (const s of sectors) this.dirty.add(s) } }
  }

  /** It is at another place now, and longer; what changed and was not written yet goes there. */
  move(offset: number, entries: number): void {
    const host = new Float64Array(entries)
    const copied = new Uint8Array(entries).fill(1)
    host.set(this.host)
    copied.set(this.copied)
    this.host = host
    this.copied = copied
    this.offset = offset
  }
}
