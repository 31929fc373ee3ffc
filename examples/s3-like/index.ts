import { openDevices } from '@tcmu/host'
import { s3like } from './disk.js'

const host = await openDevices({
  handlers: [s3like],
  luns: [{ name: 'cloud', size: process.env['SIZE'] ?? '64M', cfgstring: `s3like/${process.env['BUCKET'] ?? 'http://127.0.0.1:9000/disk'}` }],
  portal: { address: '127.0.0.1', port: Number(process.env['PORT'] ?? 3260) },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void host.stop(2000))
console.log(host.urls[0])
