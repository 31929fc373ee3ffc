import { type BlockIo, defineFilter, type FilterDevice, type Next, Segments, Status } from '@tcmu/host/filter'

/** As the schema in package.json has them. */
interface Options { readonly key?: number }
/** What `open` gives, and every callback gets. */
interface State { readonly key: number }

const combined = ({ key }: State, bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ key)

async function read(state: State, io: BlockIo, next: Next): Promise<Status> {
  const status = (await next.read(io)) ?? Status.OK
  if (status === Status.OK) io.data.set(combined(state, io.data.toBuffer()))
  return status
}

/** The medium holds other bits than initiators see: a filter that changes data, to be replaced by something better. */
export default defineFilter({
  name: '__FILTER__',
  summary: 'the medium holds other bits',

  // Callbacks of the handler that would move data past this filter: without them the host reads and writes instead.
  without: ['unmap', 'writeSame', 'compareAndWrite', 'extents'],

  // What the device says of itself must stay true.
  declare: (properties) => ({ ...properties, unmappedReadsZero: false }),

  // After what is behind it. Throw to refuse.
  open: ({ options: { key = 255 } }: FilterDevice<Options>): State => ({ key }),

  // What is not mentioned here, such as `flush`, passes by and costs nothing.
  read,
  write: (state, io, next) => next.write({ data: Segments.of(combined(state, io.data.toBuffer())), offset: io.offset, length: io.length, fua: io.fua, signal: io.signal }),
})
