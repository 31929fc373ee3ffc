#!/usr/bin/env node
// A qcow2 image served by this host's portal and by qemu-nbd, in turns, read and written by `qemu-img bench`.
//
//   npm run build && node scripts/bench-qcow.mjs [--rounds 3] [--size 1G] [--folder /tmp] [--fresh]
//
// qemu-nbd listens on a Unix socket, the portal on TCP. 4 KiB commands are a MiB and a page apart, so that none follows another.
// With --fresh each run begins with an empty image: writes allocate. Needs qemu-utils and QEMU's iSCSI module.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inRoot } from './lib.mjs'

const option = (name, otherwise) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : otherwise)
const rounds = Number(option('--rounds', 3))
const size = option('--size', '1G')
const fresh = process.argv.includes('--fresh')
const folder = mkdtempSync(join(option('--folder', tmpdir()), 'bench-qcow-'))
const image = join(folder, 'image.qcow2')
const STRIDE = 1052672

const specs = [
  ['4 KiB read, depth 1', 4096, 1, 10_000, STRIDE, []],
  ['4 KiB read, depth 32', 4096, 32, 60_000, STRIDE, []],
  ['4 KiB write, depth 1', 4096, 1, 10_000, STRIDE, ['-w']],
  ['4 KiB write, depth 32', 4096, 32, 60_000, STRIDE, ['-w']],
  ['1 MiB sequential read, depth 4', 1048576, 4, 2000, 1048576, []],
  ['1 MiB sequential write, depth 4', 1048576, 4, 2000, 1048576, ['-w']],
]

function make() {
  rmSync(image, { force: true })
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', image, size])
  if (!fresh) execFileSync('qemu-io', ['-f', 'qcow2', '-c', `write -q -P 7 0 ${size}`, image])
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function nbd() {
  const socket = join(folder, 'nbd.sock')
  rmSync(socket, { force: true })
  const child = spawn('qemu-nbd', ['-f', 'qcow2', '-t', '-e', '4', '-x', 'e', '-k', socket, '--cache=writeback', image], { stdio: 'inherit' })
  while (!existsSync(socket)) await pause(20)
  return { child, url: `nbd+unix:///e?socket=${socket}` }
}

async function portal() {
  mkdirSync(join(folder, 'state'), { recursive: true })
  writeFileSync(join(folder, 'host.json'), '{}')
  const child = spawn(process.execPath, [
    inRoot('packages/host/dist/cli.js'), 'serve', '--frontend', 'iscsi', '--portal', '127.0.0.1:0', '--config', join(folder, 'host.json'),
    '--socket', join(folder, 'host.sock'), '--state-dir', join(folder, 'state'), '--lun', `name=q,cfgstring=qcow/${image}`,
  ], { stdio: ['ignore', 'pipe', 'ignore'] })
  const url = await new Promise((resolve) => child.stdout.on('data', (text) => {
    const ready = /^ready (\S+)/m.exec(String(text))
    if (ready) resolve(ready[1])
  }))
  return { child, url }
}

function measure(url, [, bytes, depth, count, step, more]) {
  const out = execFileSync('qemu-img', ['bench', '-f', 'raw', '-t', 'none', '-s', String(bytes), '-d', String(depth), '-c', String(count), '-S', String(step), ...more, url], { encoding: 'utf8', timeout: 120_000 })
  return count / Number(/([\d.]+) seconds/.exec(out)[1])
}

const results = specs.map(() => ({ portal: [], 'qemu-nbd': [] }))
const servers = [['portal', portal], ['qemu-nbd', nbd]]
try {
  make()
  for (let round = 0; round < rounds; round++) {
    for (const [name, start] of round % 2 ? [...servers].reverse() : servers) {
      if (fresh) make()
      const { child, url } = await start()
      const ended = new Promise((resolve) => child.on('close', resolve))
      for (const [i, spec] of specs.entries()) results[i][name].push(measure(url, spec))
      child.kill('SIGTERM')
      await ended
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]
process.stdout.write('| workload | portal, /s | qemu-nbd, /s | ratio |\n|---|---|---|---|\n')
for (const [i, [name]] of specs.entries()) {
  const [ours, theirs] = [median(results[i].portal), median(results[i]['qemu-nbd'])]
  process.stdout.write(`| ${name} | ${Math.round(ours)} | ${Math.round(theirs)} | ${(ours / theirs).toFixed(2)} |\n`)
}
