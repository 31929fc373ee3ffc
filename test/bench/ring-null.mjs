// What one command costs this host when its backend does nothing: taken from the ring, dispatched, completed.
//
//   npx tsc -b && node --expose-gc --max-semi-space-size=128 test/bench/ring-null.mjs [--json] [folder of the built host]
//
// A ring is filled with commands outside the measured time and handed over in steps of `depth`, as a kernel would. Each
// row is the median of many laps. Bytes are those the JavaScript heap grew by in laps without garbage collection.
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PerformanceObserver } from 'node:perf_hooks'
import { ringBench } from './ring.mjs'

const args = process.argv.slice(2).filter((a) => a !== '--json')
const json = process.argv.includes('--json')
const dist = resolve(args[0] ?? join(dirname(fileURLToPath(import.meta.url)), '../../packages/host/dist'))
const require = createRequire(import.meta.url)
const { Ring, Mailbox, CmdResponse } = require(join(dist, 'ring/index.js'))
const { Pump, testDevice, cdb } = require(join(dist, 'testing/index.js'))
const { defineHandler } = require(join(dist, 'handler/index.js'))

const { Producer, DEPTH, ENTRIES, BLOCK } = ringBench(dist)
const LAPS = 200

let collections = 0
new PerformanceObserver((list) => (collections += list.getEntries().length)).observe({ entryTypes: ['gc'] })
const tick = () => new Promise((r) => setTimeout(r, 0))
const tailOf = (producer) => producer.words[Mailbox.at.cmdTail >> 2]

async function measure(name, producer, serve) {
  const times = []
  const bytes = []
  for (let lap = 0; lap < LAPS; lap++) {
    producer.fill()
    if (lap % 20 === 0) globalThis.gc()
    await tick()
    const before = collections
    const heap = process.memoryUsage().heapUsed
    const start = process.hrtime.bigint()
    for (let n = 0; n < ENTRIES; n += DEPTH) {
      producer.post()
      serve()
    }
    const took = Number(process.hrtime.bigint() - start)
    const grown = process.memoryUsage().heapUsed - heap
    await tick()
    if (lap < LAPS / 4) continue
    times.push(took / ENTRIES)
    if (collections === before) bytes.push(grown / ENTRIES)
  }
  const tail = tailOf(producer)
  if (tail !== producer.head) throw new Error(`${name}: tail ${tail}, head ${producer.head}: not everything was answered`)
  const status = producer.bytes[Mailbox.size + CmdResponse.at.scsiStatus]
  if (status !== 0) throw new Error(`${name}: status ${status}`)
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1]
  return { name, ns: median(times), best: Math.min(...times), bytes: median(bytes) }
}

const quiet = defineHandler({ subtype: 'quiet', open: () => 0, read: () => 0, write: () => 0 })
const later = defineHandler({ subtype: 'later', open: () => 0, read: async () => 0, write: async () => 0 })
const device = (handler) => testDevice(handler, { sizeBytes: 2 ** 30, strictCdb: false })
const pumped = (unit, bytes, iovecs) => {
  const producer = new Producer(bytes, iovecs)
  new Pump(producer, unit)
  return [producer, () => producer.wake()]
}
const write = cdb.write10({ lba: 8, blocks: 8 })
const read = cdb.read10({ lba: 8, blocks: 8 })

function ringOnly() {
  const producer = new Producer(read)
  const ring = new Ring(producer.memory, { nexus: { name: 'bench' }, finished: () => {} })
  return [producer, () => {
    for (let c = ring.next(); c !== undefined; c = ring.next()) {
      c.dataInLength = BLOCK
      ring.complete(c)
    }
    ring.publish()
  }]
}
const nothing = { name: 'nothing', execute: (c) => { c.dataInLength = BLOCK; c.finish() }, abort: async () => 0, join() {}, leave() {} }

const rows = [
  await measure('ring: next + complete + publish', ...ringOnly()),
  await measure('ring + pump, unit that only finishes', ...pumped(nothing, read)),
  await measure('ring + pump + device, TEST UNIT READY', ...pumped(await device(quiet), cdb.testUnitReady(), 0)),
  await measure('ring + pump + device, WRITE(10) 4 KiB, null handler', ...pumped(await device(quiet), write)),
  await measure('ring + pump + device, READ(10) 4 KiB, null handler', ...pumped(await device(quiet), read)),
]
// An async handler answers in microtasks, and the pump goes on after those: both run when the measured turn awaits.
async function asynchronous() {
  const [producer, wake] = pumped(await device(later), read)
  const times = []
  for (let lap = 0; lap < LAPS; lap++) {
    producer.fill()
    await tick()
    const start = process.hrtime.bigint()
    for (let n = 0; n < ENTRIES; n += DEPTH) {
      producer.post()
      wake()
      while (tailOf(producer) !== producer.head) await new Promise(process.nextTick)
    }
    if (lap >= LAPS / 4) times.push(Number(process.hrtime.bigint() - start) / ENTRIES)
  }
  times.sort((a, b) => a - b)
  return { name: 'ring + pump + device, READ(10) 4 KiB, async null handler', ns: times[times.length >> 1], best: times[0], bytes: NaN }
}
rows.push(await asynchronous())

if (json) console.log(JSON.stringify({ node: process.version, depth: DEPTH, rows }))
else {
  console.log(`Node ${process.version}, depth ${DEPTH}, median of ${LAPS * 3 / 4} laps of ${ENTRIES} commands`)
  for (const r of rows) console.log(`${r.ns.toFixed(0).padStart(5)} ns (best ${r.best.toFixed(0)})  ${r.bytes.toFixed(1).padStart(6)} B  ${r.name}`)
}
