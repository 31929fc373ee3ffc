'use strict'
const { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } = require('node:fs')

const POLL_MS = 50
/** Contents by device: they outlive a reopen. */
const disks = new Map()

/**
 * A disk in memory whose lock and connection are files of the folder that its configuration names: `holder` has the tag of who
 * holds the lock, `away` means that the backend cannot be reached. What is called is written to `calls`.
 */
module.exports = {
  subtype: 'locking',
  open(dev) {
    const at = (file) => `${dev.config}/${file}`
    const call = (text) => appendFileSync(at('calls'), `${text}\n`)
    call(dev.reopen ? 'reopen' : 'open')
    if (existsSync(at('away'))) throw Object.assign(new Error('the backend is away'), { code: 'EHOSTUNREACH' })
    if (!disks.has(dev.name)) disks.set(dev.name, Buffer.alloc(dev.sizeBytes))
    const timer = setInterval(() => existsSync(at('away')) && dev.report('connection-lost'), POLL_MS)
    return { at, call, memory: disks.get(dev.name), timer }
  },
  close(disk) {
    clearInterval(disk.timer)
    disk.call('close')
  },
  read: (disk, io) => void io.data.set(disk.memory.subarray(io.offset, io.offset + io.length)),
  write: (disk, io) => void io.data.copyTo(disk.memory.subarray(io.offset, io.offset + io.length)),
  lock(disk, tag) {
    disk.call(`lock ${tag ?? '-'}`)
    writeFileSync(disk.at('holder'), String(tag ?? 'here'))
  },
  unlock(disk) {
    disk.call('unlock')
    rmSync(disk.at('holder'), { force: true })
  },
  getLockState: (disk) => (existsSync(disk.at('holder')) && readFileSync(disk.at('holder'), 'utf8') !== 'elsewhere' ? 'locked' : 'unlocked'),
  // NO_LOCK_HOLDERS
  getLockTag: (disk) => (existsSync(disk.at('holder')) ? { tag: Number(readFileSync(disk.at('holder'), 'utf8')) || undefined } : 22),
}
