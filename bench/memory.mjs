// Resident memory of a host whose devices are idle: 1, 10, 100 files behind the portal.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot, Refusal } from '../scripts/lib.mjs'
import { temporaryFolder } from './places.mjs'

const COUNTS = [1, 10, 100]
/** Until a fresh host has settled. */
const REST_MS = 3000

const kibibytes = (pid, line) => Number(new RegExp(`^${line}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1])

async function hostWith(count, folder) {
  const luns = Array.from({ length: count }, (_, i) => ['--lun', `name=d${i},size=16M,cfgstring=file/${join(folder, `d${count}-${i}`)}`]).flat()
  mkdirSync(join(folder, 'state'), { recursive: true })
  writeFileSync(join(folder, 'host.json'), '{}')
  const child = spawn(process.execPath, [
    inRoot('packages/host/dist/cli.js'), 'serve', '--frontend', 'iscsi', '--portal', '127.0.0.1:0', '--no-dbus', '--config', join(folder, 'host.json'),
    '--socket', join(folder, 'host.sock'), '--state-dir', join(folder, 'state'), ...luns,
  ], { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise((resolve) => child.once('close', resolve))
  try {
    await new Promise((resolve, reject) => {
      child.stdout.on('data', (text) => /^ready /m.test(String(text)) && resolve())
      child.once('close', () => reject(new Refusal(`the host did not start with ${count} devices`)))
    })
    await new Promise((resolve) => setTimeout(resolve, REST_MS))
    return { devices: count, rssMiB: kibibytes(child.pid, 'Rss') / 1024, privateMiB: (kibibytes(child.pid, 'Private_Clean') + kibibytes(child.pid, 'Private_Dirty')) / 1024 }
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

export async function memoryBench({ said = () => undefined } = {}) {
  const folder = temporaryFolder()
  const rows = []
  try {
    for (const count of COUNTS) {
      rows.push(await hostWith(count, folder))
      said(`${count} devices: ${rows.at(-1).rssMiB.toFixed(1)} MiB`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return rows
}
