import type { IoFile } from '@tcmu/host/handler'
import { writeBytes } from './disk'
import { Autoclear, Entry, HeaderV3, headerV3At, Incompatible } from './format'
import type { ImageHeader } from './header'

/** The feature words of a version 3 header, as they change while the image is open. */
export class Flags {
  private incompatible: number
  private writing: Promise<void> = Promise.resolve()

  constructor(private readonly file: IoFile, private readonly header: ImageHeader) {
    this.incompatible = header.incompatible
  }

  get dirty(): boolean {
    return (this.incompatible & Incompatible.DIRTY) !== 0
  }

  /** Set or clear bits; on the medium when it settles. Version 2 has none. */
  set(bits: number, on: boolean): Promise<void> {
    if (this.header.version < 3) return Promise.resolve()
    this.incompatible = on ? this.incompatible | bits : this.incompatible & ~bits
    // One after another, each what is known by then: two at once could end with the older.
    const mine = this.writing.then(() => this.write(HeaderV3.at.incompatibleHigh, 0, this.incompatible))
    this.writing = mine.catch(() => undefined)
    return mine
  }

  /** Bits whose meaning somebody who does not know them would break, those of bitmaps among them. */
  async clearUnknownAutoclear(): Promise<void> {
    const { autoclear, autoclearHigh, dataFile } = this.header
    const kept = dataFile !== undefined ? autoclear & Autoclear.RAW_DATA_FILE : 0
    if (this.header.version === 3 && (kept !== autoclear || autoclearHigh !== 0)) await this.write(HeaderV3.at.autoclearHigh, 0, kept)
  }

  private async write(field: number, high: number, low: number): Promise<void> {
    await writeBytes(this.file, headerV3At + field, Entry.encode({ high, low }))
    await this.file.sync()
  }
}
