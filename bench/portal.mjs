// This portal and Debian's tgt: libiscsi's iscsi-perf reads the same file, in the page cache, through one and the other in turns.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { inRoot, Refusal, run, which } from '../scripts/lib.mjs'
import { freePort, temporaryFolder } from './places.mjs'
import { compare, spread, turn } from './stats.mjs'

const MiB = 2 ** 20
const TICKS_PER_SECOND = 100 // sysconf(_SC_CLK_TCK) on Linux
const workloads = [
  { name: 'random read 4 KiB, depth 1', args: ['-m', '1', '-b', '8', '-r'] },
  { name: 'random read 4 KiB, depth 32', args: ['-m', '32', '-b', '8', '-r'] },
  { name: 'sequential read 128 KiB, depth 8', args: ['-m', '8', '-b', '256'] },
]

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** User and system time of a process and its threads, in seconds. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => child.once('close', resolve))
}

async function startHost(file, size) {
  const child = spawn(process.execPath, [inRoot('packages/host/dist/cli.js'), 'serve', '--frontend', 'iscsi', '--portal', '127.0.0.1:0',
    '--lun', `name=bench,size=${size},cfgstring=file/${file}`], { stdio: ['ignore', 'pipe', 'ignore'] })
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

function fill(file, bytes) {
  const fd = openSync(file, 'wx')
  for (let at = 0; at < bytes; at += MiB) writeSync(fd, randomBytes(MiB))
  closeSync(fd)
}

async function one(who, workload, file, mebibytes, seconds) {
  const server = await (who === 'portal' ? startHost(file, `${mebibytes}M`) : startTgt(file))
  try {
    return await measure(server, workload, seconds)
  } finally {
    await server.stop()
  }
}

/** Why it cannot run here, or undefined. */
export const lack = () => [['iscsi-perf', 'libiscsi-bin'], ['tgtd', 'tgt'], ['tgtadm', 'tgt']].filter(([program]) => !which(program))
  .map(([program, name]) => `needs ${program}; apt-get install ${name}${name === 'tgt' ? ' (it also starts a service on port 3260)' : ''}`)[0]

/** Rows of { workload, portal, tgt, ratio }. */
export async function portalBench({ rounds = 5, seconds = 2, mebibytes = 256, said = () => undefined } = {}) {
  const folder = temporaryFolder()
  const file = join(folder, 'disk.img')
  const runs = workloads.map(() => ({ portal: [], tgt: [] }))
  try {
    fill(file, mebibytes * MiB)
    for (let round = 0; round < rounds; round++) {
      for (const [i, workload] of workloads.entries()) {
        for (const who of turn(['portal', 'tgt'], round)) runs[i][who].push(await one(who, workload, file, mebibytes, seconds))
        said(`round ${round + 1} of ${rounds}: ${workload.name}: portal ${runs[i].portal.at(-1).iops}, tgt ${runs[i].tgt.at(-1).iops}`)
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const of = (list) => ({ iops: spread(list.map((r) => r.iops)), cpuMicros: spread(list.map((r) => r.cpuMicros)) })
  return workloads.map(({ name }, i) => {
    const { portal, tgt } = runs[i]
    return { workload: name, portal: of(portal), tgt: of(tgt), ratio: compare(portal.map((r) => r.iops), tgt.map((r) => r.iops), Math.max) }
  })
}
