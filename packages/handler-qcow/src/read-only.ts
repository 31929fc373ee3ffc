import type { IoFile } from '@tcmu/host/handler'
import type { ChainContext } from './context'
import { Entry } from './format'
import type { ImageHeader } from './header'
import type { Layer } from './layer'
import { Mapping } from './mapping'
import { openDataFile } from './data-file'
import type { Plausible } from './entry-form'
import { type Opened } from './open-file'
import { ImageReader } from './reader'
import { Territory } from './territory'

/** What every image has, read and checked. */
export interface Base {
  readonly opened: Opened
  readonly dataFile: IoFile | undefined
  readonly mapping: Mapping
  readonly territory: Territory
}

export const tableBytesOf = (h: ImageHeader): number => h.tableEntries * h.entryBytes

/** The metadata a header alone tells of. */
function territoryOf(h: ImageHeader): Territory {
  const t = new Territory(h.clusterSize)
  t.own(0, 1)
  if (h.l1Entries > 0) t.own(h.l1Offset, h.l1Entries * Entry.size)
  if (h.refcounts) t.own(h.refcounts.tableOffset, h.refcounts.tableClusters * h.clusterSize)
  return t
}

/** Whether an entry can point to `host`: on a boundary, inside the file, and not to metadata. */
function plausibility(h: ImageHeader, territory: Territory, fileEnd: () => number): Plausible {
  const align = h.version === 1 ? 512 : h.clusterSize
  return (host, table) => host % align === 0 && territory.freeAt(host) && host + (table ? tableBytesOf(h) : h.clusterSize) <= fileEnd()
}

/** `fileEnd`: where the file ends by now, rounded up to clusters. `prepare` may claim more before the L1 table is judged. */
export async function openBase(context: ChainContext, opened: Opened, fileEnd: () => number, prepare?: (territory: Territory) => Promise<void>): Promise<Base> {
  const { file, header } = opened
  const territory = territoryOf(header)
  await prepare?.(territory)
  const plausible = plausibility(header, territory, fileEnd)
  const mapping = new Mapping(file, header, context.cacheBytes, plausible)
  await mapping.l1.read(file, header, plausible)
  for (const table of mapping.l1.host) if (table > 0) territory.own(table, tableBytesOf(header))
  return { opened, dataFile: await openDataFile(context, opened), mapping, territory }
}

export const endOf = ({ file, header }: Opened): number => Math.ceil(file.size / header.clusterSize) * header.clusterSize

/** An image that is only read. Takes the file: it is closed when this rejects. */
export async function openReader(context: ChainContext, opened: Opened, below: (header: ImageHeader) => Promise<Layer | undefined>): Promise<ImageReader> {
  const { file, header } = opened
  const fileEnd = (): number => endOf(opened)
  let base: Base | undefined
  try {
    base = await openBase(context, opened, fileEnd)
    const damaged = (reason: string): void => context.log.error(`${file.path}: ${reason}; run \`qemu-img check\``)
    return new ImageReader({ file, header, dataFile: base.dataFile, mapping: base.mapping, backing: await below(header), fileEnd, damaged })
  } catch (error) {
    await Promise.all([file.close(), base?.dataFile?.close()])
    throw error
  }
}
