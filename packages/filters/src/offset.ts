import { type BlockIo, type BlockRange, defineFilter, type FilterDevice } from '@tcmu/host/filter'

interface Options { readonly offset?: number; readonly size?: number }

const moved = <T extends BlockRange | BlockIo>(range: T, by: number): T =>
  ({ offset: range.offset + by, length: range.length, signal: range.signal, ...('data' in range && { data: range.data, fua: range.fua }) }) as unknown as T

/** A piece of what lies behind it, such as one partition of a disk. */
export default defineFilter({
  name: 'offset',
  summary: 'a part of the disk, from an offset on',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      offset: { type: 'integer', minimum: 0, description: 'Bytes left out at the start; a multiple of the block size.' },
      size: { type: 'integer', minimum: 512, description: 'Bytes of the part; to the end when left out.' },
    },
  },
  sizeBehind: (bytes, { offset = 0 }: Options) => bytes + offset,
  sizeHere: (bytes, { offset = 0, size = Infinity }: Options) => Math.min(size, Math.max(0, bytes - offset)),
  open: ({ options: { offset = 0, size = 0 }, blockSize, sizeBytes }: FilterDevice<Options>) => {
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
