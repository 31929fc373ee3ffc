// A daemon, unmodified, on a ring that peer/ring-peer.c works from the other side: no TCMU in the kernel is needed.
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fingerprint, inRoot, isCurrent, markCurrent, Refusal, run } from '../scripts/lib.mjs'
import { atExit } from './places.mjs'

const require = createRequire(import.meta.url)
const build = inRoot('node_modules/.cache/tcmu/bench')
const peer = join(build, 'ring-peer')
const preload = join(build, 'uio-preload.so')
const HW_MAX_SECTORS = 2048
/** As RING_AT, RING_BYTES and DATA_BYTES of ring-peer.c. */
const MAP_BYTES = 4096 + 2 ** 20 + 64 * 2 ** 20
const START_MS = 20_000

/** The two programs in C. */
export async function buildPeer() {
  const print = fingerprint(['bench/peer/ring-peer.c', 'bench/peer/uio-preload.c'])
  if (isCurrent('bench-peer', print)) return
  mkdirSync(build, { recursive: true })
  const gcc = (out, ...more) => run('gcc', ['-O2', '-Wall', '-Wextra', '-Wno-address-of-packed-member', '-o', out, ...more], { hint: 'It is built with gcc and the headers of linux-libc-dev and libc6-dev.' })
  await gcc(peer, inRoot('bench/peer/ring-peer.c'))
  await gcc(preload, '-shared', '-fPIC', inRoot('bench/peer/uio-preload.c'))
  markCurrent('bench-peer', print)
}

/** The files of one device, as a kernel with target_core_user shows them. */
function deviceTree(cfgstring, sizeBytes) {
  const { KernelTree } = require(inRoot('packages/host/dist/testing/index.js'))
  const tree = new KernelTree()
  const device = { minor: 0, device: 'bench', cfgstring, sizeBytes, maxSectors: HW_MAX_SECTORS, writeCache: 1, mapBytes: MAP_BYTES }
  tree.add(device)
  // What tcmu-runner reads besides.
  const text = `Status: ACTIVATED  Max Queue Depth: 128  SectorSize: 512  HwMaxSectors: ${HW_MAX_SECTORS}\n        Config: ${cfgstring} Size: ${sizeBytes}\n`
  for (const [file, value] of Object.entries({ info: text, enable: '1\n', 'action/reset_ring': '1\n', 'action/block_dev': '1\n' })) writeFileSync(join(tree.folder(device), file), value)
  writeFileSync(join(tree.roots.sys, 'class/uio/uio0/version'), '2\n')
  for (const folder of ['sys/kernel/config', 'run/lock', 'etc/tcmu', 'shm']) mkdirSync(join(tree.root, folder), { recursive: true })
  for (const file of ['etc/tcmu/tcmu.conf', 'dev/uio0']) writeFileSync(join(tree.root, file), '')
  return tree
}

/** Nanoseconds that the threads of a process have run (user and system). */
function cpuNanoseconds(pid) {
  let sum = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error
    }
  }
  return sum
}

const ended = (child) => new Promise((resolve) => (child.exitCode === null && child.signalCode === null ? child.once('close', resolve) : resolve()))

export class Ring {
  /**
   * `daemon`: { name, command, args, env, cfgstring }. The device has `sizeBytes`, the first `span` of which are used; `onward`: { at, step } of
   * workloads of that order.
   */
  static async start(daemon, sizeBytes, span = sizeBytes, onward = undefined) {
    const ring = new Ring(daemon, deviceTree(daemon.cfgstring, sizeBytes))
    try {
      await ring.meet(span, onward)
    } catch (error) {
      await ring.stop()
      throw error
    }
    return ring
  }

  constructor(daemon, tree) {
    this.daemon = daemon
    this.tree = tree
    this.said = ''
    this.waiting = undefined
    atExit(() => this.kill())
  }

  async meet(span, onward) {
    const socket = join(this.tree.root, 'ring.sock')
    this.peer = spawn(peer, [socket, span, ...(onward ? [onward.at, onward.step] : [])].map(String), { stdio: ['pipe', 'pipe', 'pipe'] })
    createInterface({ input: this.peer.stdout }).on('line', (line) => this.waiting?.resolve(JSON.parse(line)))
    this.listen(this.peer.stderr)
    this.peer.once('close', () => this.waiting?.reject(new Refusal(`${this.daemon.name}: ${this.said.trim() || 'the peer of the ring ended'}`)))
    const { command, args, env } = this.daemon
    const hello = this.answer(START_MS)
    this.child = spawn('unshare', ['--mount', inRoot('bench/peer/sandbox.sh'), this.tree.root, preload, command, ...args], {
      env: { ...process.env, ...env, TCMU_BENCH_SOCKET: socket }, stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.listen(this.child.stdout)
    this.listen(this.child.stderr)
    this.child.once('close', () => this.waiting?.reject(new Refusal(`${this.daemon.name} ended:\n${this.said.trim()}`)))
    this.pid = (await hello).pid
  }

  listen(stream) {
    stream.setEncoding('utf8').on('data', (text) => (this.said = (this.said + text).slice(-4000)))
  }

  /** The next line of the peer. */
  answer(timeoutMs) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.waiting?.reject(new Refusal(`${this.daemon.name}: nothing for ${timeoutMs / 1000} s\n${this.said.trim()}`)), timeoutMs)
      const settle = (how) => (value) => {
        clearTimeout(timer)
        this.waiting = undefined
        how(value)
      }
      this.waiting = { resolve: settle(resolve), reject: settle(reject) }
    })
  }

  /** `workload`: { way: 'read' | 'write', order: 'random' | 'sequential' | 'onward' | 'behind', bytes, depth }. */
  async drive({ way, order, bytes, depth }, milliseconds) {
    const before = cpuNanoseconds(this.pid)
    const answer = this.answer(milliseconds + START_MS)
    this.peer.stdin.write(`${way} ${order} ${bytes} ${depth} ${milliseconds}\n`)
    const { commands, errors, ns, latency } = await answer
    if (errors > 0) throw new Refusal(`${this.daemon.name}: ${errors} of ${commands} commands failed\n${this.said.trim()}`)
    return { iops: commands / ns * 1e9, cpuMicros: (cpuNanoseconds(this.pid) - before) / commands / 1000, latency }
  }

  kill() {
    this.child?.kill('SIGKILL')
    this.peer?.kill('SIGKILL')
    this.tree.close()
  }

  async stop() {
    this.child?.kill('SIGTERM')
    const patience = setTimeout(() => this.child?.kill('SIGKILL'), 5000)
    if (this.child) await ended(this.child)
    clearTimeout(patience)
    this.kill()
    if (this.peer) await ended(this.peer)
  }
}
