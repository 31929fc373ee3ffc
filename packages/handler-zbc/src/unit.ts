import { type DeviceInfo, type IoFile } from '@tcmu/host/handler'
import type { ModePage, Result, VpdPage } from '@tcmu/host/scsi'
import { ZoneCommands } from './commands'
import type { Image } from './image'
import { Medium } from './medium'
import { Writes } from './writes'
import type { Zone } from './zone'

/** How the two subtypes, and the dialects of one of them, differ to an initiator. */
export interface Personality {
  readonly deviceType: () => number
  /** As READ CAPACITY tells it, and whether that is the whole medium (RC BASIS 01b) or the CMR capacity (00b). */
  readonly reportedBlocks: () => number
  readonly wholeMedium: () => boolean
  readonly vpdPages: readonly VpdPage[]
  readonly modePages: () => readonly ModePage[]
  /** Reporting options of REPORT ZONES beside those of every zoned disk. */
  readonly reportOptions: ReadonlyMap<number, (zone: Zone) => boolean>
  /** Service action of SEQUENTIALIZE ZONE; undefined when there is none. */
  readonly sequentialize: number | undefined
  /** ALL with a zone count is refused. */
  readonly strictAll: boolean
  /** FORMAT UNIT, where it is more than emptying every zone. */
  readonly format?: (unit: ZonedUnit) => Result
}

/** An open zoned device. */
export class ZonedUnit {
  readonly medium: Medium
  readonly writes: Writes
  readonly commands: ZoneCommands

  /** `source` has the image, and may come to have another over the same file. */
  constructor(
    private readonly source: { readonly image: Image }, readonly lbaBytes: number, readonly dev: DeviceInfo, readonly personality: Personality, tracked = false,
  ) {
    const current = (): Image => this.source.image
    this.medium = new Medium(source.image.file, () => this.source.image.table, lbaBytes)
    this.writes = new Writes(current, lbaBytes, tracked)
    this.commands = new ZoneCommands(current, this.writes, lbaBytes)
  }

  get image(): Image {
    return this.source.image
  }
  get file(): IoFile {
    return this.image.file
  }

  async close(): Promise<void> {
    await this.image.journal.idle()
    try {
      await this.file.sync()
    } finally {
      await this.file.close()
    }
  }
}
