import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { Status } from '../../packages/host/src/scsi/status'
import { DataArea, Segments } from '../../packages/host/src/wire'
import { describeBackends, eachTest, scattered, settled, temporaryFolder } from './lib'

const folder = temporaryFolder()
let engine: IoEngine
const take = (e: IoEngine): void => void (engine = e)

let counter = 0
const fresh = (): string => join(folder, `file-${counter++}`)
const filled = (length: number, value: number): Segments => Segments.of(new Uint8Array(length).fill(value))
const sizes = fc.array(fc.oneof(fc.nat(5), fc.nat(5000)), { maxLength: 12 })

describeBackends('transfers', (by) => {
  eachTest(by, take)

  test('whatever is written in pieces is read back in other pieces, beside a model', async () => {
    const SIZE = 64 * 1024
    const step = fc.record({ write: fc.boolean(), sync: fc.boolean(), offset: fc.nat(SIZE - 1), sizes, seed: fc.nat(255) })
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const file = await engine.open(fresh(), { create: true, size: SIZE })
      const model = new Uint8Array(SIZE * 2)
      for (const s of steps) {
        const { data, gapsIntact } = scattered(s.sizes)
        const bytes = Uint8Array.from({ length: data.length }, (_, i) => (s.seed + i * 31) & 0xff)
        if (s.write) {
          data.set(bytes)
          model.set(bytes, s.offset)
          expect(await file.writev(data, s.offset, s.sync)).toBe(Status.OK)
        } else {
          expect(await file.readv(data, s.offset)).toBe(Status.OK)
          expect(data.compare(model.subarray(s.offset, s.offset + data.length))).toBe(-1)
        }
        expect(gapsIntact()).toBe(true)
      }
      await file.close()
    }), { numRuns: 60 })
  })

  test('what lies beyond the end of the file reads as zeroes', async () => {
    const path = fresh()
    writeFileSync(path, Buffer.alloc(1000, 7))
    const file = await engine.open(path)
    const { data } = scattered([300, 1, 500, 3000])
    expect(await file.readv(data, 900)).toBe(Status.OK)
    expect(data.toBuffer()).toEqual(Buffer.concat([Buffer.alloc(100, 7), Buffer.alloc(3701)]))
    const far = filled(4096, 9)
    expect(await file.readv(far, 2 ** 40)).toBe(Status.OK)
    expect(far.compare(new Uint8Array(4096))).toBe(-1)
  })

  test('more pieces than a system call takes, and than the table has room for', async () => {
    const file = await engine.open(fresh(), { create: true, size: 0 })
    for (const pieces of [1025, 3000, 20_000]) {
      const { data, gapsIntact } = scattered(new Array<number>(pieces).fill(3))
      const bytes = Uint8Array.from({ length: data.length }, (_, i) => (i * 7) & 0xff)
      data.set(bytes)
      expect(await file.writev(data, 5)).toBe(Status.OK)
      data.zero()
      expect(await file.readv(data, 5)).toBe(Status.OK)
      expect(data.compare(bytes)).toBe(-1)
      expect(gapsIntact()).toBe(true)
    }
  })

  test('thousands at once, in one batch and in many', async () => {
    const file = await engine.open(fresh(), { create: true, size: 0 })
    const area = DataArea.allocate(3000 * 512)
    const block = (i: number): Segments => {
      const s = new Segments().start(area)
      s.add(i * 512, 512)
      return s
    }
    const all = Array.from({ length: 3000 }, (_, i) => block(i))
    all.forEach((s, i) => s.set(new Uint8Array(512).fill(i & 0xff)))
    const writes = all.map((s, i) => file.writev(s, (2999 - i) * 512))
    // A table has 256 rows: those of the last one have not been handed over.
    expect(engine.inFlight).toBeGreaterThanOrEqual(3000 % 256)
    expect(all.slice(-(3000 % 256)).every((s) => s.pins === 1)).toBe(true)
    await settled(writes)
    area.bytes.fill(0)
    await settled(all.map((s, i) => file.readv(s, (2999 - i) * 512)))
    expect(all.every((s, i) => s.compare(new Uint8Array(512).fill(i & 0xff)) === -1)).toBe(true)
    expect(all.every((s) => s.pins === 0)).toBe(true)
    expect(engine.inFlight).toBe(0)
  })

  test('large writes to one file wait for one another, and not all threads for them', async () => {
    const two = createIoEngine({ engine: by, threads: 2 })
    try {
      const [busy, other] = [await two.open(fresh(), { create: true, size: 0 }), await two.open(fresh(), { create: true, size: 0 })]
      const data = filled(1 << 20, 5)
      let done = 0
      const writes = Array.from({ length: 200 }, () => Promise.resolve(busy.writev(data, 0)).then((status) => (done++, status)))
      const doneBefore = Promise.resolve(other.writev(filled(1 << 20, 6), 0)).then(() => done)
      expect(new Set(await settled(writes))).toEqual(new Set([Status.OK]))
      // Beside the first of them; a busy machine may keep the second thread from running for a while.
      expect(await doneBefore).toBeLessThan(150)
      expect([data.pins, two.inFlight]).toEqual([0, 0])
    } finally {
      await two.close()
    }
  })

  test('memory is pinned from the call until the result, on the whole and not on the slice', async () => {
    const file = await engine.open(fresh(), { create: true, size: 4096 })
    const whole = filled(1024, 1)
    const result = file.writev(whole.slice(10, 20), 0) as Promise<Status>
    expect(whole.pins).toBe(1)
    const seen = result.then(() => whole.pins)
    engine.submit()
    expect(await seen).toBe(0)
  })

  test('what is to come after a batch comes when all of it has been told, and goes out in the same turn', async () => {
    const path = join(folder, `after-${by}`)
    writeFileSync(path, Buffer.alloc(16384))
    const file = await engine.open(path)
    const told: string[] = []
    const read = (what: string): void => file.move!(false, scattered([4096]).data, 0, false, mover, what)
    const mover = { moved: (what: string) => {
      told.push(what)
      if (what === 'first') file.afterBatch!(() => read('after'))
    } }
    for (const what of ['first', 'second', 'third']) read(what)
    engine.submit()
    expect(told).toEqual(['first', 'second', 'third', 'after'])
    file.afterBatch!(() => told.push('alone'))
    expect(told).toHaveLength(4)
    await Promise.resolve()
    expect(told[4]).toBe('alone')
    await file.close()
  })

  test('nothing to move is done at once; what is revoked is not touched', async () => {
    const file = await engine.open(fresh(), { create: true, size: 4096 })
    expect(file.readv(Segments.allocate(0), 0)).toBe(Status.OK)
    const dead = filled(512, 1)
    dead.revoke()
    expect(() => file.writev(dead, 0)).toThrow('E_SEGMENTS_REVOKED')
  })

  test('a read-only file takes no writes, and says which file it was', async () => {
    const path = fresh()
    writeFileSync(path, 'abc')
    const file = await engine.open(path, { readOnly: true })
    await expect(file.writev(filled(3, 1), 0)).rejects.toMatchObject({ code: 'EBADF', message: `EBADF: bad file descriptor, write '${path}'` })
    expect(readFileSync(path, 'latin1')).toBe('abc')
  })

  test.each([-1, 0.5, NaN, 2 ** 53])('offset %p is refused', async (offset) => {
    const file = await engine.open(fresh(), { create: true, size: 4096 })
    const data = filled(512, 1)
    await expect(file.readv(data, offset)).rejects.toMatchObject({ code: 'EINVAL' })
    expect(data.pins).toBe(0)
  })

  test('memory that nobody uses any more is let go', async () => {
    const file = await engine.open(fresh(), { create: true, size: 4096 })
    for (let i = 0; i < 2000; i++) {
      const data = filled(4096, i & 0xff)
      await file.readv(data, 0)
      engine.release(Segments.areaOf(data))
      expect(Segments.areaOf(data).slot).toBe(-1)
    }
    const again = filled(16, 1)
    await file.readv(again, 0)
    expect(Segments.areaOf(again).slot).toBe(0)
  })
})

describeBackends('the rest of a file', (by) => {
  eachTest(by, take)

  test('size, truncate and refresh', async () => {
    const path = fresh()
    const file = await engine.open(path, { create: true, size: 10_000 })
    expect(file).toMatchObject({ path, size: 10_000, readOnly: false, blockDevice: false, granularity: statSync(path).blksize })
    await file.truncate(20_000)
    expect([file.size, statSync(path).size]).toEqual([20_000, 20_000])
    truncateSync(path, 5000)
    expect(await file.refresh()).toBe(5000)
    expect(file.size).toBe(5000)
    await expect(file.truncate(2 ** 63)).rejects.toMatchObject({ code: 'EINVAL' })
  })

  test('sync settles, alone and many at once', async () => {
    const file = await engine.open(fresh(), { create: true, size: 4096 })
    expect(await file.sync()).toBe(Status.OK)
    await file.truncate(8192)
    expect(await settled(Array.from({ length: 50 }, () => file.sync()))).toEqual(new Array(50).fill(Status.OK))
    expect(engine.inFlight).toBe(0)
  })

  test('a sync asked for while one runs starts after the writes before it', async () => {
    const file = await engine.open(fresh(), { create: true, size: 4096 })
    const first = file.sync()
    const order: string[] = []
    const write = Promise.resolve(file.writev(filled(512, 1), 0)).then(() => order.push('write'))
    await write
    const second = Promise.resolve(file.sync()).then(() => order.push('sync'))
    await Promise.all([first, second])
    expect(order).toEqual(['write', 'sync'])
  })

  test('punched and zeroed ranges read as zeroes, and extents shows the holes', async () => {
    const K64 = 65536
    const file = await engine.open(fresh(), { create: true, size: 8 * K64 })
    await file.writev(filled(8 * K64, 5), 0)
    expect(await file.extents(0, 8 * K64)).toEqual([{ offset: 0, length: 8 * K64, state: 'mapped' }])
    expect(await file.punch(2 * K64, K64)).toBe(Status.OK)
    expect(await file.zero(4 * K64, K64)).toBe(Status.OK)
    expect(await file.extents(K64, 6 * K64)).toEqual([
      { offset: K64, length: K64, state: 'mapped' },
      { offset: 2 * K64, length: K64, state: 'deallocated' },
      { offset: 3 * K64, length: K64, state: 'mapped' },
      { offset: 4 * K64, length: K64, state: 'deallocated' },
      { offset: 5 * K64, length: 2 * K64, state: 'mapped' },
    ])
    const back = filled(8 * K64, 1)
    await file.readv(back, 0)
    const expected = Buffer.alloc(8 * K64, 5)
    expected.fill(0, 2 * K64, 3 * K64).fill(0, 4 * K64, 5 * K64)
    expect(back.compare(expected)).toBe(-1)
    expect(await file.punch(0, 0)).toBe(Status.OK)
  })

  test('allocated ranges have storage, and the file keeps its size', async () => {
    const path = fresh()
    const file = await engine.open(path, { create: true, size: 1 << 20 })
    expect(await file.extents(0, 1 << 20)).toEqual([{ offset: 0, length: 1 << 20, state: 'deallocated' }])
    const before = statSync(path).blocks
    const done = await file.allocate(0, 1 << 20)
    if (done === Status.OK) expect(statSync(path).blocks - before).toBeGreaterThanOrEqual((1 << 20) / 512)
    else expect(done).toBe(Status.NOT_HANDLED)
    expect(statSync(path).size).toBe(1 << 20)
    expect([Status.OK, Status.NOT_HANDLED]).toContain(await file.zero(0, 4096, true))
  })
})

describeBackends('closing', (by) => {
  eachTest(by, take)

  test('a closed file refuses, and closing waits for what is under way', async () => {
    const path = fresh()
    const file = await engine.open(path, { create: true, size: 0 })
    const writes = Array.from({ length: 100 }, (_, i) => file.writev(filled(4096, i), i * 4096))
    const closed = file.close()
    expect(file.close()).toBe(closed)
    for (const op of [() => file.readv(filled(1, 1), 0), () => file.writev(filled(1, 1), 0), () => file.sync(), () => file.punch(0, 1)]) {
      await expect(op()).rejects.toMatchObject({ code: 'EBADF', path })
    }
    await expect(file.truncate(1)).rejects.toMatchObject({ code: 'EBADF' })
    await closed
    expect(await settled(writes)).toEqual(new Array(100).fill(Status.OK))
    expect(statSync(path).size).toBe(409_600)
  })

  test('closing the engine waits for its files and is final', async () => {
    const mine = createIoEngine({ engine: by, threads: 1 })
    const path = fresh()
    const file = await mine.open(path, { create: true, size: 0 })
    const writes = Array.from({ length: 500 }, (_, i) => file.writev(filled(512, i & 0xff), i * 512))
    await Promise.all([mine.close(), mine.close()])
    expect(await settled(writes)).toEqual(new Array(500).fill(Status.OK))
    await expect(mine.open(path)).rejects.toMatchObject({ code: 'EBADF' })
    await expect(file.readv(filled(1, 1), 0)).rejects.toMatchObject({ code: 'EBADF' })
    await file.close()
  })
})
