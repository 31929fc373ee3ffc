// Peers in turns, and what came of it: one of them is ours, the others it is compared with.
import { compare, spread, turn } from './stats.mjs'

/** Runs of each workload by name of a peer: { iops, cpuMicros? } each. `drive(peer, workload)` makes one. */
export async function inRounds(workloads, rounds, peers, drive, said, runs = workloads.map(() => ({})), from = 0) {
  for (let round = from; round < from + rounds; round++) {
    for (const [i, workload] of workloads.entries()) {
      for (const peer of turn(peers, round)) (runs[i][peer.name] ??= []).push(await drive(peer, workload))
    }
    said(`round ${round + 1}: ${workloads.at(-1).name}: ${peers.map(({ name }) => `${name} ${Math.round(runs.at(-1)[name].at(-1).iops)}`).join(', ')}`)
  }
  return runs
}

function rowOf(workload, runs, ours) {
  const of = (name, column) => runs[name].map((run) => run[column])
  const names = Object.keys(runs)
  const counted = names.filter((n) => runs[n][0].cpuMicros !== undefined)
  const others = names.filter((n) => n !== ours)
  const each = (list, f) => Object.fromEntries(list.map((n) => [n, f(n)]))
  return {
    workload,
    iops: each(names, (n) => spread(of(n, 'iops'))),
    cpuMicros: each(counted, (n) => spread(of(n, 'cpuMicros'))),
    ratios: each(others, (n) => compare(of(ours, 'iops'), of(n, 'iops'), Math.max)),
    cpuRatios: each(others.filter((n) => counted.includes(n)), (n) => compare(of(ours, 'cpuMicros'), of(n, 'cpuMicros'), Math.min)),
  }
}

/** One row for each workload. */
export const rowsOf = (workloads, runs, ours) => workloads.map(({ name }, i) => rowOf(name, runs[i], ours))
