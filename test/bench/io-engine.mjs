// What 4 KiB reads and writes of one file cost, cached, cold and past the cache: the engine by io_uring and by threads, Node's fs
// on the libuv pool, a synchronous loop, and fio where it is there.
//
//   npm run build && node test/bench/io-engine.mjs [--json] [--rounds N] [--seconds S] [--size MIB] [--only WORDS] [--ways NAMES] [folder]
//
// `depth` operations are kept under way. Ways take turns, in another order each round; medians of the rounds are reported, and
// of the ratios to the first way of the same round. --only takes words of a line's name, e.g. `direct,read`; --ways e.g. `uring,fio`.
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, constants, fsyncSync, mkdtempSync, openSync, promises, readSync, rmSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '1' }, size: { type: 'string', default: '1024' }, only: { type: 'string', default: '' }, ways: { type: 'string', default: '' } },
})
const dist = join(dirname(fileURLToPath(import.meta.url)), '../../packages/host/dist')
const require = createRequire(import.meta.url)
const { createIoEngine } = require(join(dist, 'io/index.js'))
const { loadNative } = require(join(dist, 'platform/index.js'))
const { DataArea, Segments } = require(join(dist, 'wire/index.js'))

const BLOCK = 4096
const DEPTHS = [1, 32, 128]
const MAX_DEPTH = DEPTHS.at(-1)
const blocks = (Number(flags.size) << 20) / BLOCK
const seconds = Number(flags.seconds)

const folder = mkdtempSync(join(positionals[0] ?? tmpdir(), 'tcmu-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'file')
const fd = openSync(path, 'w+')
for (let i = 0; i < blocks; i += 256) writeSync(fd, Buffer.alloc(256 * BLOCK, i & 0xff))

/** Writes what is dirty and forgets what is cached (posix_fadvise). */
const dropCache = () => {
  fsyncSync(fd)
  execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' })
}
const fillCache = () => {
  const chunk = Buffer.alloc(256 * BLOCK)
  for (let i = 0; i < blocks; i += 256) readSync(fd, chunk, 0, chunk.length, i * BLOCK)
}

// Memory as a ring has it: in pages.
const native = loadNative()
const map = new native.UioMap(native.memfd(MAX_DEPTH * BLOCK), MAX_DEPTH * BLOCK, native.eventfd(), native.eventfd(), 8)
const area = new DataArea(new Uint8Array(map.memory))
function segmentAt(i) {
  const s = new Segments().start(area)
  s.add(i * BLOCK, BLOCK)
  return s
}
const slots = Array.from({ length: MAX_DEPTH }, (_, i) => segmentAt(i))
const buffers = slots.map((_, i) => area.bytes.subarray(i * BLOCK, (i + 1) * BLOCK))

let seed = 1
const position = () => ((seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) % blocks) * BLOCK

/** Keep `depth` operations under way for so long; how many there were. */
async function keep(depth, operation, ms) {
  const until = performance.now() + ms
  let done = 0
  const chain = async (slot) => {
    do {
      await operation(slot)
      done++
    } while (performance.now() < until)
  }
  await Promise.all(Array.from({ length: depth }, (_, i) => chain(i)))
  return done
}

async function openWays(direct) {
  const engines = { uring: createIoEngine({ engine: 'uring' }), threads: createIoEngine({ engine: 'threads' }) }
  const files = {}
  for (const [by, engine] of Object.entries(engines)) files[by] = await engine.open(path, { lock: false, direct })
  const handle = await promises.open(path, constants.O_RDWR | (direct ? constants.O_DIRECT : 0))
  const ways = {
    read: {
      uring: (i) => files.uring.readv(slots[i], position()),
      threads: (i) => files.threads.readv(slots[i], position()),
      'fs.promises': (i) => handle.read(buffers[i], 0, BLOCK, position()),
    },
    write: {
      uring: (i) => files.uring.writev(slots[i], position()),
      threads: (i) => files.threads.writev(slots[i], position()),
      'fs.promises': (i) => handle.write(buffers[i], 0, BLOCK, position()),
    },
  }
  const close = async () => {
    for (const engine of Object.values(engines)) await engine.close()
    await handle.close()
  }
  return { ways, close }
}

/** Compiled code and awake processors: what comes first does not count, for fio (ramp_time) neither. */
const WARM_MS = 200
const measured = async (run) => {
  await run(WARM_MS)
  const cpu = process.cpuUsage()
  const began = performance.now()
  const operations = await run(seconds * 1000)
  const { user, system } = process.cpuUsage(cpu)
  return { iops: operations / ((performance.now() - began) / 1000), cpu: (user + system) / operations }
}

function fio(verb, depth, direct) {
  const run = spawnSync('fio', ['--name=x', `--filename=${path}`, `--rw=rand${verb}`, '--bs=4k', `--direct=${direct ? 1 : 0}`, '--ioengine=io_uring', `--iodepth=${depth}`,
    `--size=${blocks * BLOCK}`, '--time_based', `--runtime=${seconds}`, `--ramp_time=${WARM_MS}ms`, '--randrepeat=0', '--invalidate=0', '--output-format=json'], { encoding: 'utf8' })
  const job = JSON.parse(run.stdout).jobs[0]
  const { iops, runtime, total_ios: total } = job[verb]
  return { iops, cpu: ((job.usr_cpu + job.sys_cpu) / 100) * runtime * 1000 / total }
}
const hasFio = spawnSync('fio', ['--version']).status === 0

/** Before each line, and before each run of it. */
const kinds = { cached: { once: fillCache }, cold: { each: dropCache }, direct: { once: dropCache } }
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1]
const wanted = flags.only.split(',').filter(Boolean)
const lines = Object.keys(kinds).flatMap((kind) => ['read', 'write'].filter((verb) => kind !== 'cold' || verb === 'read').flatMap((verb) => DEPTHS.map((depth) => ({ kind, verb, depth }))))
  .filter((l) => wanted.every((w) => `${l.kind} ${l.verb} ${l.depth}`.split(' ').includes(w)))

const rows = []
for (const { kind, verb, depth } of lines) {
  const { ways, close } = await openWays(kind === 'direct')
  const runs = Object.entries(ways[verb]).map(([name, operation]) => [name, () => measured((ms) => keep(depth, operation, ms))])
  if (hasFio && kind === 'direct') runs.push(['fio', () => fio(verb, depth, true)])
  if (flags.ways) runs.splice(0, Infinity, ...runs.filter(([name]) => flags.ways.split(',').includes(name)))
  kinds[kind].once?.()
  const laps = Object.fromEntries(runs.map(([name]) => [name, []]))
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (let i = 0; i < runs.length; i++) {
      const [name, run] = runs[(i + round) % runs.length]
      kinds[kind].each?.()
      laps[name].push(await run())
    }
  }
  await close()
  const medians = Object.entries(laps).map(([way, l]) => ({ kind, verb, depth, way, iops: median(l.map((r) => r.iops)), cpu: median(l.map((r) => r.cpu)), ratio: median(l.map((r, i) => r.iops / laps[runs[0][0]][i].iops)) }))
  rows.push(...medians)
  if (flags.json) continue
  const cells = medians.map((m) => `${m.way} ${Math.round(m.iops)} (${m.ratio.toFixed(2)}) ${m.cpu.toFixed(1)} µs`)
  process.stdout.write(`${`${kind} ${verb}, depth ${depth}`.padEnd(24)} ${cells.join('   ')}\n`)
}
if (flags.json) process.stdout.write(`${JSON.stringify(rows)}\n`)
map.close()
closeSync(fd)
