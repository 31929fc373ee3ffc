import type { HandlerLog, IoFile } from '@tcmu/host/handler'
import type { ChainContext } from './context'
import { AppendedClusters } from './appended-clusters'
import type { Clusters } from './clusters'
import { CountedClusters } from './counted-clusters'
import { Eraser } from './eraser'
import { Flags } from './flags'
import { Incompatible } from './format'
import { has, isLazy } from './header'
import type { Layer } from './layer'
import { type Opened } from './open-file'
import { type Base, endOf, openBase, tableBytesOf } from './read-only'
import { ImageReader } from './reader'
import { ioFault, refuse } from './refuse'
import { repair } from './repair'
import { readSnapshots, type Snapshot } from './snapshots'
import { Survey } from './survey'
import { Tables } from './tables'
import type { Territory } from './territory'
import type { WalkParts } from './walk'
import { WriteBack } from './write-back'
import { ImageWriter, type WriterParts } from './writer'

export interface WritableOptions {
  readonly refcountCache: number
  readonly discard: boolean
  readonly writeBackSeconds: number
}

interface Parts {
  readonly base: Base
  readonly clusters: Clusters
  readonly counted: CountedClusters | undefined
  readonly snapshots: readonly Snapshot[]
  readonly snapshotBytes: number
  readonly backing: Layer | undefined
  readonly options: WritableOptions
  readonly log: HandlerLog
}

/** An image that is written to: the parts put together, its marks in the header, what runs beside commands. */
export class Image {
  readonly reader: ImageReader
  readonly writer: ImageWriter
  readonly eraser: Eraser
  readonly writeBack: WriteBack
  readonly flags: Flags
  private readonly lazy: boolean
  private survey: Survey | undefined
  private surveying: Promise<void> = Promise.resolve()
  private marking: Promise<void> | undefined = undefined
  private broken: string | undefined = undefined
  private timer: NodeJS.Timeout | undefined = undefined
  /** Undefined: it may be written. Else wait, and ask again. */
  readonly admit = (): Promise<void> | undefined => {
    if (this.broken !== undefined) return Promise.reject(ioFault('EIO', this.file.path, `it is not written any more, because ${this.broken}`))
    return this.lazy && !this.flags.dirty ? this.mark() : this.marking
  }
  /** `admit` has nothing to say. */
  readonly inPlace = (): boolean => this.broken === undefined && this.marking === undefined && (!this.lazy || this.flags.dirty)

  constructor(readonly parts: Parts) {
    const { base, clusters, counted, log } = parts
    const { file, header } = base.opened
    this.flags = new Flags(file, header)
    this.lazy = isLazy(header) && counted !== undefined
    const warn = (message: string): void => log.warn(message)
    this.writeBack = new WriteBack({ file, dataFile: base.dataFile, mapping: base.mapping, refcounts: counted?.refcounts, clusters, lazy: this.lazy, warn })
    this.reader = new ImageReader({
      file, header, dataFile: base.dataFile, mapping: base.mapping, backing: parts.backing, fileEnd: () => clusters.endBytes,
      damaged: (reason) => this.damaged(reason),
    })
    const tables = new Tables({ file, mapping: base.mapping, clusters, territory: base.territory, tableBytes: tableBytesOf(header) })
    const writing: WriterParts = {
      header, mapping: base.mapping, reader: this.reader, clusters, tables, writeBack: this.writeBack, external: base.dataFile !== undefined,
      admit: this.admit, inPlace: this.inPlace, changed: () => this.changed(),
    }
    this.writer = new ImageWriter(writing)
    this.eraser = new Eraser(writing, this.writer)
  }

  get file(): IoFile {
    return this.parts.base.opened.file
  }

  /** Counts may be behind from now on; whoever opens the image after a crash has to know. */
  private mark(): Promise<void> {
    return (this.marking ??= this.flags.set(Incompatible.DIRTY, true).finally(() => (this.marking = undefined)))
  }

  /** What commands changed goes to the medium even when nobody flushes. */
  private changed(): void {
    if (this.timer) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.writeBack.flush().catch((error: unknown) => {
        this.parts.log.error(`${this.file.path}: tables were not written back: ${(error as Error).message}`)
        this.changed()
      })
    }, this.parts.options.writeBackSeconds * 1000)
    this.timer.unref()
  }

  /** Entries point where they must not: say so once, in the image as well, and write nothing more. */
  private damaged(reason: string): void {
    if (this.broken !== undefined) return
    this.broken = reason
    this.parts.log.error(`${this.file.path} is damaged: ${reason}; it is marked corrupt and not written any more. Run \`qemu-img check -r all\` when it is not in use`)
    this.flags.set(Incompatible.CORRUPT, true).catch((error: unknown) => this.parts.log.error(`${this.file.path} was not marked corrupt: ${(error as Error).message}`))
  }

  private get walk(): WalkParts {
    const { base, counted, snapshots, snapshotBytes, clusters } = this.parts
    return { file: this.file, header: base.opened.header, mapping: base.mapping, refcounts: counted!.refcounts, snapshots, snapshotBytes, fileEnd: () => clusters.endBytes }
  }

  /** Make the image ready to be written. Nothing uses it yet. */
  async begin(): Promise<void> {
    const { counted, log } = this.parts
    if (!counted) return
    if (this.flags.dirty) {
      const { changed } = await repair(this.walk)
      await this.file.sync()
      await this.flags.set(Incompatible.DIRTY, false)
      log.info(`${this.file.path} was not closed: its reference counts were made anew, ${changed} differed`)
    }
    await this.flags.clearUnknownAutoclear()
    this.survey = new Survey(this.walk, counted)
    this.surveying = counted.trusting = this.survey.run().then(
      (found) => { if (found) log.warn(`${this.file.path}: ${found}; nothing of it is overwritten. Run \`qemu-img check -r all\` when it is not in use`) },
      (error: unknown) => log.warn(`${this.file.path} was not looked through, so it only grows: ${(error as Error).message}`),
    )
  }

  /** Free clusters inside the file are known. */
  surveyed(): Promise<void> {
    return this.surveying
  }

  async close(): Promise<void> {
    clearTimeout(this.timer)
    if (this.survey) this.survey.stopped = true
    await this.surveying
    try {
      await this.writeBack.finish()
      if (this.lazy && this.flags.dirty) await this.flags.set(Incompatible.DIRTY, false)
    } finally {
      clearTimeout(this.timer)
      await this.reader.close()
    }
  }
}

/** Claim what lies in the file beside tables and data, before entries are judged. */
async function claimMetadata(opened: Opened, counted: CountedClusters, territory: Territory): Promise<{ snapshots: Snapshot[]; bytes: number }> {
  const { file, header } = opened
  const { clusterSize } = header
  const end = endOf(opened)
  const fine = await counted.refcounts.readTable((host) => host % clusterSize === 0 && host + clusterSize <= end && territory.freeAt(host))
  if (!fine) throw refuse('E_QCOW_DAMAGED', { path: file.path, reason: 'its refcount table points to where no reference counts can be' })
  for (const block of counted.refcounts.table) if (block > 0) territory.own(block, clusterSize)
  const found = await readSnapshots(file, header, end)
  if (found.bytes > 0) territory.own(header.snapshots.offset, found.bytes)
  for (const s of found.snapshots) if (s.l1Entries > 0) territory.own(s.l1Offset, s.l1Entries * 8)
  return found
}

/** Takes the file: it is closed when this rejects. */
export async function openImage(context: ChainContext, opened: Opened, backing: Layer | undefined, options: WritableOptions): Promise<Image> {
  const { file, header } = opened
  let base: Base | undefined
  try {
    if (has(header.incompatible, Incompatible.CORRUPT)) throw refuse('E_QCOW_CORRUPT', { path: file.path })
    let clusters: Clusters
    let counted: CountedClusters | undefined
    let found: { snapshots: Snapshot[]; bytes: number } = { snapshots: [], bytes: 0 }
    base = await openBase(context, opened, () => clusters.endBytes, async (territory) => {
      if (header.version === 1) clusters = new AppendedClusters(file, header.clusterSize)
      else {
        clusters = counted = new CountedClusters(file, header, options.refcountCache, { territory, discard: options.discard, warn: (m) => context.log.warn(m) })
        found = await claimMetadata(opened, counted, territory)
      }
    })
    const image = new Image({ base, clusters: clusters!, counted, snapshots: found.snapshots, snapshotBytes: found.bytes, backing, options, log: context.log })
    await image.begin()
    return image
  } catch (error) {
    await Promise.all([file.close(), base?.dataFile?.close(), backing?.close()])
    throw error
  }
}
