// The host's handlers and those of Debian's tcmu-runner on rings, all of them alive, a slice of time for each in turns.
import { execFileSync } from 'node:child_process'
import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot, isRoot, Refusal, which } from '../scripts/lib.mjs'
import { findFileHandler, findRunner, RunnerPlace } from './c-runner.mjs'
import { buildPeer, Ring } from './ring.mjs'
import { memoryFolder, temporaryFolder } from './places.mjs'
import { compare, merge, quantile, spread, turn } from './stats.mjs'

const MiB = 2 ** 20
export const SIZE = 512 * MiB
/** Zones of 16 MiB: the runner's zbc handler wants one at least that is not conventional, which stays unused in all images. */
const ZBC = 'model-HM/lba-512/zsize-16/conv-31'
const SPAN = 31 * 16 * MiB
/** Pages for all of the image, and code that the compiler has seen. */
const WARM_UP = [
  [{ way: 'write', order: 'sequential', bytes: MiB, depth: 4 }, 800],
  [{ way: 'write', order: 'random', bytes: 4096, depth: 32 }, 300],
  [{ way: 'read', order: 'random', bytes: 4096, depth: 32 }, 300],
]

export const DEPTHS = [1, 2, 4, 8, 16, 32, 64]
const random = (way, depth) => ({ name: `random ${way} 4 KiB, depth ${depth}`, way, order: 'random', bytes: 4096, depth })
const sequential = (way, size, depth) => ({ name: `sequential ${way} ${size}, depth ${depth}`, way, order: 'sequential', bytes: size === '1 MiB' ? MiB : 128 * 1024, depth })
/** Those that somebody waits for; the others are points of a curve. */
const counts = ({ depth, bytes }) => bytes > 4096 || depth === 1 || depth === 32
/** Before each slice: caches are what others left, and a daemon that slept for seconds is no daemon at work. */
const RUN_UP = 100
export const workloads = [
  ...['read', 'write'].flatMap((way) => DEPTHS.map((depth) => random(way, depth))),
  ...['read', 'write'].map((way) => sequential(way, '128 KiB', 8)),
  ...['read', 'write'].flatMap((way) => [4, 8].map((depth) => sequential(way, '1 MiB', depth))),
]

const serve = ['serve', '--frontend', 'tcmu', '--no-netlink', '--no-dbus']
function host(name, cfgstring, more = []) {
  return { name, cfgstring, command: process.execPath, args: [inRoot('packages/host/dist/cli.js'), ...serve, ...more], env: {} }
}
const inline = (folder, subtype) => ['--handler-path', inRoot('bench/handlers', folder), '--placement', `${subtype}=inline`]

function makeImage(path) {
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', 'preallocation=full', path, String(SIZE)])
  return path
}

function makeFile(path) {
  writeFileSync(path, '')
  truncateSync(path, SIZE)
  return path
}

/** Daemons by name: ours, and the runner's where there is one (`place`). */
function table(folder, place, fileHandler) {
  const at = (name) => join(folder, name)
  // One image for both: pages that lie elsewhere in memory would make a difference of a fifth. The runner takes no lock.
  const qcow = which('qemu-img') && makeImage(at('qcow'))
  return [
    host('file', `file/${makeFile(at('file'))}`),
    host('zbc', `zbc/${ZBC}@${at('zbc-own')}`),
    host('plain', `benchplain/${at('file')}`, inline('plain', 'benchplain')),
    host('null', 'benchnull/x', inline('null', 'benchnull')),
    ...(qcow ? [host('qcow', `qcow/${qcow}`)] : []),
    ...(place && fileHandler ? [place.daemon('file (C)', 'file', `file/${at('file')}`)] : []),
    ...(place ? [place.daemon('zbc (C)', 'file_zbc', `zbc/${ZBC}@${at('zbc')}`)] : []),
    ...(place && qcow ? [place.daemon('qcow (C)', 'qcow', `qcow/${qcow}`)] : []),
  ]
}

/** Handler of ours, and of the runner's to compare it with. */
export const pairs = [['file', 'file (C)'], ['file', 'zbc (C)'], ['plain', 'file (C)'], ['qcow', 'qcow (C)'], ['zbc', 'zbc (C)']]

function summary(workload, daemon, runs) {
  const histogram = merge(runs.map((r) => r.latency))
  return {
    workload: workload.name, daemon, iops: spread(runs.map((r) => r.iops)), cpuMicros: spread(runs.map((r) => r.cpuMicros)),
    p50Micros: quantile(histogram, 0.5) / 1000, p99Micros: quantile(histogram, 0.99) / 1000, latency: histogram, runs: runs.map((r) => [Math.round(r.iops), r.cpuMicros]),
  }
}

/** One of ours beside one of the runner's, workload by workload. */
export function ratios(rows, [ours, theirs]) {
  return workloads.flatMap(({ name }) => {
    const [a, b] = [ours, theirs].map((daemon) => rows.find((r) => r.workload === name && r.daemon === daemon)?.runs)
    if (!a || !b) return []
    const both = (column) => [a, b].map((runs) => runs.map((run) => run[column]))
    return [{ workload: name, ours, theirs, iops: compare(...both(0), Math.max), cpu: compare(...both(1), Math.min) }]
  })
}

async function measure(rings, wanted, { rounds, milliseconds, said }) {
  const slice = (workload) => (counts(workload) ? milliseconds : Math.min(milliseconds, 200))
  const runs = new Map()
  for (let round = 0; round < rounds; round++) {
    for (const workload of wanted) {
      for (const ring of turn(rings, round)) {
        const key = `${workload.name}\0${ring.daemon.name}`
        await ring.drive(workload, RUN_UP)
        runs.set(key, [...(runs.get(key) ?? []), await ring.drive(workload, slice(workload))])
      }
    }
    said(`round ${round + 1} of ${rounds}: ${wanted.at(-1).name}: ${rings.map((r) => `${r.daemon.name} ${Math.round(runs.get(`${wanted.at(-1).name}\0${r.daemon.name}`).at(-1).iops)}`).join(', ')}`)
  }
  return wanted.flatMap((w) => rings.map((r) => summary(w, r.daemon.name, runs.get(`${w.name}\0${r.daemon.name}`))))
}

/** Why it cannot run here, or undefined. */
export const lack = () => (isRoot() ? undefined : 'needs root, for a mount namespace') ?? (which('gcc') ? undefined : 'needs gcc; apt-get install gcc libc6-dev')

/** `daemons`: names of those wanted, or undefined for all. */
export async function ringBench({ rounds = 5, milliseconds = 1000, wanted = workloads, daemons, said = () => undefined } = {}) {
  const missing = lack()
  if (missing) throw new Refusal(missing)
  await buildPeer()
  const folder = temporaryFolder(memoryFolder())
  const runner = findRunner()
  const fileHandler = typeof runner === 'string' ? runner : findFileHandler()
  if (fileHandler !== true) said(fileHandler)
  const place = typeof runner === 'string' ? undefined : new RunnerPlace(runner)
  const rings = []
  try {
    for (const daemon of table(folder, place, fileHandler === true).filter((d) => !daemons || daemons.includes(d.name))) {
      rings.push(await Ring.start(daemon, SIZE, SPAN))
      for (const [workload, ms] of WARM_UP) await rings.at(-1).drive(workload, ms)
    }
    const rows = await measure(rings, wanted, { rounds, milliseconds, said })
    return { peer: typeof runner === 'string' ? runner : 'tcmu-runner', rounds, milliseconds, rows }
  } finally {
    for (const ring of rings) await ring.stop()
    place?.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
