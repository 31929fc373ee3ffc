// handler-zbc and the zbc handler of Debian's tcmu-runner on rings: zones that are written one after another, and read where they were
// written. Each round has new daemons and new images, as a zone is written once. The pages of an image are there before: getting new ones
// from the host of a virtual machine takes longer than all the rest at one time, and nothing at another.
import { closeSync, fstatSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot, Refusal } from '../scripts/lib.mjs'
import { findRunner, RunnerPlace } from './c-runner.mjs'
import { memoryFolder, temporaryFolder } from './places.mjs'
import { lack as ringLack } from './ring-bench.mjs'
import { buildPeer, Ring } from './ring.mjs'
import { inRounds, rowsOf } from './rounds.mjs'
import { turn } from './stats.mjs'

const MiB = 2 ** 20
const ZONE = 16 * MiB
const SIZE = 7 * 1024 * MiB
/** Turns within a round: memory is what most of this is about, and on a shared machine that is fast at one moment, and slow at the next. */
const SLICES = 2
/** Nothing above it has been written when an image is new. */
const USED = 4 * ZONE
const OURS = 'zbc'
const THEIRS = 'zbc (C)'
/** The runner's zbc handler wants a conventional zone. */
const CFG = 'model-HM/lba-512/zsize-16/conv-1'

const onward = (size, depth) => ({ name: `sequential write ${size}, depth ${depth}`, way: 'write', order: 'onward', bytes: size === '4 KiB' ? 4096 : 128 * 1024, depth })
const behind = (depth) => ({ name: `random read 4 KiB of written zones, depth ${depth}`, way: 'read', order: 'behind', bytes: 4096, depth })
/** Reads are of what the workload before them wrote. */
const workloads = [onward('4 KiB', 1), onward('128 KiB', 8), onward('4 KiB', 32), behind(1), behind(32)]
/** Code that the compiler has seen. */
const WARM_UP = [[onward('4 KiB', 32), 1000], [onward('4 KiB', 1), 500], [onward('128 KiB', 8), 200], [behind(32), 500], [behind(1), 300]]

function daemons(folder, place) {
  const images = { ours: join(folder, 'ours'), theirs: join(folder, 'theirs') }
  const cfgstring = (image) => `zbc/${CFG}@${image}`
  const args = [inRoot('packages/host/dist/cli.js'), 'serve', '--frontend', 'tcmu', '--no-netlink', '--no-dbus']
  return [
    { name: OURS, image: images.ours, cfgstring: cfgstring(images.ours), command: process.execPath, args, env: {} },
    ...(place ? [{ ...place.daemon(THEIRS, 'file_zbc', cfgstring(images.theirs)), image: images.theirs }] : []),
  ]
}

async function onRing(daemon) {
  const ring = await Ring.start(daemon, SIZE, SIZE, { at: ZONE, step: ZONE })
  return { name: daemon.name, drive: (workload, ms) => ring.drive(workload, ms), stop: () => ring.stop() }
}

/** The second write to a page of a virtual machine is still slow. */
const PASSES = 2

/** Pages for all that has not been written yet. */
function fill(image) {
  const zeroes = Buffer.alloc(4 * MiB)
  const file = openSync(image, 'r+')
  try {
    const end = fstatSync(file).size
    for (let at = USED; at + zeroes.length <= end; at += zeroes.length) writeSync(file, zeroes, 0, zeroes.length, at)
  } finally {
    closeSync(file)
  }
}

async function oneRound(round, runs, place, milliseconds, said) {
  const folder = temporaryFolder(memoryFolder())
  const peers = []
  try {
    const both = turn(daemons(folder, place), round)
    for (const daemon of both) {
      peers.push(await onRing(daemon))
      // The image is there when the first command has been answered.
      await peers.at(-1).drive(onward('4 KiB', 1), 10)
    }
    for (let pass = 0; pass < PASSES; pass++) both.forEach(({ image }) => fill(image))
    for (const peer of peers) for (const [workload, ms] of WARM_UP) await peer.drive(workload, ms)
    // What one writes has to fit in memory.
    const drive = (peer, w) => peer.drive(w, (w.bytes > 4096 ? milliseconds / 2 : milliseconds) / SLICES)
    await inRounds(workloads, SLICES, peers, drive, said, runs, round * SLICES)
  } finally {
    for (const peer of peers) await peer.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Why it cannot run here, or undefined. */
export const lack = ringLack

/** { peer, rounds, milliseconds, rows }; a row is as `rowsOf` makes it. */
export async function zonesBench({ rounds = 5, milliseconds = 600, said = () => undefined } = {}) {
  const missing = lack()
  if (missing) throw new Refusal(missing)
  await buildPeer()
  const runner = findRunner()
  const place = typeof runner === 'string' ? undefined : new RunnerPlace(runner)
  const runs = workloads.map(() => ({}))
  try {
    for (let round = 0; round < rounds; round++) await oneRound(round, runs, place, milliseconds, said)
    return { peer: typeof runner === 'string' ? runner : 'tcmu-runner', rounds, milliseconds, rows: rowsOf(workloads, runs, OURS) }
  } finally {
    place?.close()
  }
}
