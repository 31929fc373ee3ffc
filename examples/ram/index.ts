// A handler given by value: the host calls it, no package is looked for.
import { defineHandler, openDevices } from '@tcmu/host'

const ram = defineHandler({
  subtype: 'ram',
  open: (dev) => Buffer.alloc(dev.sizeBytes),
  read: (memory, io) => void io.data.set(memory.subarray(io.offset, io.offset + io.length)),
  write: (memory, io) => void io.data.copyTo(memory.subarray(io.offset, io.offset + io.length)),
  unmap: (memory, { offset, length }) => void memory.fill(0, offset, offset + length),
})

const host = await openDevices({
  handlers: [ram],
  luns: ['name=a,size=16M,cfgstring=ram/', 'name=b,size=4M,blocksize=4096,cfgstring=ram/'],
  portal: { address: '127.0.0.1', port: Number(process.env['PORT'] ?? 3260) },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void host.stop(2000))
console.log(host.urls.join(' '))
