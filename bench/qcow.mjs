// One qcow2 image served by this host's portal, by qemu-nbd and by qemu-storage-daemon, in turns, read and written by `qemu-img
// bench`. 4 KiB commands are a MiB and a page apart, so that none follows another. The portal listens on TCP, as iSCSI is; QEMU's
// servers on a Unix socket, because over TCP they waited for delayed acknowledgements (460 reads a second at depth 32).
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot, Refusal, which } from '../scripts/lib.mjs'
import { memoryFolder, temporaryFolder } from './places.mjs'
import { compare, spread, turn } from './stats.mjs'

const SIZE = '512M'
const MiB = 2 ** 20
const STRIDE = MiB + 4096
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const job = (name, bytes, depth, count, step, ...more) => ({ name, args: ['-s', String(bytes), '-d', String(depth), '-c', String(count), '-S', String(step), ...more], count })
const workloads = [
  job('read 4 KiB, depth 1', 4096, 1, 3000, STRIDE),
  job('read 4 KiB, depth 32', 4096, 32, 15_000, STRIDE),
  job('write 4 KiB, depth 1', 4096, 1, 3000, STRIDE, '-w'),
  job('write 4 KiB, depth 32', 4096, 32, 15_000, STRIDE, '-w'),
  job('sequential read 1 MiB, depth 4', MiB, 4, 500, MiB),
  job('sequential write 1 MiB, depth 4', MiB, 4, 500, MiB, '-w'),
]

async function nbdServer(program, folder, argsOf) {
  const socket = join(folder, 'nbd.sock')
  rmSync(socket, { force: true })
  const child = spawn(which(program), argsOf(socket), { stdio: 'ignore' })
  for (let tries = 0; !existsSync(socket); tries++) {
    if (tries > 200 || child.exitCode !== null) throw new Refusal(`${child.spawnargs.join(' ')} did not listen`)
    await pause(50)
  }
  return { child, url: `nbd+unix:///e?socket=${socket}` }
}

async function portal(image, folder) {
  mkdirSync(join(folder, 'state'), { recursive: true })
  writeFileSync(join(folder, 'host.json'), '{}')
  const child = spawn(process.execPath, [
    inRoot('packages/host/dist/cli.js'), 'serve', '--frontend', 'iscsi', '--portal', '127.0.0.1:0', '--config', join(folder, 'host.json'),
    '--socket', join(folder, 'host.sock'), '--state-dir', join(folder, 'state'), '--lun', `name=q,cfgstring=qcow/${image}`,
  ], { stdio: ['ignore', 'pipe', 'ignore'] })
  const url = await new Promise((resolve, reject) => {
    child.stdout.on('data', (text) => {
      const ready = /^ready (\S+)/m.exec(String(text))
      if (ready) resolve(ready[1])
    })
    child.once('close', () => reject(new Refusal('the portal did not start')))
  })
  return { child, url }
}

const servers = {
  portal,
  'qemu-nbd': (image, folder) => nbdServer('qemu-nbd', folder, (socket) => ['-f', 'qcow2', '-t', '-e', '4', '-x', 'e', '-k', socket, '--cache=writeback', image]),
  'qemu-storage-daemon': (image, folder) => nbdServer('qemu-storage-daemon', folder, (socket) => [
    '--blockdev', `driver=file,node-name=f,filename=${image}`, '--blockdev', 'driver=qcow2,node-name=q,file=f',
    '--nbd-server', `addr.type=unix,addr.path=${socket},max-connections=4`, '--export', 'type=nbd,id=x,node-name=q,name=e,writable=on',
  ]),
}

function measure(url, { args, count }) {
  const out = execFileSync('qemu-img', ['bench', '-f', 'raw', '-t', 'none', ...args, url], { encoding: 'utf8', timeout: 120_000, stdio: ['ignore', 'pipe', 'inherit'] })
  return count / Number(/([\d.]+) seconds/.exec(out)[1])
}

/** All workloads of one server, started anew. */
async function visit(name, image, folder) {
  const { child, url } = await servers[name](image, folder)
  const ended = new Promise((resolve) => child.once('close', resolve))
  try {
    return workloads.map((workload) => measure(url, workload))
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

const hasModule = () => ['', ...readdirSync('/usr/lib')].some((f) => {
  try {
    return readdirSync(join('/usr/lib', f, 'qemu')).includes('block-iscsi.so')
  } catch {
    return false
  }
})
/** Why it cannot run here, or undefined. */
export const lack = () => (['qemu-img', 'qemu-io', 'qemu-nbd'].every(which) ? undefined : 'needs qemu-img, qemu-io and qemu-nbd; apt-get install qemu-utils')
  ?? (hasModule() ? undefined : "needs QEMU's iSCSI module; apt-get install qemu-block-extra")

/** Rows of { workload, perSecond: { server: spread }, ratios: { server: portal to it } }. */
export async function qcowBench({ rounds = 5, said = () => undefined } = {}) {
  const names = Object.keys(servers).filter((name) => name === 'portal' || which(name))
  const folder = temporaryFolder(memoryFolder())
  const image = join(folder, 'image.qcow2')
  const runs = Object.fromEntries(names.map((name) => [name, []]))
  try {
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', image, SIZE])
    execFileSync('qemu-io', ['-f', 'qcow2', '-c', `write -q -P 7 0 ${SIZE}`, image])
    for (let round = 0; round < rounds; round++) {
      for (const name of turn(names, round)) runs[name].push(await visit(name, image, folder))
      said(`round ${round + 1} of ${rounds}: ${names.map((n) => `${n} ${runs[n].at(-1).map(Math.round).join(' ')}`).join('; ')}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return workloads.map(({ name: workload }, i) => {
    const of = (name) => runs[name].map((run) => run[i])
    const others = names.filter((n) => n !== 'portal')
    return {
      workload, perSecond: Object.fromEntries(names.map((n) => [n, spread(of(n))])),
      ratios: Object.fromEntries(others.map((n) => [n, compare(of('portal'), of(n), Math.max)])),
    }
  })
}
