#!/usr/bin/env node
// `npm run bench`: what this host does beside others, as JSON, SVG and one page in bench/results/.
//   npm run bench -- --only ring,zones,portal,qcow,rbd,micro,memory,io    some parts  --rounds N     --out FOLDER
//   npm run bench -- --quick                                    one ratio, under a minute; --reference writes down what it is
// The ring needs root and gcc, and compares with Debian's tcmu-runner where apt can download it. Parts that cannot run say why.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { command, inRoot, Refusal, shown, step } from '../scripts/lib.mjs'
import { prepare } from '../scripts/setup.mjs'
import { load, machine } from './machine.mjs'
import { memoryBench } from './memory.mjs'
import { ioBench, microBench } from './micro.mjs'
import { lack as portalLack, portalBench } from './portal.mjs'
import { lack as qcowLack, qcowBench } from './qcow.mjs'
import { lack as quickLack, quickBench, takeReference } from './quick.mjs'
import { lack as rbdLack, rbdBench } from './rbd.mjs'
import { charts, markdown, page, tables } from './report.mjs'
import { lack as ringLack, pairs, ratios, ringBench } from './ring-bench.mjs'
import { lack as zonesLack, zonesBench } from './zones.mjs'

const always = () => undefined
const parts = {
  ring: { title: 'rings', lack: ringLack, run: ringBench },
  zones: { title: 'zones that are written once', lack: zonesLack, run: zonesBench },
  portal: { title: 'portal and tgt', lack: portalLack, run: portalBench },
  qcow: { title: 'qcow behind the portal and QEMU\'s NBD servers', lack: qcowLack, run: qcowBench },
  rbd: { title: 'images of Ceph', lack: rbdLack, run: rbdBench },
  micro: { title: 'the host alone', lack: always, run: microBench },
  io: { title: 'the I/O engine', lack: always, run: ioBench },
  memory: { title: 'memory of idle devices', lack: always, run: memoryBench },
}

function quick(reference) {
  if (reference) return void process.stdout.write(`null handler to bare loop: ${takeReference().map((n) => n.toFixed(3)).join(', ')}\n`)
  const missing = quickLack()
  if (missing) throw new Refusal(missing)
  const { ratio, limit } = quickBench()
  process.stdout.write(`null handler to bare loop: ${ratio.toFixed(2)}, at most ${limit.toFixed(2)}\n`)
  return ratio <= limit ? 0 : 1
}

/** `keep(results)` after each part: a run of all takes a quarter of an hour. */
async function measure(names, rounds, keep) {
  const results = { machine: machine(), when: new Date().toISOString().slice(0, 16), load: [load()] }
  for (const name of names) {
    const { title, lack, run } = parts[name]
    const missing = lack()
    if (missing) process.stdout.write(`- ${title}: ${missing}\n`)
    else await step(title, async (progress) => {
      results[name] = await run({ ...(rounds && { rounds }), said: (line) => (progress.last = line) })
      results.load.push(load())
      keep(results)
    })
  }
  return results
}

function write(folder, results) {
  mkdirSync(folder, { recursive: true })
  for (const [file, svg] of Object.entries(charts(results))) writeFileSync(join(folder, file), svg)
  writeFileSync(join(folder, 'report.html'), page(results))
  // The rounds are in the ratios, the histograms in the charts.
  const { ring } = results
  const slim = ring ? { ...results, ring: { ...ring, rows: ring.rows.map(({ latency: _, runs: __, ...row }) => row), ratios: pairs.flatMap((pair) => ratios(ring.rows, pair)) } } : results
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(slim, (_, v) => (typeof v === 'number' ? Number(v.toPrecision(5)) : v), 1)}\n`)
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

command(async () => {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean' }, reference: { type: 'boolean' }, only: { type: 'string' }, rounds: { type: 'string' }, out: { type: 'string', default: inRoot('bench/results/latest') } },
  })
  await prepare()
  if (values.quick) return quick(values.reference)
  const names = values.only?.split(',') ?? Object.keys(parts)
  for (const name of names) if (!(name in parts)) throw new Refusal(`--only takes ${Object.keys(parts).join(', ')}; not ${name}`)
  const results = await measure(names, values.rounds && Number(values.rounds), (soFar) => write(values.out, soFar))
  for (const [title, [head, rows]] of tables(results)) process.stdout.write(`\n${title}\n\n${markdown(head, rows)}\n`)
  process.stdout.write(`\n${shown(join(values.out, 'report.html'))}\n`)
})
