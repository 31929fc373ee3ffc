import { type BlockIo, type BlockRange, defineFilter, type FilterDevice } from '@tcmu/host/filter'
import { bytesOf } from './units'

interface Options { readonly offset?: string; readonly size?: string }
const startOf = ({ offset }: Options): number => bytesOf(offset, 0)

const moved = <T extends BlockRange | BlockIo>(range: T, by: number): T =>
  ({ offset: range.offset + by, length: range.length, signal: range.signal, ...('data' in range && { data: range.data, fua: range.fua }) }) as unknown as T

/** A piece of what lies behind it, such as one partition of a disk. */
export default defineFilter({
  name: 'offset',
  summary: 'a part of the disk, from an offset on',
  // Storage is counted for the whole.
  without: ['space'],
  sizeBehind: (bytes, options: Options) => bytes + startOf(options),
  sizeHere: (bytes, options: Options) => Math.min(bytesOf(options.size, Infinity), Math.max(0, bytes - startOf(options))),
  open: ({ options, blockSize, sizeBytes }: FilterDevice<Options>) => {
    const [offset, size] = [startOf(options), bytesOf(options.size, 0)]
    if (offset % blockSize || size % blockSize) throw new Error(`offset ${offset} and size ${size} must be multiples of the block size ${blockSize}`)
    if (offset + size > sizeBytes) throw new Error(`the part ends at ${offset + size}, behind the ${sizeBytes} bytes there are`)
    return offset
  },
  read: (by, io, next) => next.read(moved(io, by)),
  write: (by, io, next) => next.write(moved(io, by)),
  unmap: (by, range, next) => next.unmap!(moved(range, by)),
  writeSame: (by, io, next) => next.writeSame!(moved(io, by)),
  compareAndWrite: (by, io, next) => next.compareAndWrite!(moved(io, by)),
  extents: async (by, range, next) => (await next.extents!(moved(range, by))).map((e) => ({ ...e, offset: e.offset - by })),
})
