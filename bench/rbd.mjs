// handler-rbd and the rbd handler of Debian's tcmu-runner on rings, and fio's rbd engine without any ring, in turns: each on an
// image of its own in one cluster that keeps everything in memory (one monitor, one OSD, on this machine).
import { execFile, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { inRoot, isRoot, Refusal, which } from '../scripts/lib.mjs'
import { findRunner, RunnerPlace } from './c-runner.mjs'
import { atExit, temporaryFolder } from './places.mjs'
import { buildPeer, Ring } from './ring.mjs'
import { inRounds, rowsOf } from './rounds.mjs'

const MiB = 2 ** 20
/** What the OSD keeps in memory has to hold all the images. */
const SIZE = 128 * MiB
const OURS = 'handler-rbd'
const THEIRS = 'rbd (C)'
const FIO = 'fio'
const imageOf = { [OURS]: 'ours', [THEIRS]: 'theirs', [FIO]: 'fio' }

const workloads = ['read', 'write'].flatMap((way) => [1, 32].map((depth) => ({ name: `random ${way} 4 KiB, depth ${depth}`, way, order: 'random', bytes: 4096, depth })))
/** Objects for all of the image, and code that the compiler has seen. */
const WARM_UP = [
  [{ way: 'write', order: 'sequential', bytes: MiB, depth: 4 }, 2000],
  [{ way: 'write', order: 'random', bytes: 4096, depth: 32 }, 500],
  [{ way: 'read', order: 'random', bytes: 4096, depth: 32 }, 500],
]

/** Resolves to { conf, stop } when its images are there. */
async function startCluster() {
  const images = Object.values(imageOf)
  const child = spawn(process.execPath, [inRoot('test/lib/ts.cjs'), inRoot('test/bench/ceph-cluster.ts'), String(SIZE / MiB), ...images], { cwd: inRoot('.'), stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = new Promise((resolve) => child.once('close', resolve))
  // Its daemons are its own to end.
  atExit(() => child.stdin.end())
  const conf = await Promise.race([new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve)), closed.then(() => undefined)])
  if (conf === undefined) throw new Refusal('the cluster did not start')
  return { conf, stop: () => (child.stdin.end(), closed) }
}

/** Daemons on rings. Ours runs where the ring's peer counts its CPU time, not in a process of its handler. */
function daemons(conf, place) {
  const cfgstring = (name) => `rbd/rbd/${imageOf[name]};conf=${conf}`
  const args = [inRoot('packages/host/dist/cli.js'), 'serve', '--frontend', 'tcmu', '--no-netlink', '--no-dbus', '--placement', 'rbd=inline']
  return [
    { name: OURS, cfgstring: cfgstring(OURS), command: process.execPath, args, env: {} },
    ...(place ? [place.daemon(THEIRS, 'rbd', cfgstring(THEIRS))] : []),
  ]
}

async function onRing(daemon) {
  const ring = await Ring.start(daemon, SIZE)
  return { name: daemon.name, drive: (workload, ms) => ring.drive(workload, ms), stop: () => ring.stop() }
}

/** The library alone. Connecting is not counted; neither is its CPU time, most of which fio does not see. */
async function withFio(conf) {
  const own = join(temporaryFolder(), 'ceph.conf')
  // As both handlers have it.
  writeFileSync(own, readFileSync(conf, 'utf8').replace('[client]', '[client]\nrbd cache = false'))
  const run = async (more) => {
    const args = ['--name=x', '--ioengine=rbd', '--clientname=admin', '--pool=rbd', `--rbdname=${imageOf[FIO]}`, '--output-format=json', ...more]
    const { stdout } = await promisify(execFile)('fio', args, { env: { ...process.env, CEPH_CONF: own, CEPH_ARGS: '' }, maxBuffer: 16 * MiB })
    return JSON.parse(stdout.slice(stdout.indexOf('{'))).jobs[0]
  }
  await run(['--rw=write', '--bs=1M', '--iodepth=4'])
  const drive = async ({ way, bytes, depth }, ms) => {
    const job = await run([`--rw=rand${way}`, `--bs=${bytes}`, `--iodepth=${depth}`, '--time_based', `--runtime=${ms}ms`])
    return { iops: job[way].iops }
  }
  return { name: FIO, drive, stop: () => undefined }
}

/** Why it cannot run here, or undefined. */
export const lack = () => (isRoot() ? undefined : 'needs root, for a mount namespace') ?? (which('gcc') ? undefined : 'needs gcc; apt-get install gcc libc6-dev')
  ?? (['ceph-mon', 'ceph-osd', 'rbd'].every(which) ? undefined : 'needs ceph-mon, ceph-osd and rbd; apt-get install ceph-mon ceph-osd ceph-common')

/** { peer, rounds, milliseconds, rows }; a row is as `summary` makes it. */
export async function rbdBench({ rounds = 5, milliseconds = 2000, said = () => undefined } = {}) {
  await buildPeer()
  const cluster = await startCluster()
  const runner = findRunner()
  const place = typeof runner === 'string' ? undefined : new RunnerPlace(runner)
  const peers = []
  try {
    for (const daemon of daemons(cluster.conf, place)) {
      peers.push(await onRing(daemon))
      for (const [workload, ms] of WARM_UP) await peers.at(-1).drive(workload, ms)
    }
    if (which('fio')) peers.push(await withFio(cluster.conf))
    const runs = await inRounds(workloads, rounds, peers, (peer, workload) => peer.drive(workload, milliseconds), said)
    return { peer: typeof runner === 'string' ? runner : 'tcmu-runner', rounds, milliseconds, rows: rowsOf(workloads, runs, OURS) }
  } finally {
    for (const peer of peers) await peer.stop()
    place?.close()
    await cluster.stop()
  }
}
