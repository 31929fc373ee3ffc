import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import type { IoEngine } from '../../packages/host/src/io'
import { requires, testIf } from '../lib/requires'
import { describeBackends, eachTest, scattered, settled, temporaryFolder } from './lib'

const BLOCK = 512
const BLOCKS = 256
const SIZE = BLOCKS * BLOCK
const folder = temporaryFolder()
const memory = existsSync('/dev/shm') ? mkdtempSync('/dev/shm/tcmu-joined-') : undefined
afterAll(() => { if (memory) rmSync(memory, { recursive: true }) })
const inMemory = memory === undefined ? 'needs /dev/shm' : undefined

/** Transfers that follow each other, from a place on: pieces of some blocks each. */
const line = fc.record({
  write: fc.boolean(), at: fc.nat(BLOCKS - 1), pieces: fc.array(fc.record({ blocks: fc.integer({ min: 1, max: 40 }), split: fc.boolean() }), { minLength: 1, maxLength: 12 }),
})

describeBackends('transfers of a batch that follow each other in a file', (by) => {
  let engine: IoEngine
  eachTest(by, (e) => void (engine = e))

  /** Batch after batch, held against an array of bytes. Lines of one batch stay apart, as commands that overlap do not run side by side. */
  async function checkLines(path: string): Promise<void> {
    const model = Buffer.alloc(SIZE)
    writeFileSync(path, model)
    const file = await engine.open(path)
    let fill = 1
    await fc.assert(fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 3 }), async (lines) => {
      const taken = new Uint8Array(BLOCKS)
      const begun: { result: ReturnType<typeof file.readv>; check(): void }[] = []
      for (const { write, at, pieces } of lines) {
        let block = at
        for (const { blocks, split } of pieces) {
          const [from, to] = [block, Math.min(block + blocks, write ? BLOCKS : BLOCKS + 8)]
          if (from >= to || taken.subarray(from, to).some(Boolean)) break
          taken.fill(1, from, to)
          block = to
          const bytes = (to - from) * BLOCK
          const { data, gapsIntact } = scattered(split && bytes > BLOCK ? [BLOCK, bytes - BLOCK] : [bytes])
          if (write) {
            const content = Buffer.alloc(bytes, fill++ % 250 + 1)
            data.set(content)
            content.copy(model, from * BLOCK)
            begun.push({ result: file.writev(data, from * BLOCK), check: () => expect(gapsIntact()).toBe(true) })
          } else {
            const there = Buffer.alloc(bytes)
            // What is behind the end of the file reads as zeroes.
            there.set(model.subarray(from * BLOCK, to * BLOCK))
            begun.push({ result: file.readv(data, from * BLOCK), check: () => expect([data.compare(there), gapsIntact()]).toEqual([-1, true]) })
          }
        }
      }
      expect((await settled(begun.map((b) => b.result))).every((r) => r === 0)).toBe(true)
      for (const { check } of begun) check()
    }), { numRuns: 150 })
    await file.close()
    expect(readFileSync(path).equals(model)).toBe(true)
  }

  testIf(inMemory, 'in memory', () => checkLines(join(memory!, `lines-${by}`)))
  test('on a disk', () => checkLines(join(folder, `lines-${by}`)))

  testIf(requires.all(inMemory, requires.command('prlimit', 'util-linux')), 'one that fails takes none of the others along', async () => {
    const path = join(memory!, `limit-${by}`)
    writeFileSync(path, '')
    const first = 2 ** 20
    const limit = first + 10 * 4096 + 100
    const said = execFileSync('prlimit', [
      `--fsize=${limit}`, process.execPath, resolve(__dirname, '../lib/ts.cjs'), resolve(__dirname, 'fixtures/limited-file.ts'), path, String(first), '16', by,
    ], { encoding: 'utf8', timeout: 60_000 })
    expect(JSON.parse(said)).toEqual([...Array<number>(10).fill(0), ...Array<string>(6).fill('EFBIG')])
    const written = readFileSync(path)
    expect(written).toHaveLength(limit)
    for (let i = 0; i < 10; i++) expect(written.subarray(first + i * 4096, first + (i + 1) * 4096).equals(Buffer.alloc(4096, i + 1))).toBe(true)
  })
})
