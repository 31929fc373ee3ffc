// How much longer a READ(10) of 4 KiB takes through ring, pump and device to a handler that does nothing than through a bare loop
// over the same ring: what the host adds, as a ratio that the machine has little part in. Laps in turns, the best of each.
//
//   npm run build && node --max-semi-space-size=128 test/bench/null-ratio.mjs
import { createRequire } from 'node:module'
import { join, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ringBench } from './ring.mjs'

const dist = join(dirname(fileURLToPath(import.meta.url)), '../../packages/host/dist')
const require = createRequire(import.meta.url)
const { Mailbox, CmdRequest, CmdResponse, EntryHeader, Iovec } = require(join(dist, 'ring/index.js'))
const { Pump, testDevice, cdb } = require(join(dist, 'testing/index.js'))
const { defineHandler } = require(join(dist, 'handler/index.js'))
const { Producer, DEPTH, ENTRIES } = ringBench(dist)

const LAPS = 100
const ALIGN = 7
const read = cdb.read10({ lba: 8, blocks: 8 })

/** The least that any host must do: look at each entry, its memory and its CDB, and write an answer. */
function bareLoop() {
  const producer = new Producer(read)
  const { words, bytes, size } = producer
  const [tailAt, headAt] = [Mailbox.at.cmdTail >> 2, Mailbox.at.cmdHead >> 2]
  let seen = 0
  return [producer, () => {
    const head = Atomics.load(words, headAt)
    let tail = words[tailAt]
    while (tail !== head) {
      const at = Mailbox.size + tail
      const length = words[(at + EntryHeader.at.lenOp) >> 2] & ~ALIGN
      const cdbAt = words[(at + CmdRequest.at.cdbOff) >> 2]
      for (let i = 0; i < 10; i++) seen += bytes[cdbAt + i]
      seen += words[(at + CmdRequest.size + Iovec.at.length) >> 2]
      words[(at + CmdResponse.at.scsiStatus) >> 2] = 0
      tail = (tail + length) % size
    }
    Atomics.store(words, tailAt, tail)
    return seen
  }]
}

async function host() {
  const handler = defineHandler({ subtype: 'quiet', open: () => 0, read: () => 0, write: () => 0 })
  const producer = new Producer(read)
  new Pump(producer, await testDevice(handler, { sizeBytes: 2 ** 30, strictCdb: false }))
  return [producer, () => producer.wake()]
}

const lanes = [bareLoop(), await host()].map(([producer, serve]) => ({ producer, serve, best: Infinity }))
for (let lap = 0; lap < LAPS; lap++) {
  for (const lane of lanes) {
    lane.producer.fill()
    await new Promise((resolve) => setImmediate(resolve))
    const start = process.hrtime.bigint()
    for (let n = 0; n < ENTRIES; n += DEPTH) {
      lane.producer.post()
      lane.serve()
    }
    lane.best = Math.min(lane.best, Number(process.hrtime.bigint() - start) / ENTRIES)
    if (lane.producer.words[Mailbox.at.cmdTail >> 2] !== lane.producer.head) throw new Error('not everything was answered')
  }
}
const [bare, full] = lanes
console.log(JSON.stringify({ bareNs: bare.best, hostNs: full.best, ratio: full.best / bare.best }))
process.exit(0)
