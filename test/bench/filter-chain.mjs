// What filters before a handler cost per command: none, three that do nothing to it, three that stand around each callback.
//
//   npx tsc -b && node --expose-gc --max-semi-space-size=128 test/bench/filter-chain.mjs [--json] [folder of the built host]
//
// One ring and pump for each chain, the chains in turn lap by lap, so that all see the same machine; figures are medians and
// their ratios to no filters, which are what counts.
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createRequire } from 'node:module'
import { ringBench } from './ring.mjs'

const args = process.argv.slice(2).filter((a) => a !== '--json')
const json = process.argv.includes('--json')
const dist = resolve(args[0] ?? join(dirname(fileURLToPath(import.meta.url)), '../../packages/host/dist'))
const require = createRequire(import.meta.url)
const { defineFilter, withFilters } = require(join(dist, 'filter/index.js'))
const { defineHandler } = require(join(dist, 'handler/index.js'))
const { Pump, testDevice, cdb } = require(join(dist, 'testing/index.js'))
const { Producer, ENTRIES, DEPTH } = ringBench(dist)

const LAPS = 300
const quiet = defineHandler({ subtype: 'quiet', open: () => 0, read: () => 0, write: () => 0, flush: () => 0 })
const three = (more) => ['a', 'b', 'c'].map((name) => ({ filter: defineFilter({ name, summary: 'null', ...more }), options: {} }))
const chains = {
  'no filters': [],
  'three that do nothing': three({}),
  'three that touch flush only': three({ flush: (_, next) => next.flush() }),
  'three around each callback': three({ around: (_state, _operation, _range, run) => run() }),
}

const lanes = []
for (const [name, uses] of Object.entries(chains)) {
  const device = await testDevice(withFilters(quiet, uses), { sizeBytes: 2 ** 30, strictCdb: false })
  const producer = new Producer(cdb.read10({ lba: 8, blocks: 8 }))
  new Pump(producer, device)
  lanes.push({ name, producer, times: [] })
}

for (let lap = 0; lap < LAPS; lap++) {
  // Each goes first as often as the others.
  const order = lanes.map((_, i) => lanes[(i + lap) % lanes.length])
  for (const { producer, times } of order) {
    producer.fill()
    await new Promise((r) => setTimeout(r, 0))
    const start = process.hrtime.bigint()
    for (let n = 0; n < ENTRIES; n += DEPTH) {
      producer.post()
      producer.wake()
    }
    if (lap >= LAPS / 3) times.push(Number(process.hrtime.bigint() - start) / ENTRIES)
  }
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]
const bare = median(lanes[0].times)
const rows = lanes.map(({ name, times }) => ({ name, ns: median(times), best: Math.min(...times), ratio: median(times) / bare }))
if (json) console.log(JSON.stringify({ node: process.version, rows }))
else {
  console.log(`Node ${process.version}, READ(10) 4 KiB of a null handler at depth ${DEPTH}, median of ${LAPS * 2 / 3} laps of ${ENTRIES} commands`)
  for (const r of rows) console.log(`${r.ns.toFixed(0).padStart(5)} ns (best ${r.best.toFixed(0)})  ×${r.ratio.toFixed(2)}  ${r.name}`)
}
process.exit(0)
