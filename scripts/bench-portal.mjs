#!/usr/bin/env node
// Compare this portal with Debian's tgt: libiscsi's iscsi-perf reads the same file through one and the other, in turns.
//   node scripts/bench-portal.mjs [--rounds 5] [--seconds 5] [--size 256M]      prints a table for docs/performance.md
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { command, inRoot, Refusal, run, which } from './lib.mjs'
import { prepare } from './setup.mjs'

const MiB = 2 ** 20
const TICKS_PER_SECOND = 100 // sysconf(_SC_CLK_TCK) on Linux
const workloads = [
  { name: 'random read 4 KiB, depth 1', args: ['-m', '1', '-b', '8', '-r'] },
  { name: 'random read 4 KiB, depth 32', args: ['-m', '32', '-b', '8', '-r'] },
  { name: 'sequential read 128 KiB, depth 8', args: ['-m', '8', '-b', '256'] },
]

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]

/** User and system time of a process and its threads, in seconds. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

const freePort = () => new Promise((resolve, reject) => {
  const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => child.once('close', resolve))
}

async function startHost(file, size) {
  const child = spawn(process.execPath, [inRoot('packages/host/dist/cli.js'), 'serve', '--frontend', 'iscsi', '--portal', '127.0.0.1:0',
    '--lun', `name=bench,size=${size},cfgstring=file/${file}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  const url = await new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (s) => {
      text += s
      const ready = /^ready (iscsi:\S+)/m.exec(text)
      if (ready) resolve(ready[1])
    })
    child.once('close', () => reject(new Refusal(`the host did not start:\n${text}`)))
  })
  return { url, pid: child.pid, stop: async () => {
    child.kill('SIGTERM')
    await ended(child)
  } }
}

/** tgtd with a control port and a portal of its own, so that one that runs already is left alone. */
async function startTgt(file) {
  const [port, control] = [await freePort(), 20_000 + (process.pid % 10_000)]
  const target = 'iqn.2026-11.host.tcmu:peer'
  const child = spawn(which('tgtd'), ['-f', '-C', String(control), '--iscsi', `portal=127.0.0.1:${port}`], { stdio: 'ignore' })
  const admin = (...args) => run(which('tgtadm'), ['-C', String(control), '--lld', 'iscsi', ...args])
  const stop = async () => {
    child.kill('SIGKILL') // it waits for its sessions on SIGTERM
    await ended(child)
  }
  try {
    for (let tries = 0; ; tries++) {
      await pause(200)
      const up = await admin('--op', 'new', '--mode', 'target', '--tid', '1', '-T', target).then(() => true, (e) => {
        if (tries > 20) throw e
        return false
      })
      if (up) break
    }
    await admin('--op', 'new', '--mode', 'logicalunit', '--tid', '1', '--lun', '1', '-b', file)
    await admin('--op', 'bind', '--mode', 'target', '--tid', '1', '-I', 'ALL')
  } catch (error) {
    await stop()
    throw error
  }
  return { url: `iscsi://127.0.0.1:${port}/${target}/1`, pid: child.pid, stop }
}

async function measure(server, { args }, seconds) {
  await run('iscsi-perf', [...args, '-t', '1', server.url]) // warm up
  const cpu = cpuSeconds(server.pid)
  const began = performance.now()
  const text = (await run('iscsi-perf', [...args, '-t', String(seconds), server.url])).join('\n')
  const elapsed = (performance.now() - began) / 1000
  const used = cpuSeconds(server.pid) - cpu
  const iops = Number(/^iops average (\d+)/m.exec(text)?.[1])
  if (!(iops > 0)) throw new Refusal(`iscsi-perf printed no average:\n${text}`)
  return { iops, cpuMicros: (used / (iops * elapsed)) * 1e6 }
}

const machine = () => `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'CPU'}, Node ${process.version}`

function table(results) {
  const rows = workloads.map(({ name }) => {
    const of = (who, what) => median(results.filter((r) => r.name === name && r.who === who).map((r) => r[what]))
    const [ours, theirs] = [of('tcmu', 'iops'), of('tgt', 'iops')]
    return `| ${name} | ${ours} | ${theirs} | ${(ours / theirs).toFixed(2)} | ${of('tcmu', 'cpuMicros').toFixed(1)} | ${of('tgt', 'cpuMicros').toFixed(1)} |`
  })
  return ['| workload | this portal, IOPS | tgt, IOPS | ratio | this portal, CPU µs a command | tgt, CPU µs a command |', '|---|---|---|---|---|---|', ...rows].join('\n')
}

function fill(file, bytes) {
  const fd = openSync(file, 'wx')
  for (let at = 0; at < bytes; at += MiB) writeSync(fd, randomBytes(MiB))
  closeSync(fd)
}

command(async () => {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '5' }, size: { type: 'string', default: '256' } } })
  const mebibytes = parseInt(values.size, 10)
  for (const [program, name] of [['iscsi-perf', 'libiscsi-bin'], ['tgtd', 'tgt'], ['tgtadm', 'tgt']]) {
    if (!which(program)) throw new Refusal(`This needs ${program}; as root: apt-get install ${name}${name === 'tgt' ? ' (it also starts a service on port 3260)' : ''}`)
  }
  if (!existsSync('/proc/self/stat')) throw new Refusal('This needs /proc')
  await prepare()
  const folder = mkdtempSync(join(tmpdir(), 'tcmu-bench-'))
  const file = join(folder, 'disk.img')
  const results = []
  try {
    fill(file, mebibytes * MiB)
    for (let round = 1; round <= Number(values.rounds); round++) {
      for (const workload of workloads) {
        const order = round % 2 ? ['tcmu', 'tgt'] : ['tgt', 'tcmu']
        for (const who of order) {
          const server = await (who === 'tcmu' ? startHost(file, `${mebibytes}M`) : startTgt(file))
          try {
            const one = await measure(server, workload, Number(values.seconds))
            results.push({ who, name: workload.name, ...one })
            process.stderr.write(`round ${round} ${who.padEnd(4)} ${workload.name}: ${one.iops} IOPS, ${one.cpuMicros.toFixed(1)} µs CPU a command\n`)
          } finally {
            await server.stop()
          }
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  process.stdout.write(`${machine()}; medians of ${values.rounds} rounds of ${values.seconds} s, ${mebibytes} MiB file in the page cache\n\n${table(results)}\n`)
})
