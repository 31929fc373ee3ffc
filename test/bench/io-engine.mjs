// What a 4 KiB read or write of a page-cached file costs: this engine, Node's fs on the libuv pool, a synchronous loop.
//
//   npx tsc -b && node test/bench/io-engine.mjs [--json] [folder for the file]
//
// `depth` operations are under way; the next batch starts when the last has settled. The median of LAPS laps is reported.
import { closeSync, fsyncSync, mkdtempSync, openSync, promises, readSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const args = process.argv.slice(2).filter((a) => a !== '--json')
const dist = join(dirname(fileURLToPath(import.meta.url)), '../../packages/host/dist')
const require = createRequire(import.meta.url)
const { createIoEngine } = require(join(dist, 'io/index.js'))
const { DataArea, Segments } = require(join(dist, 'wire/index.js'))

const BLOCK = 4096
const BLOCKS = 16_384
const LAPS = 9
const OPERATIONS = 16_000

const folder = mkdtempSync(join(args[0] ?? tmpdir(), 'tcmu-bench-'))
const path = join(folder, 'file')
writeFileSync(path, Buffer.alloc(BLOCK * BLOCKS, 1))
const fd = openSync(path, 'r+')
fsyncSync(fd)

const area = DataArea.allocate(64 * BLOCK)
const segments = Array.from({ length: 64 }, (_, i) => {
  const s = new Segments().start(area)
  s.add(i * BLOCK, BLOCK)
  return s
})
const buffers = segments.map((_, i) => area.bytes.subarray(i * BLOCK, (i + 1) * BLOCK))

let seed = 1
const position = () => ((seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) % BLOCKS) * BLOCK

const engine = createIoEngine()
const file = await engine.open(path, { lock: false })
const handle = await promises.open(path, 'r+')

const batched = (operation) => async (depth) => {
  for (let done = 0; done < OPERATIONS; done += depth) {
    const all = []
    for (let i = 0; i < depth; i++) all.push(operation(i))
    await (depth === 1 ? all[0] : Promise.all(all))
  }
}
const one = (operation) => async () => {
  for (let i = 0; i < OPERATIONS; i++) operation(i & 31)
}
const ways = {
  'read, engine': [batched((i) => file.readv(segments[i], position())), [1, 32]],
  'read, fs.promises': [batched((i) => handle.read(buffers[i], 0, BLOCK, position())), [1, 32]],
  'read, readSync': [one((i) => readSync(fd, buffers[i], 0, BLOCK, position())), [1]],
  'write, engine': [batched((i) => file.writev(segments[i], position())), [1, 32]],
  'write, fs.promises': [batched((i) => handle.write(buffers[i], 0, BLOCK, position())), [1, 32]],
  'write, writeSync': [one((i) => writeSync(fd, buffers[i], 0, BLOCK, position())), [1]],
}

const rows = []
for (const [name, [way, depths]] of Object.entries(ways)) {
  for (const depth of depths) {
    const laps = []
    const cpu = process.cpuUsage()
    for (let lap = 0; lap < LAPS; lap++) {
      const began = performance.now()
      await way(depth)
      laps.push(((performance.now() - began) * 1000) / OPERATIONS)
    }
    const { user, system } = process.cpuUsage(cpu)
    rows.push({ name, depth, microseconds: laps.sort((a, b) => a - b)[LAPS >> 1], cpu: (user + system) / (OPERATIONS * LAPS) })
  }
}
await file.close()
await engine.close()
await handle.close()
closeSync(fd)
rmSync(folder, { recursive: true })

if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(rows)}\n`)
else for (const r of rows) process.stdout.write(`${r.name.padEnd(20)} depth ${String(r.depth).padStart(2)}  ${r.microseconds.toFixed(2).padStart(7)} µs  ${r.cpu.toFixed(2).padStart(7)} µs CPU\n`)
