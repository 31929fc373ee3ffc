'use strict'
const { existsSync } = require('node:fs')

const POLL_MS = 50

/** A disk in memory whose commands wait while the file that its configuration names is there, or until they are aborted. */
async function released(disk, io) {
  while (existsSync(disk.gate) && !io.signal.aborted) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}

module.exports = {
  subtype: 'stuck',
  open: (dev) => ({ gate: dev.config, memory: Buffer.alloc(dev.sizeBytes) }),
  read: async (disk, io) => {
    await released(disk, io)
    io.data.set(disk.memory.subarray(io.offset, io.offset + io.length))
  },
  write: async (disk, io) => {
    await released(disk, io)
    io.data.copyTo(disk.memory.subarray(io.offset, io.offset + io.length))
  },
}
