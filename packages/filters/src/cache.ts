import { type BlockIo, defineFilter, type FilterDevice, type Next, Segments, Status } from '@tcmu/host/filter'
import { bytesOf } from './units'

interface Options { readonly size?: string }
const PAGE = 64 * 1024
const DEFAULT_SIZE = 64 * 1024 * 1024

/** Pages of the medium in memory, the one used last at the end. Writes go through it at once. */
class Pages {
  private readonly pages = new Map<number, Buffer>()
  /** Raised by every write to a page: what was read before is not kept then. */
  private readonly versions = new Map<number, number>()
  constructor(private readonly most: number, private sizeBytes: number) {}

  version(page: number): number {
    return this.versions.get(page) ?? 0
  }

  get(page: number): Buffer | undefined {
    const bytes = this.pages.get(page)
    if (bytes) {
      this.pages.delete(page)
      this.pages.set(page, bytes)
    }
    return bytes
  }

  put(page: number, bytes: Buffer, version: number): void {
    if (this.version(page) !== version) return
    this.pages.set(page, bytes)
    if (this.pages.size > this.most) this.pages.delete(this.pages.keys().next().value!)
  }

  /** What is cached of a range is not what is on the medium any more. */
  drop(offset: number, length: number): void {
    for (let page = Math.floor(offset / PAGE); page * PAGE < offset + length; page++) {
      this.pages.delete(page)
      this.versions.set(page, this.version(page) + 1)
      if (this.versions.size > MOST_VERSIONS) this.forget()
    }
  }

  /** Too many numbers to keep: nothing that is being read now may be kept either. */
  private forget(): void {
    this.versions.clear()
    this.pages.clear()
    this.generation++
  }
  generation = 0

  /** What is beyond a smaller size is not what comes back with a larger one. */
  resized(sizeBytes: number): void {
    this.sizeBytes = sizeBytes
    this.forget()
  }

  /** Not the last one, which may be short, and may grow. */
  isWhole(page: number): boolean {
    return (page + 1) * PAGE <= this.sizeBytes
  }
}
const MOST_VERSIONS = 1 << 20

async function fill(pages: Pages, page: number, io: BlockIo, next: Next): Promise<Buffer | Status> {
  const cached = pages.get(page)
  if (cached) return cached
  const version = pages.version(page)
  const { generation } = pages
  const bytes = Buffer.alloc(PAGE)
  const status = (await next.read({ data: Segments.of(bytes), offset: page * PAGE, length: bytes.length, fua: false, signal: io.signal })) ?? Status.OK
  if (status !== Status.OK) return status
  if (generation === pages.generation) pages.put(page, bytes, version)
  return bytes
}

async function read(pages: Pages, io: BlockIo, next: Next): Promise<Status> {
  const end = io.offset + io.length
  for (let page = Math.floor(io.offset / PAGE); page * PAGE < end; page++) {
    const from = Math.max(io.offset, page * PAGE)
    const to = Math.min(end, (page + 1) * PAGE)
    if (!pages.isWhole(page)) return (await next.read({ data: io.data.slice(from - io.offset), offset: from, length: end - from, fua: false, signal: io.signal })) ?? Status.OK
    const bytes = await fill(pages, page, io, next)
    if (typeof bytes === 'number') return bytes
    io.data.set(bytes.subarray(from - page * PAGE, to - page * PAGE), from - io.offset)
  }
  return Status.OK
}

/** Dropped before and after: what is read meanwhile may be either. */
async function through(pages: Pages, { offset, length }: { offset: number; length: number }, run: () => unknown): Promise<Status> {
  pages.drop(offset, length)
  try {
    return ((await run()) ?? Status.OK) as Status
  } finally {
    pages.drop(offset, length)
  }
}

/** Reads come out of memory where they can; writes go through. */
export default defineFilter({
  name: 'cache',
  summary: 'what was read stays in memory; writes go through',
  // Of a read over several pages one may be from memory and older than another: nothing is whole or not at all here.
  declare: (p) => ({ ...p, maxAtomicBlocks: 0 }),
  open: ({ options, sizeBytes }: FilterDevice<Options>) => new Pages(Math.max(1, Math.floor(bytesOf(options.size, DEFAULT_SIZE) / PAGE)), sizeBytes),
  resized: (pages, bytes) => pages.resized(bytes),
  read,
  write: (pages, io, next) => through(pages, io, () => next.write(io)),
  unmap: (pages, range, next) => through(pages, range, () => next.unmap!(range)),
  writeSame: (pages, io, next) => through(pages, io, () => next.writeSame!(io)),
  compareAndWrite: (pages, io, next) => through(pages, io, () => next.compareAndWrite!(io)),
})
