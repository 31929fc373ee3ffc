import { defineHandler, openDevices } from '@tcmu/host'
import { passthrough } from './passthrough.js'

const ram = defineHandler({
  subtype: 'ram',
  open: (dev) => Buffer.alloc(dev.sizeBytes),
  read: (memory, io) => void io.data.set(memory.subarray(io.offset, io.offset + io.length)),
  write: (memory, io) => void io.data.copyTo(memory.subarray(io.offset, io.offset + io.length)),
})

const host = await openDevices({
  handlers: [ram, passthrough],
  luns: [
    'name=disk0,size=16M,cfgstring=ram/', 'name=mirror0,size=16M,cfgstring=passthrough/disk0',
    'name=disk1,size=1M,readonly,cfgstring=ram/', 'name=mirror1,size=1M,cfgstring=passthrough/disk1',
    'name=lost,size=1M,cfgstring=passthrough/nowhere',
  ],
  portal: { address: '127.0.0.1', port: Number(process.env['PORT'] ?? 3260) },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void host.stop(2000))
console.log(host.urls.join(' '))
