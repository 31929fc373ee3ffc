import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import type { IoEngine } from '../../packages/host/src/io'
import { Segments } from '../../packages/host/src/wire'
import { requires, testIf } from '../lib/requires'
import { describeBackends, eachTest, scattered, settled, temporaryFolder } from './lib'

const KiB = 1024
const SIZE = 4 * KiB * KiB
/** Every four bytes of the file hold their own place. */
const image = Buffer.from(Uint32Array.from({ length: SIZE / 4 }, (_, i) => i * 2654435761).buffer)
const folder = temporaryFolder()
const memory = existsSync('/dev/shm') ? mkdtempSync('/dev/shm/tcmu-together-') : undefined
afterAll(() => { if (memory) rmSync(memory, { recursive: true }) })

/** A file whose pages are not in memory, written past them. */
function cold(name: string): string {
  const path = join(folder, name)
  writeFileSync(`${path}.warm`, image)
  execFileSync('dd', [`if=${path}.warm`, `of=${path}`, 'bs=1M', 'oflag=direct', 'conv=fsync', 'status=none'])
  return path
}
function warm(at: string, name: string): string {
  writeFileSync(join(at, name), image)
  return join(at, name)
}

describeBackends('reads of a batch that threads do together', (by) => {
  let engine: IoEngine
  eachTest(by, (e) => void (engine = e))

  async function readAll(path: string): Promise<void> {
    const file = await engine.open(path)
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.nat(SIZE / 512 - 1), fc.integer({ min: 1, max: 256 })), { minLength: 2, maxLength: 40 }), async (reads) => {
      const wanted = reads.map(([at, blocks]) => ({ offset: at * 512, ...scattered([Math.min(blocks * 512, 512 + (blocks % 7) * 512), blocks * 512]) }))
      const results = await settled(wanted.map(({ data, offset }) => file.readv(data, offset)))
      expect(results.every((r) => r === 0)).toBe(true)
      for (const { data, offset, gapsIntact } of wanted) {
        const there = image.subarray(offset, offset + data.length)
        expect(data.compare(Buffer.concat([there, Buffer.alloc(data.length - there.length)]))).toBe(-1)
        expect(gapsIntact()).toBe(true)
      }
    }), { numRuns: 25 })
    await file.close()
  }

  test('from the page cache', () => readAll(warm(folder, `warm-${by}`)))
  testIf(requires.all(memory === undefined ? 'needs /dev/shm' : undefined), 'from a file in memory', () => readAll(warm(memory!, `memory-${by}`)))
  test('from a file that is not in memory, where they wait after all', () => readAll(cold(`cold-${by}`)))

  test('a close in the same batch waits for them', async () => {
    for (const path of [warm(memory ?? folder, `close-${by}`), cold(`close-cold-${by}`)]) {
      const file = await engine.open(path)
      const pieces = Array.from({ length: 12 }, (_, i) => ({ at: i * 64 * KiB, data: Segments.allocate(64 * KiB) }))
      const reads = pieces.map(({ at, data }) => file.readv(data, at))
      const closed = file.close()
      expect((await settled(reads)).every((r) => r === 0)).toBe(true)
      await closed
      for (const { at, data } of pieces) expect(data.compare(image.subarray(at, at + data.length))).toBe(-1)
      await expect(Promise.resolve(file.readv(pieces[0]!.data, 0))).rejects.toMatchObject({ code: 'EBADF' })
    }
  })
})
