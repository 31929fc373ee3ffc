import { defineHandler, Status } from '@tcmu/host'
import type { Segments } from '@tcmu/host/scsi'
import { ChangedError, ObjectStore } from './store.js'

/** Bytes of one object. */
export const CHUNK = 64 * 1024
/** Requests of one command at a time. */
const AT_ONCE = 8

interface Stretch {
  readonly name: string
  /** Where it lies in its object, and in the data of the command. */
  readonly from: number
  readonly at: number
  readonly size: number
}

function stretches(offset: number, length: number): Stretch[] {
  const found: Stretch[] = []
  for (let at = 0; at < length; at += found.at(-1)!.size) {
    const chunk = Math.floor((offset + at) / CHUNK)
    const from = (offset + at) % CHUNK
    found.push({ name: `chunk-${chunk}`, from, at, size: Math.min(CHUNK - from, length - at) })
  }
  return found
}

/** All of them, a few at a time; none is left running when one has failed. */
async function each(list: readonly Stretch[], work: (s: Stretch) => Promise<void>): Promise<void> {
  const rest = [...list]
  const failed: unknown[] = []
  const worker = async (): Promise<void> => {
    for (let s = rest.shift(); s && failed.length === 0; s = rest.shift()) await work(s).catch((e: unknown) => void failed.push(e))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  if (failed.length) throw failed[0]
}

async function readChunk(store: ObjectStore, data: Segments, s: Stretch, signal: AbortSignal): Promise<void> {
  const found = await store.get(s.name, signal)
  if (found) data.set(found.bytes.subarray(s.from, s.from + s.size), s.at)
  else data.zero(s.at, s.size)
}

/** Change a part of an object: read it, change it, put it back if it is still the same, else once more. */
async function change(store: ObjectStore, s: Stretch, into: (part: Buffer) => void, signal: AbortSignal): Promise<void> {
  for (;;) {
    const found = await store.get(s.name, signal)
    const bytes = found?.bytes ?? Buffer.alloc(CHUNK)
    into(bytes.subarray(s.from, s.from + s.size))
    try {
      return await store.put(s.name, bytes, found?.tag, signal)
    } catch (e) {
      if (!(e instanceof ChangedError)) throw e
    }
  }
}

/** `s3like/URL`: a disk in objects of 64 KiB below a URL. What was written is in the store when the command is answered. */
export const s3like = defineHandler({
  subtype: 's3like',
  checkConfig: (url) => /^https?:\/\/[^/]/.test(url) || 'the URL of a bucket is missing; write s3like/http://host/bucket',
  open(dev) {
    dev.declare({ unmappedReadsZero: true, unmapGranularityBlocks: CHUNK / dev.blockSize })
    return new ObjectStore(dev.config)
  },
  read: (store, io) => each(stretches(io.offset, io.length), (s) => readChunk(store, io.data, s, io.signal)),
  write: (store, io) => each(stretches(io.offset, io.length), (s) => change(store, s, (part) => void io.data.copyTo(part, 0, s.at), io.signal)),
  async extents(store, { offset, length, signal }) {
    const list = stretches(offset, length)
    const there = new Set<Stretch>()
    await each(list, async (s) => void ((await store.has(s.name, signal)) && there.add(s)))
    return list.map((s) => ({ offset: offset + s.at, length: s.size, state: there.has(s) ? 'mapped' : 'deallocated' }))
  },
  async unmap(store, { offset, length, signal }) {
    await each(stretches(offset, length), (s) => (s.size === CHUNK ? store.remove(s.name, signal) : change(store, s, (part) => void part.fill(0), signal)))
    return Status.OK
  },
})
