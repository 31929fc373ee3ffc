import { type BlockIo, defineFilter, type FilterDevice, type Next, Segments, Status } from '@tcmu/host/filter'
import { GRANULE, Overlay } from './overlay'

interface Options { readonly overlay: string }

interface State {
  readonly overlay: Overlay
  readonly sizeBytes: number
  /** Granules that are being copied up, or written for the first time. */
  readonly busy: Map<number, Promise<unknown>>
}

/** Pieces of a range, each within one granule. */
function* granulesOf(offset: number, length: number): Generator<{ granule: number; from: number; at: number; bytes: number }> {
  for (let at = 0; at < length;) {
    const granule = Math.floor((offset + at) / GRANULE)
    const from = offset + at - granule * GRANULE
    const bytes = Math.min(GRANULE - from, length - at)
    yield { granule, from, at, bytes }
    at += bytes
  }
}

async function ok(answer: unknown): Promise<Status> {
  return ((await answer) ?? Status.OK) as Status
}

async function read({ overlay }: State, io: BlockIo, next: Next): Promise<Status> {
  for (const { granule, at, bytes } of granulesOf(io.offset, io.length)) {
    const data = io.data.slice(at, bytes)
    const offset = io.offset + at
    const status = await ok(overlay.has(granule) ? overlay.read(data, offset) : next.read({ data, offset, length: bytes, fua: false, signal: io.signal }))
    if (status !== Status.OK) return status
  }
  return Status.OK
}

/** Alone with a granule. */
async function alone<T>({ busy }: State, granule: number, work: () => Promise<T>): Promise<T> {
  while (busy.has(granule)) await busy.get(granule)!.catch(() => undefined)
  const running = work()
  busy.set(granule, running)
  return running.finally(() => busy.delete(granule))
}

/** The first write to a granule: what it leaves of it comes from below. */
async function first(state: State, granule: number, from: number, data: Segments, next: Next, signal: AbortSignal): Promise<Status> {
  const { overlay, sizeBytes } = state
  const start = granule * GRANULE
  const length = Math.min(GRANULE, sizeBytes - start)
  if (data.length === length) {
    await overlay.write(data, start)
  } else {
    const whole = Buffer.alloc(length)
    const status = await ok(next.read({ data: Segments.of(whole), offset: start, length, fua: false, signal }))
    if (status !== Status.OK) return status
    data.copyTo(whole, from)
    await overlay.write(Segments.of(whole), start)
  }
  overlay.mark(granule)
  return Status.OK
}

async function write(state: State, io: BlockIo, next: Next): Promise<Status> {
  const { overlay, busy } = state
  for (const { granule, from, at, bytes } of granulesOf(io.offset, io.length)) {
    const data = io.data.slice(at, bytes)
    const plain = (): Promise<Status> => ok(overlay.write(data, granule * GRANULE + from))
    const status = overlay.has(granule) && !busy.has(granule)
      ? await plain()
      : await alone(state, granule, () => (overlay.has(granule) ? plain() : first(state, granule, from, data, next, io.signal)))
    if (status !== Status.OK) return status
  }
  return Status.OK
}

/** Copy on write: what lies behind it is never written to. */
export default defineFilter({
  name: 'cow',
  summary: 'writes go into an overlay file; the disk below stays as it is',
  without: ['unmap', 'writeSame', 'compareAndWrite', 'extents', 'space'],
  provides: ['flush'],
  fua: 'emulate',
  fixedSize: true,
  // What is overwritten stays below, and a write of several granules may be cut by a crash.
  declare: (p) => ({ ...p, readOnly: false, writeCache: true, unmappedReadsZero: false, reserved: false, sanitize: false, maxAtomicBlocks: 0, lacking: p.lacking?.filter((name) => name !== 'flush') ?? [] }),
  open: async ({ options, io, sizeBytes }: FilterDevice<Options>): Promise<State> =>
    ({ overlay: await Overlay.open(io, options.overlay, sizeBytes), sizeBytes, busy: new Map() }),
  close: ({ overlay }) => overlay.close(),
  read,
  write,
  flush: async ({ overlay }) => overlay.flush(),
})
