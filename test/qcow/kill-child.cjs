// Run by kill.test.ts: works through the batches of a file, says when each is flushed, until it is killed.
//   node kill-child.cjs IMAGE BATCHES
const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const host = join(__dirname, '../../packages/host/dist')
const { createIoEngine } = require(join(host, 'io/index.js'))
const { initiatorOf, testDevice } = require(join(host, 'testing/index.js'))
const handler = require(join(__dirname, '../../packages/handler-qcow/dist/index.js')).default

const [path, file] = process.argv.slice(2)
const { slot, batches } = JSON.parse(readFileSync(file, 'utf8'))
const blocks = slot / 512

async function main() {
  const options = { writeBackSeconds: 0.1, mappingCache: 65536, refcountCache: 65536 }
  const disk = initiatorOf(await testDevice(handler, { config: path, io: createIoEngine(), sizeBytes: 0, options }))
  const commands = {
    write: (c) => disk.write(c.first * blocks, Buffer.alloc(c.count * slot, c.fill)),
    zero: (c) => disk.writeSame({ lba: c.first * blocks, blocks: c.count * blocks }, new Uint8Array(512)),
    unmap: (c) => disk.unmap([{ lba: c.first * blocks, blocks: c.count * blocks }]),
  }
  process.stdout.write('open\n')
  for (const [n, batch] of batches.entries()) {
    const answers = await Promise.all(batch.map((c) => commands[c.kind](c)))
    answers.push(await disk.synchronizeCache())
    if (answers.some((a) => a.status !== 0)) throw new Error(`batch ${n} failed`)
    process.stdout.write(`${n}\n`)
  }
  throw new Error('nobody killed it')
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exit(1)
})
