// node mkzonefs.cjs DEVICE: the super block of a zonefs in the first, conventional zone; Debian 12 has no mkzonefs.
const { openSync, writeSync, fsyncSync } = require('node:fs')
const { randomFillSync } = require('node:crypto')
const { crc32 } = require('node:zlib')

const SUPER_BYTES = 4096
const MAGIC = 0x5a4f4653
const at = { magic: 0, crc: 4, uuid: 72, permissions: 104 - 4 }
const block = Buffer.alloc(SUPER_BYTES)
block.writeUInt32LE(MAGIC, at.magic)
randomFillSync(block, at.uuid, 16)
block.writeUInt32LE(0o640, at.permissions)
// The kernel's crc32_le has no final inversion.
block.writeUInt32LE(~crc32(block) >>> 0, at.crc)
const device = openSync(process.argv[2], 'r+')
writeSync(device, block, 0, SUPER_BYTES, 0)
fsyncSync(device)
