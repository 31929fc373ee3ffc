import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fileHandler from '@tcmu/handler-file'
import type { BlocksHandler, IoFile, Mover } from '@tcmu/host/handler'
import type { BlockIo } from '@tcmu/host/scsi'
import type { DeviceRuntime } from '../../packages/host/src/device'
import { type Next, withFilters } from '../../packages/host/src/filter'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { attach, type Initiator, initiatorOf, testDevice, type TestDeviceOptions } from '../../packages/host/src/testing'
import { temporaryFolder } from './lib'

const folder = temporaryFolder()
const MiB = 1 << 20
const good = { status: 0 }
const bytes = (n: number, seed = 1): Uint8Array => Uint8Array.from({ length: n * 512 }, (_, i) => (i * 7 + seed * 13) & 0xff)
let engine: IoEngine
let device: DeviceRuntime | undefined
beforeEach(() => { engine = createIoEngine() })
afterEach(async () => {
  await device?.close(5000)
  device = undefined
  await engine.close()
})

/** The file handler, which notes what its callbacks are asked. */
function noting(more: Partial<BlocksHandler> = {}): { handler: BlocksHandler; asked: string[] } {
  const asked: string[] = []
  const { read, write, flush } = fileHandler
  return {
    asked,
    handler: {
      ...fileHandler,
      read: (state, io) => (asked.push('read'), read(state, io)),
      write: (state, io) => (asked.push('write'), write(state, io)),
      flush: (state) => (asked.push('flush'), flush!(state)),
      ...more,
    } as BlocksHandler,
  }
}

let counter = 0
async function serve(handler: BlocksHandler, options: TestDeviceOptions = {}): Promise<{ disk: Initiator; path: string }> {
  const path = join(folder, `direct-${counter++}`)
  device = await testDevice(handler, { config: path, io: engine, sizeBytes: MiB, ...options })
  return { disk: initiatorOf(device), path }
}

test('whole READs and WRITEs do not pass through the handler, and are in the file', async () => {
  const { handler, asked } = noting()
  const { disk, path } = await serve(handler)
  expect(await disk.write(8, bytes(16))).toMatchObject(good)
  expect(await disk.write(100, bytes(1, 2), { fua: 1 })).toMatchObject(good)
  expect(Buffer.from((await disk.read({ lba: 8, blocks: 16 })).data)).toEqual(Buffer.from(bytes(16)))
  const file = readFileSync(path)
  expect([file.subarray(8 * 512, 24 * 512), file.subarray(100 * 512, 101 * 512)]).toEqual([Buffer.from(bytes(16)), Buffer.from(bytes(1, 2))])
  expect(asked).toEqual([])
  expect(device!.counters).toMatchObject({ reads: 1, writes: 2, readBytes: 16 * 512, writtenBytes: 17 * 512 })
  expect(device!.inflight).toBe(0)
})

test('what is not whole, or more than a READ or WRITE, does', async () => {
  const { handler, asked } = noting()
  const { disk } = await serve(handler)
  expect(await disk.write(0, bytes(4))).toMatchObject(good)
  expect(await disk.send(Uint8Array.of(0x28, 0, 0, 0, 0, 0, 0, 0, 4, 0), { dataIn: 700 })).toMatchObject(good)
  expect(asked).toEqual(['read'])
  // WRITE AND VERIFY has more to do when it has written.
  expect(await disk.send(Uint8Array.of(0x2e, 0, 0, 0, 0, 0, 0, 0, 4, 0), { dataOut: bytes(4, 9) })).toMatchObject(good)
  expect(asked).toContain('write')
  expect(Buffer.from((await disk.read({ lba: 0, blocks: 4 })).data)).toEqual(Buffer.from(bytes(4, 9)))
})

test('a handler says where the bytes are, or that it wants to be asked', async () => {
  const where: (readonly unknown[])[] = []
  const { handler, asked } = noting({ locate: (_state, offset: number, length: number, write: boolean) => (where.push([offset, length, write]), offset < 4096 ? -1 : offset + 8192) })
  const { disk, path } = await serve(handler)
  expect(await disk.write(0, bytes(1, 3))).toMatchObject(good)
  expect(await disk.write(8, bytes(2, 4))).toMatchObject(good)
  expect(Buffer.from((await disk.read({ lba: 8, blocks: 2 })).data)).toEqual(Buffer.from(bytes(2, 4)))
  expect([asked, where]).toEqual([['write'], [[0, 512, true], [4096, 1024, true], [4096, 1024, false]]])
  expect(readFileSync(path).subarray(4096 + 8192, 4096 + 8192 + 1024)).toEqual(Buffer.from(bytes(2, 4)))
})

test('FUA that the handler does not do itself is a write and a flush, and so is a write cache that the host turned off', async () => {
  const { handler, asked } = noting({ fua: 'emulate' })
  const { disk } = await serve(handler)
  expect(await disk.write(0, bytes(1), { fua: 1 })).toMatchObject(good)
  expect(asked).toEqual(['write', 'flush'])
  expect(await device!.setWriteCache(false)).toBe(0)
  asked.length = 0
  expect(await disk.write(0, bytes(1))).toMatchObject(good)
  expect(asked).toEqual(['write', 'flush'])
  expect(await device!.setWriteCache(true)).toBe(0)
  asked.length = 0
  expect(await disk.write(0, bytes(1))).toMatchObject(good)
  expect(asked).toEqual([])
})

test('filters that touch reads or writes are asked; others change nothing', async () => {
  const { handler, asked } = noting()
  const seen: string[] = []
  const touching = withFilters(handler, [{ filter: { name: 'f', summary: 'f', read: (_s: unknown, io: BlockIo, next: Next) => (seen.push('read'), next.read(io)) }, options: {} }]) as BlocksHandler
  const { disk } = await serve(touching)
  expect(await disk.read({ lba: 0, blocks: 1 })).toMatchObject(good)
  expect([seen, asked]).toEqual([['read'], ['read']])
  await device!.close(1000)
  asked.length = 0
  const elsewhere = withFilters(handler, [{ filter: { name: 'g', summary: 'g', flush: (_s: unknown, next: Next) => (seen.push('flush'), next.flush!()) }, options: {} }]) as BlocksHandler
  const other = await serve(elsewhere)
  expect(await other.disk.write(0, bytes(1))).toMatchObject(good)
  expect(await other.disk.read({ lba: 0, blocks: 1 })).toMatchObject(good)
  expect(asked).toEqual([])
})

test('who taps into reads or writes is asked as well', async () => {
  const { handler } = noting()
  const { disk } = await serve(handler)
  const seen: number[] = []
  device!.hooks.ops.read.tap('test', (io) => void seen.push(io.offset))
  expect(await disk.read({ lba: 3, blocks: 1 })).toMatchObject(good)
  expect(seen).toEqual([3 * 512])
})

test('an error of the file is sense data, as from `read`; the next command is served', async () => {
  const errors: string[] = []
  let file: IoFile | undefined
  const { handler } = noting({ open: async (dev) => ({ file: (file = await dev.io.open(dev.config, { create: true, size: dev.sizeBytes })), reserved: false }) })
  const { disk } = await serve(handler, { log: { error: (m) => void errors.push(m), warn: () => undefined, info: () => undefined, debug: () => undefined } })
  const move = file!.move!.bind(file)
  let fault: Error | undefined = Object.assign(new Error('EIO: injected'), { code: 'EIO' })
  file!.move = <T>(write: boolean, data: never, offset: number, sync: boolean, mover: Mover<T>, subject: T) =>
    move(write, data, offset, sync, { moved: (s: T, outcome) => mover.moved(s, fault ?? outcome) }, subject)
  expect(await disk.read({ lba: 0, blocks: 1 })).toMatchObject({ status: 2, key: 3, asc: 0x1100 })
  expect(await disk.write(0, bytes(1))).toMatchObject({ status: 2, key: 3, asc: 0x0c00 })
  expect(errors.join()).toMatch(/READ\(\d+\) failed: EIO: injected/)
  fault = undefined
  expect(await disk.read({ lba: 0, blocks: 1 })).toMatchObject(good)
  await file!.close()
  expect(await disk.read({ lba: 0, blocks: 1 })).toMatchObject({ status: 2 })
  expect(device!.inflight).toBe(0)
})

test('commands beyond one batch of the engine, each answered from inside the batch that ended it', async () => {
  const { handler, asked } = noting()
  const { disk } = await serve(handler)
  const all = await Promise.all(Array.from({ length: 700 }, (_, i) => disk.write(i, bytes(1, i))))
  expect(all.every(({ status }) => status === 0)).toBe(true)
  const read = await Promise.all(Array.from({ length: 700 }, (_, i) => disk.read({ lba: i, blocks: 1 })))
  read.forEach(({ data }, i) => expect(Buffer.from(data)).toEqual(Buffer.from(bytes(1, i))))
  expect(asked).toEqual([])
})

test('through a ring: commands are answered in the batch that took them, and none is kept', async () => {
  const { handler } = noting()
  const path = join(folder, `direct-${counter++}`)
  device = await testDevice(handler, { config: path, io: engine, sizeBytes: MiB })
  const { initiator, kernel, pump } = attach(device, { flush: () => engine.submit() })
  expect(await initiator.write(0, bytes(8))).toMatchObject(good)
  expect(Buffer.from((await initiator.read({ lba: 0, blocks: 8 })).data)).toEqual(Buffer.from(bytes(8)))
  kernel.assertIdle()
  expect(pump.ring.inFlight).toBe(0)
  pump.close()
})
