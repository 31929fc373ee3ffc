import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import handler from '@tcmu/handler-file'
import type { HandlerIo } from '@tcmu/host/handler'
import { LbaStatusDescriptor, LbaStatusHeader, Status } from '@tcmu/host/scsi'
import type { DeviceRuntime } from '../../packages/host/src/device'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { attach, cdb, type Initiator, initiatorOf, testDevice, type TestDeviceOptions } from '../../packages/host/src/testing'
import { testIf } from '../lib/requires'
import { backends, temporaryFolder } from './lib'

const folder = temporaryFolder()
const MiB = 1 << 20
const BLOCK = 512
let engine: IoEngine
let device: DeviceRuntime | undefined
beforeEach(() => { engine = createIoEngine() })
afterEach(async () => {
  await device?.close(5000)
  device = undefined
  await engine.close()
})

let counter = 0
const fresh = (): string => join(folder, `disk-${counter++}`)
async function serve(path: string, options: TestDeviceOptions = {}): Promise<Initiator> {
  device = await testDevice(handler, { config: path, io: engine, ...options })
  return initiatorOf(device)
}
const good = { status: 0 }
const blocks = (n: number, seed: number): Buffer => Buffer.from(Uint8Array.from({ length: n * BLOCK }, (_, i) => (i * 7 + seed * 13) & 0xff))

test('a missing file is made, sparse and of the size of the device', async () => {
  const path = fresh()
  const disk = await serve(path, { sizeBytes: 64 * MiB })
  expect([statSync(path).size, statSync(path).blocks]).toEqual([64 * MiB, 0])
  expect((await disk.read({ lba: 1000, blocks: 8 })).data.every((b) => b === 0)).toBe(true)
})

/** st_blocks counts 512 bytes each. */
const storage = (path: string): number => statSync(path).blocks * 512

test('a thick device has all of its storage from the start, keeps it through UNMAP, and gets more when it grows', async () => {
  const path = fresh()
  const disk = await serve(path, { sizeBytes: 8 * MiB, thick: true })
  expect(storage(path)).toBeGreaterThanOrEqual(8 * MiB)
  expect(await disk.write(0, blocks(4096, 1))).toMatchObject(good)
  expect(await disk.synchronizeCache()).toMatchObject(good)
  const state = async (lba: number): Promise<number> =>
    LbaStatusDescriptor.decode((await disk.send(cdb.getLbaStatus({ lba, allocation: 24 }), { dataIn: 24 })).data, LbaStatusHeader.size).provisioning
  expect([await state(0), await state(8192)]).toEqual([0, 2])
  expect(await disk.unmap([{ lba: 0, blocks: 2048 }])).toMatchObject(good)
  const back = await disk.read({ lba: 0, blocks: 2050 })
  expect(back.data.subarray(0, 2048 * BLOCK).every((b) => b === 0)).toBe(true)
  expect(Buffer.from(back.data.subarray(2048 * BLOCK))).toEqual(blocks(2050, 1).subarray(2048 * BLOCK))
  // Reading has brought pages of zeroes into the cache, which lseek would take for data.
  expect([await state(0), await state(2048)]).toEqual([2, 0])
  expect(storage(path)).toBeGreaterThanOrEqual(8 * MiB)
  expect(await device!.reconfigure({ kind: 'size', sizeBytes: 16 * MiB })).toBe(Status.OK)
  expect(storage(path)).toBeGreaterThanOrEqual(16 * MiB)
})

test('a file system without the room refuses a thick device with a sentence, one that cannot reserve makes it fully provisioned', async () => {
  const refusing = (answer: () => Promise<Status>): HandlerIo => ({ open: async (...args) => Object.assign(await engine.open(...args), { allocate: answer }) })
  const path = fresh()
  const full = refusing(async () => { throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }) })
  await expect(testDevice(handler, { config: path, io: full, thick: true })).rejects.toThrow(/^E_FILE_SPACE: .*disk-\d+: its file system has not the \d+ bytes that thick \w+ wants reserved; free some, or leave `thick` out$/)
  device = await testDevice(handler, { config: path, io: refusing(async () => Status.NOT_HANDLED), thick: true })
  expect(device.abilities.unmap).toBe('none')
})

test('what is written is in the file, also after a new start', async () => {
  const path = fresh()
  const disk = await serve(path)
  expect(await disk.write(3, blocks(5, 1))).toMatchObject(good)
  expect(await disk.write(100, blocks(2, 2), { fua: 1 })).toMatchObject(good)
  expect(await disk.synchronizeCache()).toMatchObject(good)
  expect(readFileSync(path).subarray(3 * BLOCK, 8 * BLOCK)).toEqual(blocks(5, 1))
  await device!.close(5000)
  const again = await serve(path)
  expect(Buffer.from((await again.read({ lba: 100, blocks: 2 })).data)).toEqual(blocks(2, 2))
})

/** Through the page cache and past it. */
const ways = backends.flatMap(({ by, lack }) => ['', 'direct:'].map((prefix) => ({ by, lack, prefix })))

describe.each(ways)('by $by, "$prefix"', ({ by, lack, prefix }) => testIf(lack, 'reads, writes, unmaps and write sames agree with a model, in scattered memory', async () => {
  const io = createIoEngine({ engine: by })
  const step = fc.record({ kind: fc.constantFrom('read', 'write', 'unmap', 'zeroes', 'same'), lba: fc.nat(2000), blocks: fc.integer({ min: 1, max: 40 }), seed: fc.nat(255) })
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 15 }), fc.integer({ min: 1, max: 5000 }), async (steps, pieces) => {
    const opened = await testDevice(handler, { config: prefix + fresh(), io })
    const disk = initiatorOf(opened, { pieces })
    const model = Buffer.alloc(MiB)
    for (const { kind, lba, blocks: n, seed } of steps) {
      const count = Math.min(n, 2048 - lba)
      const at = lba * BLOCK
      const end = at + count * BLOCK
      if (kind === 'write') {
        expect(await disk.write(lba, blocks(count, seed))).toMatchObject(good)
        blocks(count, seed).copy(model, at)
      } else if (kind === 'unmap') {
        expect(await disk.unmap([{ lba, blocks: count }])).toMatchObject(good)
        model.fill(0, at, end)
      } else if (kind === 'read') {
        expect(Buffer.from((await disk.read({ lba, blocks: count })).data).equals(model.subarray(at, end))).toBe(true)
      } else {
        const block = kind === 'same' ? blocks(1, seed) : Buffer.alloc(BLOCK)
        expect(await disk.writeSame({ lba, blocks: count }, block)).toMatchObject(good)
        for (let i = at; i < end; i += BLOCK) block.copy(model, i)
      }
    }
    expect(Buffer.from((await disk.read({ lba: 0, blocks: 2048 })).data).equals(model)).toBe(true)
    await opened.close(5000)
  }), { numRuns: 40 })
  await io.close()
}))

test('unmap gives storage back', async () => {
  const path = fresh()
  const disk = await serve(path)
  await disk.write(0, blocks(2048, 1))
  await disk.synchronizeCache()
  const before = statSync(path).blocks
  expect(await disk.unmap([{ lba: 256, blocks: 1024 }])).toMatchObject(good)
  expect(before - statSync(path).blocks).toBeGreaterThanOrEqual(1024)
  expect(statSync(path).size).toBe(MiB)
})

test.each(['', 'direct:'])('through a ring, 64 at once, %s', async (prefix) => {
  device = await testDevice(handler, { config: prefix + fresh(), io: engine, sizeBytes: 8 * MiB })
  const { initiator, detach } = attach(device)
  await Promise.all(Array.from({ length: 64 }, (_, i) => initiator.write(i * 16, blocks(16, i))))
  const back = await Promise.all(Array.from({ length: 64 }, (_, i) => initiator.read({ lba: i * 16, blocks: 16 })))
  expect(back.every((a, i) => Buffer.from(a.data).equals(blocks(16, i)))).toBe(true)
  await detach()
})

describe('refusals', () => {
  const file = (size: number): string => {
    const path = fresh()
    const fd = openSync(path, 'w')
    ftruncateSync(fd, size)
    closeSync(fd)
    return path
  }
  test('a file of another size is not touched, whichever way it differs', async () => {
    for (const size of [MiB / 2, 2 * MiB]) {
      const path = file(size)
      await expect(serve(path)).rejects.toMatchObject({ code: 'E_FILE_SIZE', message: expect.stringMatching(`${path} has ${size} bytes, and test is to have ${MiB}`) as string })
      expect(statSync(path).size).toBe(size)
      // Nothing stays open or locked.
      await serve(path, { sizeBytes: size })
      await device!.close(5000)
    }
  })
  test('a directory, a missing folder, a relative path, a file in use', async () => {
    mkdirSync(join(folder, 'directory'), { recursive: true })
    await expect(serve(join(folder, 'directory'))).rejects.toThrow(/^E_CONFIG_REFUSED.*is a directory/)
    await expect(serve(join(folder, 'nowhere/disk'))).rejects.toThrow(/^E_CONFIG_REFUSED.*there is no folder/)
    expect(existsSync(join(folder, 'nowhere'))).toBe(false)
    await expect(serve('disk')).rejects.toThrow(/^E_CONFIG_REFUSED.*must be absolute/)
    const path = file(MiB)
    await serve(path)
    await expect(testDevice(handler, { config: path, io: engine })).rejects.toThrow(/^E_FILE_LOCKED/)
  })
  test('no size and no file, or an empty one', async () => {
    await expect(serve(fresh(), { sizeBytes: 0 })).rejects.toMatchObject({ code: 'E_FILE_MISSING', message: expect.stringMatching(/is not there, and no size is given for test/) as string })
    await expect(serve(file(0), { sizeBytes: 0 })).rejects.toMatchObject({ code: 'E_FILE_SIZE' })
    await serve(file(3 * MiB), { sizeBytes: 0 })
    expect(device!.blocks).toBe((3 * MiB) / BLOCK)
  })
})

describe('resizing', () => {
  test('growing makes the file longer and tells initiators', async () => {
    const path = fresh()
    const disk = await serve(path)
    expect(await device!.reconfigure({ kind: 'size', sizeBytes: 2 * MiB })).toBe(0)
    expect([statSync(path).size, device!.blocks]).toEqual([2 * MiB, (2 * MiB) / BLOCK])
    expect(await disk.read({ lba: 0, blocks: 1 })).toMatchObject({ status: 2 })
    expect(await disk.write((2 * MiB) / BLOCK - 1, blocks(1, 1))).toMatchObject(good)
  })
  test('shrinking is refused, and nothing is lost', async () => {
    const path = fresh()
    writeFileSync(path, Buffer.alloc(MiB, 9))
    await serve(path)
    await expect(device!.reconfigure({ kind: 'size', sizeBytes: MiB / 2 })).rejects.toMatchObject({ code: 'E_FILE_SIZE' })
    expect([statSync(path).size, device!.blocks]).toEqual([MiB, MiB / BLOCK])
  })
})
