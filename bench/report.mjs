// Results as tables, charts and one page.
import { DEPTHS, pairs, ratios } from './ring-bench.mjs'
import { merge } from './stats.mjs'
import { chart, short } from './svg.mjs'

const LATENCY_MARKS = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000]
const fixed = (n, digits = 2) => n.toFixed(digits)
const range = (s) => `${fixed(s.median)} (${fixed(s.least)} to ${fixed(s.most)})`

export const markdown = (head, rows) => [head, head.map(() => '---'), ...rows].map((r) => `| ${r.join(' | ')} |`).join('\n')

const daemonsOf = (rows) => [...new Set(rows.map((r) => r.daemon))]

/** Every workload with every daemon: the best round, the median one. */
const ringTable = (rows) => [
  ['workload', 'daemon', 'IOPS, best', 'IOPS, median', 'p50 µs', 'p99 µs', 'CPU µs a command, least', 'CPU µs, median'],
  rows.map((r) => [r.workload, r.daemon, short(r.iops.most), short(r.iops.median), fixed(r.p50Micros, 1), fixed(r.p99Micros, 1), fixed(r.cpuMicros.least), fixed(r.cpuMicros.median)]),
]
const ratioTable = (rows, pair) => [
  ['workload', 'IOPS, ratio of the bests', 'round by round, median (range)', 'CPU, ratio of the leasts', 'round by round, median (range)'],
  ratios(rows, pair).map((r) => [r.workload, fixed(r.iops.best), range(r.iops), fixed(r.cpu.best), range(r.cpu)]),
]
const portalTable = (rows) => [
  ['workload', 'portal, IOPS', 'tgt, IOPS', 'ratio, median (range)', 'portal, CPU µs', 'tgt, CPU µs'],
  rows.map((r) => [r.workload, short(r.portal.iops.median), short(r.tgt.iops.median), range(r.ratio), fixed(r.portal.cpuMicros.median, 1), fixed(r.tgt.cpuMicros.median, 1)]),
]
function qcowTable(rows) {
  const [names, others] = [Object.keys(rows[0].perSecond), Object.keys(rows[0].ratios)]
  return [
    ['workload', ...names.map((n) => `${n}, /s`), ...others.map((n) => `to ${n}, median (range)`)],
    rows.map((r) => [r.workload, ...names.map((n) => short(r.perSecond[n].median)), ...others.map((n) => range(r.ratios[n]))]),
  ]
}
/** IOPS and CPU of the best round of each, as others disturb a round and help none. */
function roundsTable(rows) {
  const [names, rings, others] = [Object.keys(rows[0].iops), Object.keys(rows[0].cpuMicros), Object.keys(rows[0].ratios)]
  return [
    ['workload', ...names.map((n) => `${n}, IOPS`), ...others.map((n) => `to ${n}, median (range)`), ...rings.map((n) => `${n}, CPU µs`)],
    rows.map((r) => [
      r.workload, ...names.map((n) => short(r.iops[n].most)), ...others.map((n) => range(r.ratios[n])), ...rings.map((n) => fixed(r.cpuMicros[n].least, 1)),
    ]),
  ]
}
const microTable = (rows) => [['step', 'ns', 'ns, best lap'], rows.map((r) => [r.name, fixed(r.ns, 0), fixed(r.best, 0)])]
const memoryTable = (rows) => [['idle devices', 'resident MiB', 'of it private'], rows.map((r) => [r.devices, fixed(r.rssMiB, 1), fixed(r.privateMiB, 1)])]

/** [title, [head, rows]] of all that was measured. */
export function tables(results) {
  const { ring, zones, portal, qcow, rbd, micro, memory } = results
  return [
    ...(ring ? pairs.map(([ours, theirs]) => [`Ring: ${ours} beside ${theirs}`, ratioTable(ring.rows, [ours, theirs])]) : []),
    ...(ring ? [['Ring: all', ringTable(ring.rows)]] : []),
    ...(zones ? [['Zones', roundsTable(zones.rows)]] : []),
    ...(portal ? [['Portal beside tgt', portalTable(portal)]] : []),
    ...(qcow ? [['qcow behind the portal beside QEMU\'s servers', qcowTable(qcow)]] : []),
    ...(rbd ? [['Images of Ceph', roundsTable(rbd.rows)]] : []),
    ...(micro ? [['The host alone', microTable(micro)]] : []),
    ...(memory ? [['Memory', memoryTable(memory)]] : []),
  ].filter(([, [, rows]]) => rows.length > 0)
}

function overDepth(rows, way, title, yLabel, value) {
  const series = daemonsOf(rows).map((name) => ({
    name, points: DEPTHS.flatMap((depth) => rows.filter((r) => r.daemon === name && r.workload === `random ${way} 4 KiB, depth ${depth}`).map((r) => [depth, value(r)])),
  }))
  return chart({ title, xLabel: 'queue depth', yLabel, marks: DEPTHS, series })
}

/** Shares of the commands by latency, in steps of a tenth of a decade. */
function latencies(rows, workload) {
  const series = rows.filter((r) => r.workload === workload).map((r) => {
    const all = r.latency.reduce((n, [, count]) => n + count, 0)
    const steps = merge([r.latency.map(([ns, count]) => [Math.round(Math.log10(ns / 1000) * 10), count])])
    return { name: r.daemon, points: steps.map(([step, count]) => [10 ** (step / 10), count / all * 100]) }
  })
  return chart({ title: `Latency, ${workload}`, xLabel: 'µs', yLabel: '% of the commands', marks: LATENCY_MARKS, series })
}

/** File name to SVG. */
export function charts({ ring }) {
  if (!ring) return {}
  const { rows } = ring
  const slow = rows.filter((r) => r.daemon !== 'null')
  return {
    ...Object.fromEntries(['read', 'write'].flatMap((way) => [
      [`iops-${way}.svg`, overDepth(slow, way, `Random ${way}s of 4 KiB, best round`, 'IOPS', (r) => r.iops.most)],
      [`cpu-${way}.svg`, overDepth(rows, way, `CPU a command, random ${way}s of 4 KiB, best round`, 'µs', (r) => r.cpuMicros.least)],
    ])),
    'iops-null.svg': overDepth(rows.filter((r) => r.daemon === 'null'), 'read', 'Null handler, best round', 'IOPS', (r) => r.iops.most),
    'latency-1.svg': latencies(rows, 'random read 4 KiB, depth 1'),
    'latency-32.svg': latencies(rows, 'random read 4 KiB, depth 32'),
  }
}

const cells = (tag, row) => `<tr>${row.map((c) => `<${tag}>${c}</${tag}>`).join('')}</tr>`
export function page(results) {
  const { machine: m } = results
  const facts = `${m.processors} × ${m.model}, ${m.memoryGiB} GiB, Linux ${m.kernel}, Node ${m.node}; load ${results.load.map((n) => fixed(n, 1)).join(', ')}; ${results.when}`
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>tcmu bench</title>
<style>body{font:14px sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}</style>
<h1>Bench</h1><p>${facts}</p>
${Object.values(charts(results)).join('\n')}
${tables(results).map(([title, [head, rows]]) => `<h2>${title}</h2><table>${cells('th', head)}${rows.map((r) => cells('td', r)).join('\n')}</table>`).join('\n')}
</html>
`
}
