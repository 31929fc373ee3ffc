import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import type { IoEngine } from '../../packages/host/src/io'
import { loadNative } from '../../packages/host/src/platform'
import { Status } from '../../packages/host/src/scsi/status'
import { DataArea, Segments } from '../../packages/host/src/wire'
import { describeBackends, eachTest, scattered, settled, temporaryFolder } from './lib'

const folder = temporaryFolder()
const native = loadNative()
let engine: IoEngine
const take = (e: IoEngine): void => void (engine = e)

let counter = 0
const fresh = (): string => join(folder, `file-${counter++}`)
const DEPTH = 32
const BLOCK = 4096

/** Names of this process's threads. */
const threads = (): string[] => readdirSync('/proc/self/task').map((id) => readFileSync(`/proc/self/task/${id}/comm`, 'latin1').trim())

/** Page-aligned memory of a ring, in blocks; a plain array lies where it falls. */
function ringMemory(blocks: number): { blocks: Segments[]; close(): void } {
  const size = blocks * BLOCK
  const map = new native.UioMap(native.memfd(size), size, native.eventfd(), native.eventfd(), 8)
  const area = new DataArea(new Uint8Array(map.memory))
  const part = (i: number): Segments => {
    const s = new Segments().start(area)
    s.add(i * BLOCK, BLOCK)
    return s
  }
  return { blocks: Array.from({ length: blocks }, (_, i) => part(i)), close: () => map.close() }
}

describeBackends('direct I/O', (by) => {
  eachTest(by, take)

  test('at depth 32 on aligned memory, and who waits for the device', async () => {
    const path = fresh()
    const file = await engine.open(path, { create: true, size: 4 * DEPTH * BLOCK, direct: true })
    expect(BLOCK % file.alignment).toBe(0)
    const before = threads().filter((t) => t === 'tcmu-io').length
    const memory = ringMemory(DEPTH)
    for (let round = 0; round < 4; round++) {
      memory.blocks.forEach((s, i) => s.set(new Uint8Array(BLOCK).fill(round * DEPTH + i)))
      expect(new Set(await settled(memory.blocks.map((s, i) => file.writev(s, (round * DEPTH + i) * BLOCK, i % 8 === 0))))).toEqual(new Set([Status.OK]))
    }
    for (let i = 0; i < 4 * DEPTH; i++) expect(readFileSync(path).subarray(i * BLOCK, (i + 1) * BLOCK).every((b) => b === (i & 0xff))).toBe(true)
    for (let round = 3; round >= 0; round--) {
      await settled(memory.blocks.map((s, i) => file.readv(s, (round * DEPTH + i) * BLOCK)))
      memory.blocks.forEach((s, i) => expect(s.compare(new Uint8Array(BLOCK).fill(round * DEPTH + i))).toBe(-1))
    }
    // Opening has asked one thread for the size; nothing else needed any.
    const more = threads().filter((t) => t === 'tcmu-io').length - before
    if (by === 'uring') expect(more).toBe(0)
    else expect(more).toBeGreaterThan(1)
    memory.close()
  })

  test('more at once than the kernel is given', async () => {
    const file = await engine.open(fresh(), { create: true, size: 2500 * BLOCK, direct: true })
    const memory = ringMemory(2500)
    memory.blocks.forEach((s, i) => s.set(new Uint8Array(BLOCK).fill(i)))
    await settled(memory.blocks.map((s, i) => file.writev(s, (2499 - i) * BLOCK)))
    memory.blocks.forEach((s) => s.zero())
    await settled(memory.blocks.map((s, i) => file.readv(s, (2499 - i) * BLOCK)))
    expect(memory.blocks.every((s, i) => s.compare(new Uint8Array(BLOCK).fill(i)) === -1)).toBe(true)
    expect(engine.inFlight).toBe(0)
    memory.close()
  })

  test('whole blocks out of memory in any pieces, beside a model', async () => {
    const BLOCKS = 32
    const file = await engine.open(fresh(), { create: true, size: BLOCKS * BLOCK, direct: true })
    const model = new Uint8Array(BLOCKS * BLOCK)
    const step = fc.record({ write: fc.boolean(), sync: fc.boolean(), first: fc.nat(BLOCKS - 5), blocks: fc.integer({ min: 1, max: 4 }), cuts: fc.array(fc.nat(4 * BLOCK), { maxLength: 6 }), seed: fc.nat(255) })
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
      for (const s of steps) {
        const length = s.blocks * BLOCK
        const cuts = [0, ...s.cuts.filter((c) => c < length).sort((a, b) => a - b), length]
        const { data, gapsIntact } = scattered(cuts.slice(1).map((c, i) => c - cuts[i]!))
        const at = s.first * BLOCK
        if (s.write) {
          data.set(Uint8Array.from({ length }, (_, i) => (s.seed + i * 31) & 0xff))
          data.copyTo(model.subarray(at, at + length))
          expect(await file.writev(data, at, s.sync)).toBe(Status.OK)
        } else {
          expect(await file.readv(data, at)).toBe(Status.OK)
          expect(data.compare(model.subarray(at, at + length))).toBe(-1)
        }
        expect(gapsIntact()).toBe(true)
      }
    }), { numRuns: 40 })
  })

  test.each([[1, BLOCK], [0, 100], [0, BLOCK + 1], [513, 511]])('position %d, length %d is refused', async (offset, length) => {
    const path = fresh()
    const file = await engine.open(path, { create: true, size: 4 * BLOCK, direct: true })
    const data = Segments.of(new Uint8Array(length).fill(1))
    await expect(file.writev(data, offset)).rejects.toMatchObject({ code: 'EINVAL', path })
    await expect(file.readv(data, offset)).rejects.toMatchObject({ code: 'EINVAL', path })
    expect(data.pins).toBe(0)
    expect(readFileSync(path).every((b) => b === 0)).toBe(true)
  })

  test.each([1000, BLOCK, BLOCK + 512, 2 * BLOCK + 7])('a file of %d bytes ends in zeroes, whatever its length', async (size) => {
    const path = fresh()
    writeFileSync(path, Buffer.alloc(size, 7))
    const file = await engine.open(path, { direct: true })
    const back = Segments.of(new Uint8Array(4 * BLOCK).fill(9))
    expect(await file.readv(back, 0)).toBe(Status.OK)
    expect(back.compare(Buffer.concat([Buffer.alloc(size, 7), Buffer.alloc(4 * BLOCK - size)]))).toBe(-1)
    truncateSync(path, 0)
    await file.readv(back, 0)
    expect(back.compare(new Uint8Array(4 * BLOCK))).toBe(-1)
  })
})

describeBackends('data that is not cached', (by) => {
  eachTest(by, take)

  test('is read at depth 32, in one batch with data that is', async () => {
    const path = fresh()
    const blocks = 512
    const bytes = Buffer.alloc(blocks * BLOCK)
    for (let i = 0; i < blocks; i++) bytes.fill(i & 0xff, i * BLOCK, (i + 1) * BLOCK)
    // Written past the cache, so that none of it is there.
    const writer = await engine.open(path, { create: true, size: bytes.length, direct: true })
    await writer.writev(Segments.of(bytes), 0)
    await writer.close()
    const file = await engine.open(path)
    await file.readv(Segments.allocate(16 * BLOCK), 0)
    const order = Array.from({ length: blocks }, (_, i) => (i * 211) % blocks)
    const data = order.map(() => Segments.allocate(BLOCK))
    for (let from = 0; from < blocks; from += DEPTH) {
      await settled(order.slice(from, from + DEPTH).map((b, i) => file.readv(data[from + i]!, b * BLOCK)))
    }
    expect(order.every((b, i) => data[i]!.compare(new Uint8Array(BLOCK).fill(b & 0xff)) === -1)).toBe(true)
  })
})
