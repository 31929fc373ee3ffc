import { createDecipheriv } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { type FilterUse, withFilters } from '@tcmu/host/filter'
import { type BlocksHandler, defineHandler, type Handler, Status } from '@tcmu/host/handler'
import { checkConformance, type Conformance, expectGood, expectWriteError, expectWriteProtected, fileIo, handlerConformance, initiatorOf, LogLines, ramHandler, testDevice } from '@tcmu/host/testing'
import filters, { cache, cow, delay, encrypt, error, log, offset, rate, readonly, retry, stats } from '.'
import { bytesOf, milliseconds } from './units'

const MIB = 1 << 20
const folder = mkdtempSync(join(tmpdir(), 'tcmu-filters-'))
afterAll(() => rmSync(folder, { recursive: true }))
const path = (): string => join(mkdtempSync(join(folder, 'x-')), 'file')
const keyFile = join(folder, 'key')
writeFileSync(keyFile, Buffer.from(Array.from({ length: 64 }, (_, i) => i * 3)), { mode: 0o600 })

/** A disk in a file, for what has to survive closing. */
const plain: BlocksHandler = defineHandler({
  subtype: 'plain',
  open: (dev) => dev.io.open(dev.config, { create: true, size: dev.sizeBytes }),
  close: (file) => file.close(),
  read: (file, io) => file.readv(io.data, io.offset),
  write: (file, io) => file.writev(io.data, io.offset, io.fua),
  flush: (file) => file.sync(),
  fua: 'native',
})
const use = (filter: FilterUse['filter'], options: unknown = {}): FilterUse => ({ filter, options })

/** Each filter as it is when it does nothing that a test would call an error. */
const harmless: Readonly<Record<string, () => FilterUse>> = {
  cache: () => use(cache, { size: '256K' }),
  cow: () => use(cow, { overlay: path() }),
  delay: () => use(delay, { all: '1ms' }),
  encrypt: () => use(encrypt, { keyFile }),
  error: () => use(error, { after: 1e9 }),
  log: () => use(log),
  offset: () => use(offset, { offset: '4096' }),
  rate: () => use(rate, { iops: 1e6, bytes: '10G' }),
  retry: () => use(retry, { times: 1, delay: '1ms' }),
  stats: () => use(stats),
}
const kit = (handler: Handler, config: Conformance['config'], volatile: boolean): Conformance => ({ handler, config, volatile, geometry: { sizeBytes: 2 * MIB } })

test('every filter there is is tested, one of them alone', () => {
  expect(filters.map((f) => f.name).sort()).toEqual([...Object.keys(harmless), 'readonly'].sort())
})

describe.each(Object.keys(harmless))('%s alone', (name) => {
  handlerConformance(kit(withFilters(ramHandler, [harmless[name]!()]), '', true))
  if (name !== 'cow') handlerConformance(kit(withFilters(plain, [harmless[name]!()]), path, false))
})
describe('cow over a file', () => {
  // A medium of its own is a file and its overlay.
  const overlay = path()
  handlerConformance({ ...kit(withFilters(plain, [use(cow, { overlay })]), join(folder, 'below-cow'), false) })
})

const chains = [['stats', 'rate', 'log'], ['cache', 'encrypt', 'offset'], ['retry', 'error', 'delay'], ['cow', 'cache', 'encrypt'], ['offset', 'offset', 'stats']]
describe.each(chains)('%s over %s over %s', (...names) => {
  handlerConformance(kit(withFilters(ramHandler, names.map((n) => harmless[n]!())), '', true))
})

async function disk(uses: readonly FilterUse[], options: Parameters<typeof testDevice>[1] = {}, handler: Handler = ramHandler) {
  const logLines = new LogLines()
  const device = await testDevice(withFilters(handler, uses), { io: fileIo(), log: logLines, sizeBytes: MIB, ...options })
  return { device, initiator: initiatorOf(device), lines: logLines.lines }
}
const block = (byte: number, n = 1): Uint8Array => new Uint8Array(512 * n).fill(byte)

test('readonly: refused, and said beforehand', async () => {
  const { device, initiator } = await disk([use(readonly)])
  expectWriteProtected(await initiator.write(0, block(1)))
  expect([device.readOnly, device.abilities.unmap]).toEqual([true, 'none'])
})

test('readonly keeps every promise but those that begin with a write, which is refused', async () => {
  const kept: string[] = []
  for await (const { promise, outcome, reason } of checkConformance(kit(withFilters(ramHandler, [use(readonly)]), '', true))) {
    if (outcome === 'kept') kept.push(promise)
    if (outcome === 'broken') expect(reason).toMatch(/expected GOOD, got CHECK CONDITION, DATA PROTECT, 27\/00/)
  }
  expect(kept).toEqual(expect.arrayContaining([
    'opens and closes again and again, and leaves nothing open', 'leaves the data of a command alone once it has answered', 'shows initiators what it can do and no more',
    'lets go of aborted commands', 'answers every command once, whatever is in it',
  ]))
})

test('what is not true any more behind a filter is not declared', async () => {
  const all: BlocksHandler = { ...ramHandler, open: (dev) => (dev.declare({ sanitize: true, maxAtomicBlocks: 8, unmappedReadsZero: true, lacking: ['flush'] }), new Uint8Array(dev.sizeBytes)), space: () => ({ used: 0, available: 1 }), extents: () => [] }
  const abilities = async (one: FilterUse): Promise<Record<string, unknown>> => {
    const { device } = await disk([one], {}, all)
    const { abilities: { unmap, flush, sanitize, writeAtomic, space, extents }, unmappedReadsZero } = device
    await device.close(1000)
    return { unmap, flush, sanitize, writeAtomic, space, extents, unmappedReadsZero }
  }
  const whole = { unmap: 'native', flush: 'none', sanitize: 'emulate', writeAtomic: 'native', space: 'native', extents: 'native', unmappedReadsZero: true }
  for (const name of ['delay', 'error', 'rate', 'log', 'retry', 'stats']) expect(await abilities(harmless[name]!())).toEqual(whole)
  expect(await abilities(use(offset))).toEqual({ ...whole, space: 'none' })
  expect(await abilities(harmless['cache']!())).toEqual({ ...whole, writeAtomic: 'none' })
  expect(await abilities(use(readonly))).toEqual({ ...whole, unmap: 'none', sanitize: 'none', writeAtomic: 'none' })
  expect(await abilities(harmless['encrypt']!())).toEqual({ ...whole, unmap: 'none', extents: 'none', unmappedReadsZero: false })
  expect(await abilities(harmless['cow']!())).toEqual({ unmap: 'none', flush: 'native', sanitize: 'none', writeAtomic: 'none', space: 'none', extents: 'none', unmappedReadsZero: false })
})

test('retry leaves COMPARE AND WRITE alone: done although it failed, it would miscompare', async () => {
  const handler: BlocksHandler = { ...ramHandler, compareAndWrite: () => Status.WR_ERR }
  const { lines, initiator } = await disk([use(retry, { delay: '1ms' })], {}, handler)
  expectWriteError(await initiator.compareAndWrite(0, Buffer.concat([block(0), block(1)])))
  expect(lines.filter((l) => l.includes('again in'))).toEqual([])
})

test('cache: what is cut off does not come back when the disk grows again', async () => {
  let resize: (bytes: number) => void = () => undefined
  let bytes = Buffer.alloc(MIB, 1)
  const handler: BlocksHandler = {
    ...ramHandler, open: (dev) => ((resize = (n) => ((bytes = Buffer.concat([bytes.subarray(0, n)], n)), dev.resized(n))), 0),
    read: (_, io) => void io.data.set(bytes.subarray(io.offset, io.offset + io.length)),
  }
  const { initiator } = await disk([harmless['cache']!()], {}, handler)
  const last = async (): Promise<number> => {
    for (;;) {
      const { status, data } = await initiator.read({ lba: 2047, blocks: 1 })
      if (status === 0) return data[0]!
    }
  }
  expect(await last()).toBe(1)
  resize(MIB / 2)
  resize(MIB)
  expect(await last()).toBe(0)
})

test('error: the third and fourth write in a range fail, and retry hides it', async () => {
  const faults = use(error, { on: 'write', after: 2, times: 2, from: '4K' })
  const { initiator } = await disk([faults])
  const outcome = async (lba: number): Promise<number> => (await initiator.write(lba, block(1))).status
  expect([await outcome(0), await outcome(8), await outcome(8)]).toEqual([0, 0, 0])
  expectWriteError(await initiator.write(8, block(1)))
  expectWriteError(await initiator.write(9, block(1)))
  expect(await outcome(8)).toBe(0)
  const hidden = await disk([use(retry, { times: 3, delay: '1ms' }), use(error, { on: 'write', times: 2 })])
  expectGood(await hidden.initiator.write(0, block(1)))
  expect(hidden.lines.filter((l) => l.includes('again in'))).toHaveLength(2)
})

test('delay and rate take their time', async () => {
  const slow = await disk([use(delay, { read: '40ms' })])
  const began = performance.now()
  expectGood(await slow.initiator.read({ lba: 0, blocks: 1 }))
  expect(performance.now() - began).toBeGreaterThan(38)
  const limited = await disk([use(rate, { iops: 100, burst: 1 })])
  const start = performance.now()
  await Promise.all(Array.from({ length: 40 }, (_, i) => limited.initiator.read({ lba: i, blocks: 1 })))
  expect(performance.now() - start).toBeGreaterThan(280)
})

test('log and stats tell what was done', async () => {
  const { device, initiator, lines } = await disk([use(log), use(stats), use(error, { on: 'read', after: 1 })])
  await initiator.write(8, block(1, 2))
  await initiator.read({ lba: 8, blocks: 2 })
  await initiator.read({ lba: 8, blocks: 2 })
  await device.close(1000)
  expect(lines).toEqual(expect.arrayContaining([
    'info: test: write 1024 bytes at 4096: ok', expect.stringMatching(/read 1024 bytes at 4096: EIO: injected/), expect.stringMatching(/read 2 \(2048 bytes, 1 failed/),
  ]))
})

test('offset: the part, and nothing else', async () => {
  const file = path()
  writeFileSync(file, Buffer.alloc(65536))
  const sized: Handler = {
    ...plain,
    open: async (dev) => {
      const opened = await dev.io.open(dev.config)
      dev.resized(opened.size)
      return opened
    },
  }
  const part = use(offset, { offset: '8K', size: '4096' })
  const { device, initiator } = await disk([part], { config: file, sizeBytes: 0 }, sized)
  expect(device.blocks).toBe(8)
  expectGood(await initiator.write(7, block(9)))
  await device.close(1000)
  const bytes = readFileSync(file)
  expect([bytes.indexOf(9), bytes.length]).toEqual([8192 + 7 * 512, 65536])
  await expect(disk([use(offset, { offset: '61440', size: '8K' })], { config: file, sizeBytes: 0 }, sized)).rejects.toThrow(/ends at 69632/)
  await expect(disk([use(offset, { offset: '100' })], { config: file, sizeBytes: 0 }, sized)).rejects.toThrow(/multiples of the block size/)
})

test('encrypt: the medium holds cipher text that AES-256-XTS of others reads', async () => {
  const file = path()
  const { device, initiator } = await disk([use(encrypt, { keyFile })], { config: file }, plain)
  expectGood(await initiator.write(5, block(0x61, 2)))
  await device.close(1000)
  const tweak = Buffer.alloc(16)
  tweak.writeUInt32LE(6)
  const cipherText = readFileSync(file).subarray(6 * 512, 7 * 512)
  expect(cipherText.includes('aaaa')).toBe(false)
  expect(createDecipheriv('aes-256-xts', readFileSync(keyFile), tweak).update(cipherText).every((b) => b === 0x61)).toBe(true)
})
test.each([['short', 31, 0o600, /holds 31 bytes/], ['long', 200, 0o600, /holds more bytes/], ['open', 64, 0o644, /mode 644\); chmod 600/], ['changeable', 64, 0o620, /chmod 600/], ['same', -64, 0o600, /two halves/]] as const)('encrypt: a key that is %s is refused', async (name, bytes, mode, says) => {
  const file = join(folder, `key-${name}`)
  writeFileSync(file, Buffer.from(Array.from({ length: Math.abs(bytes) }, (_, i) => (bytes < 0 ? i % 32 : i))), { mode })
  chmodSync(file, mode)
  await expect(disk([use(encrypt, { keyFile: file })])).rejects.toThrow(says)
})
test('encrypt: a key in digits is the key; a folder, and nothing, are refused', async () => {
  const file = join(folder, 'digits')
  writeFileSync(file, `${readFileSync(keyFile).toString('hex')}\n`, { mode: 0o600 })
  const medium = path()
  const one = await disk([use(encrypt, { keyFile })], { config: medium }, plain)
  expectGood(await one.initiator.write(5, block(7)))
  await one.device.close(1000)
  const other = await disk([use(encrypt, { keyFile: file })], { config: medium }, plain)
  expect(expectGood(await other.initiator.read({ lba: 5, blocks: 1 })).data).toEqual(Buffer.from(block(7)))
  await other.device.close(1000)
  await expect(disk([use(encrypt, { keyFile: folder })])).rejects.toThrow(/no regular file/)
  await expect(disk([use(encrypt, { keyFile: join(folder, 'none') })])).rejects.toThrow(/ENOENT.*none/)
})

test.each([['10', 10, 10], ['5ms', 5, 0], ['1.5s', 1500, 0], ['64K', 0, 65536], ['2MiB', 0, 2 ** 21], ['1T', 0, 2 ** 40]])('%s is %d ms or %d bytes', (text, ms, bytes) => {
  if (ms) expect(milliseconds(text)).toBe(ms)
  if (bytes) expect(bytesOf(text, 0)).toBe(bytes)
})

test('the manifest describes exactly the filters that there are', () => {
  const { tcmuFilter } = JSON.parse(readFileSync(join(__dirname, '../package.json'), 'utf8')) as { tcmuFilter: { name: string; summary: string }[] }
  expect(tcmuFilter.map(({ name, summary }) => ({ name, summary }))).toEqual(filters.map(({ name, summary }) => ({ name, summary })))
})

describe('cow', () => {
  test('the disk below stays as it is; the overlay is found again; a foreign file is refused', async () => {
    const [file, overlay] = [path(), path()]
    const below = await disk([], { config: file }, plain)
    expectGood(await below.initiator.write(0, block(1, 300)))
    await below.device.close(1000)
    const before = readFileSync(file)
    const over = await disk([use(cow, { overlay })], { config: file }, plain)
    expectGood(await over.initiator.write(100, block(2, 100)))
    await over.device.close(1000)
    expect(readFileSync(file).equals(before)).toBe(true)
    const again = await disk([use(cow, { overlay })], { config: file }, plain)
    const { data } = expectGood(await again.initiator.read({ lba: 0, blocks: 300 }))
    expect([data[99 * 512], data[100 * 512], data[199 * 512], data[200 * 512]]).toEqual([1, 2, 2, 1])
    await again.device.close(1000)
    await expect(disk([use(cow, { overlay: file })], { config: path() }, plain)).rejects.toThrow(/no overlay of this filter/)
    await expect(disk([use(cow, { overlay })], { config: path(), sizeBytes: 2 * MIB }, plain)).rejects.toThrow(/overlay of a disk of 1048576 bytes/)
  })

  test('any writes and reads, at a time, read as a disk does', async () => {
    const step = fc.record({ lba: fc.nat(2000), blocks: fc.integer({ min: 1, max: 200 }), byte: fc.integer({ min: 1, max: 255 }) })
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const { device, initiator } = await disk([use(cow, { overlay: path() }), use(cache, { size: '128K' })])
      const model = Buffer.alloc(MIB)
      for (const { lba, blocks, byte } of steps) {
        const n = Math.min(blocks, 2048 - lba)
        expectGood(await initiator.write(lba, block(byte, n)))
        model.fill(byte, lba * 512, (lba + n) * 512)
      }
      const { data } = expectGood(await initiator.read({ lba: 0, blocks: 2048 }))
      expect(data.equals(model)).toBe(true)
      await device.close(1000)
    }), { numRuns: 15 })
  })
})

test('a handler that answers commands itself cannot be filtered', () => {
  expect(() => withFilters({ subtype: 'own', open: () => ({}), handleCmd: () => 0 }, [use(log)])).toThrow(/E_FILTER: filter log: own answers SCSI commands itself/)
})
