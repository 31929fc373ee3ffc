import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { sense, senseKey, zoneAction as a, zoneCondition as c } from '../../../packages/host/src/scsi'
import { expectCheck, expectGood } from '../../../packages/host/src/testing'
import { decodeRunnerHeader, RunnerRecord } from '../../../packages/handler-zbc/src/runner-image'
import { inRepository } from '../../lib/repository'
import { MiB, pattern, zonedBench } from './lib'

const bench = zonedBench()
const ZONE = 2048
const DATA = 4096
let n = 0

/**
 * What Debian's tcmu-runner 1.5.4 left of zbc/zsize-1/conv-2/open-4 and 16 MiB after 700 writes of 4 KiB from the third zone on:
 * its first page, and the data, of which every 8 bytes hold their own offset on the disk.
 */
function runnerImage(): string {
  const path = bench.path(`runner-${n++}`)
  const bytes = Buffer.alloc(DATA + 16 * MiB)
  gunzipSync(readFileSync(inRepository('test/fixtures/zbc/runner-1.5.4-metadata.gz'))).copy(bytes)
  for (let at = 2 * MiB; at < 2 * MiB + 700 * 4096; at += 8) bytes.writeBigUInt64LE(BigInt(at), DATA + at)
  // Below a write pointer nobody sees it; above one nobody must.
  bytes.fill(0x5a, DATA + 5 * MiB, DATA + 6 * MiB)
  writeFileSync(path, bytes)
  return path
}

test('an image of the C runner has its zones and its data, and nothing else', async () => {
  const d = await bench.open(runnerImage())
  expect(d.lines.join()).toMatch(/was made by the C runner; it stays as it is/)
  expect((await d.zones()).map((z) => [z.condition, z.condition === 0 ? 0 : z.writePointer - z.start]).slice(0, 7)).toEqual([
    [0, 0], [0, 0], [c.FULL, ZONE], [c.FULL, ZONE], [c.CLOSED, (700 - 512) * 8], [c.EMPTY, 0], [c.EMPTY, 0]])
  expect((await d.disk.vpd(0xb6)).data.readUInt32BE(16)).toBe(4)
  const { data } = await d.disk.read({ lba: 2 * ZONE, blocks: 4 * ZONE })
  for (let at = 0; at < data.length; at += 8) {
    const wanted = at < 700 * 4096 ? 2 * MiB + at : 0
    if (Number(data.readBigUInt64LE(at)) !== wanted) throw new Error(`byte ${at} of the zones`)
  }
})

test('it is written in its own format, which the C runner can read', async () => {
  const path = runnerImage()
  const d = await bench.open(`zsize-1/conv-2@${path}`)
  expectGood(await d.disk.write(4 * ZONE + 188 * 8, pattern(8, 1)))
  expectGood(await d.disk.write(6 * ZONE, pattern(3, 2)))
  expectGood(await d.manage(a.RESET_WRITE_POINTER, 2 * ZONE))
  expectGood(await d.manage(a.FINISH_ZONE, 5 * ZONE))
  expect((await d.disk.read({ lba: 5 * ZONE, blocks: 8 })).data.every((b) => b === 0)).toBe(true)
  await d.close()
  const bytes = readFileSync(path)
  expect(decodeRunnerHeader(bytes, bytes.length)).toMatchObject({ zones: 16, conventional: 2, dataOffset: DATA })
  const record = (zone: number): ReturnType<typeof RunnerRecord.decode> => RunnerRecord.decode(bytes, 48 + zone * 64)
  expect([2, 4, 5, 6].map(record).map((r) => [r.condition, r.writePointer - r.start])).toEqual([[c.EMPTY, 0], [c.CLOSED, 189 * 8], [c.FULL, ZONE], [c.CLOSED, 3]])
  expect(bytes.subarray(48 + 16, 48 + 24).equals(Buffer.alloc(8, 0xff))).toBe(true)
  const again = await bench.open(path)
  expect((await again.disk.read({ lba: 4 * ZONE + 188 * 8, blocks: 8 })).data).toEqual(pattern(8, 1))
})

test('one whose zones contradict themselves is readable, not writable there', async () => {
  const path = runnerImage()
  const bytes = readFileSync(path)
  bytes.writeUInt8(9, 48 + 64 * 4 + RunnerRecord.at.condition)
  writeFileSync(path, bytes)
  const d = await bench.open(path)
  expect(d.lines.join()).toMatch(/zone 4 is damaged; it is READ ONLY now/)
  expectCheck(await d.disk.write(4 * ZONE, pattern(8, 1)), senseKey.DATA_PROTECT, sense.ZONE_IS_READ_ONLY)
  expect((await d.disk.read({ lba: 4 * ZONE, blocks: 8 })).data.readBigUInt64LE(0)).toBe(BigInt(4 * MiB))
})

test('any change of its first bytes is opened, or refused with a sentence, and the file stays', async () => {
  const path = runnerImage()
  const original = readFileSync(path)
  await fc.assert(fc.asyncProperty(fc.nat(47), fc.nat(255), async (at, value) => {
    const changed = Buffer.from(original)
    changed[at] = value
    writeFileSync(path, changed)
    try {
      const d = await bench.open(path, { sizeBytes: 0 })
      await d.zones()
      await d.close()
    } catch (e) {
      expect((e as Error).message).toMatch(/^E_(ZONED|DEVICE_GEOMETRY)/)
      expect(readFileSync(path).equals(changed)).toBe(true)
    }
  }), { numRuns: 15 })
})
