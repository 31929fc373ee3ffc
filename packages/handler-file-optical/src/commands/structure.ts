import { ascii, bits, invalidField, layout, type Result, skip, type Task, u16be, u24be, u8 } from '@tcmu/host/scsi'
import { ReadDiscStructure } from '../cdb'
import { BD_ROM, CD_ROM, DVD_LAYER_BLOCKS, type Profile } from '../profiles'
import { answering, mmc, type MmcRow } from '../row'
import { illegal, mmcSense } from '../sense'
import type { Unit } from '../unit'

/** MMC-6 6.22.3: before every structure; its length counts itself not. */
export const StructureHeader = layout('disc_structure_header', { length: u16be, reserved: skip(2) }, { size: 4 })
/** MMC-6 table 411: one layer, followed by media specific bytes. */
export const DvdPhysical = layout('dvd_physical_format', {
  book: bits(u8, { bookType: [7, 4], partVersion: [3, 0] }), rate: bits(u8, { discSize: [7, 4], maximumRate: [3, 0] }),
  layers: bits(u8, { layers: [6, 5], oppositePath: 4, layerType: [3, 0] }), density: u8, zero1: skip(1), start: u24be, zero2: skip(1), end: u24be,
  zero3: skip(1), endOfLayer0: u24be, bca: bits(u8, { bca: 7 }), specific: skip(2031),
}, { size: 2048 })
const DvdCopyright = layout('dvd_copyright', { protection: u8, regions: u8, reserved: skip(2) }, { size: 4 })
const DvdManufacturer = layout('dvd_manufacturer', { text: skip(2048) }, { size: 2048 })
/** MMC-6 table 456: one disc information unit, of BD-ROM (identifier BDO), in an area of 4096 bytes. */
const BdInformation = layout('bd_disc_information', {
  identifier: ascii(2), formatNumber: u8, units: u8, layer: u8, unit: bits(u8, { continuation: 7, sequence: [6, 0] }), used: u8, reserved: skip(1),
  discType: ascii(3), size: u8, reserved2: skip(4084),
}, { size: 4096 })
const ListEntry = layout('structure_list_entry', { format: u8, flags: bits(u8, { sds: 7, rds: 6 }), length: u16be }, { size: 4 })

/** First physical sector of the data of a DVD-ROM (ECMA-267). */
const DVD_START = 0x030000
const MOST_SECTOR = 0xffffff
/** Table 413: what the maximum rate is is not said. */
const RATE_NOT_SPECIFIED = 0xf
const EMBOSSED = 1
const LIST = 0xff

/** Two layers lie in opposite directions: sector numbers of the second are the complements of those of the first. */
function dvdPhysical({ blocks }: Unit): Uint8Array {
  const two = blocks > DVD_LAYER_BLOCKS
  const first = two ? Math.ceil(blocks / 2) : blocks
  const endOfLayer0 = DVD_START + first - 1
  return DvdPhysical.encode({
    partVersion: 1, maximumRate: RATE_NOT_SPECIFIED, layers: two ? 1 : 0, oppositePath: two, layerType: EMBOSSED, start: DVD_START,
    end: two ? MOST_SECTOR - endOfLayer0 + (blocks - first) - 1 : endOfLayer0, endOfLayer0: two ? endOfLayer0 : 0,
  })
}

const DI_BYTES_USED = 52
const bdInformation = (): Uint8Array => BdInformation.encode({ identifier: 'DI', formatNumber: 1, units: 1, used: DI_BYTES_USED, discType: 'BDO' })

interface Structure {
  readonly format: number
  readonly size: number
  readonly data: (unit: Unit) => Uint8Array
}
const dvd: readonly Structure[] = [
  { format: 0x00, size: DvdPhysical.size, data: dvdPhysical },
  { format: 0x01, size: DvdCopyright.size, data: () => DvdCopyright.encode({}) },
  { format: 0x04, size: DvdManufacturer.size, data: () => DvdManufacturer.encode({}) },
]
const bd: readonly Structure[] = [{ format: 0x00, size: BdInformation.size, data: bdInformation }]

/** By MEDIA TYPE of the CDB. */
const kinds: readonly (readonly Structure[])[] = [dvd, bd]
const mediaType = (profile: Profile): number => (profile === BD_ROM ? 1 : 0)

const withHeader = (body: Uint8Array): Uint8Array => Buffer.concat([StructureHeader.encode({ length: body.length + 2 }), body])
const list = (structures: readonly Structure[]): Uint8Array => Buffer.concat([
  ...structures.map((s) => ListEntry.encode({ format: s.format, rds: 1, length: s.size + StructureHeader.size })),
  ListEntry.encode({ format: LIST, rds: 1, length: StructureHeader.size + (structures.length + 1) * ListEntry.size }),
])

type Asked = { mediaType: number; layer: number; format: number; allocation: number }
function runReadDiscStructure(unit: Unit, task: Task, c: Asked): Result {
  const { profile } = unit.medium!
  if (profile === CD_ROM) return illegal(unit, task, mmcSense.CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT)
  if (c.mediaType !== mediaType(profile)) return invalidField(task, 'mediaType', 3)
  const structures = kinds[c.mediaType]
  if (c.format === LIST) return task.respond(withHeader(list(structures)), c.allocation)
  const found = structures.find((s) => s.format === c.format)
  if (!found) return invalidField(task, 'format')
  if (c.layer > (unit.blocks > DVD_LAYER_BLOCKS ? 1 : 0)) return invalidField(task, 'layer')
  return task.respond(withHeader(found.data(unit)), c.allocation)
}

/** MMC-6 6.22; READ DVD STRUCTURE of earlier standards. */
export const readDiscStructure = mmc({
  op: 0xad, name: 'READ DISC STRUCTURE', cdb: ReadDiscStructure, ...answering, medium: true, run: runReadDiscStructure,
})

export const structureCommands: readonly MmcRow[] = [readDiscStructure]
