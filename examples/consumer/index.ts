// One program, its own loop, one disk: what libtcmu's consumer.c is to the C library.
import { openDevices, pulled } from '@tcmu/host'

const size = 16 * 2 ** 20
const memory = Buffer.alloc(size)

const host = await openDevices({
  handlers: [pulled('consumer')],
  luns: [{ name: 'disk0', size, cfgstring: 'consumer/' }],
  portal: { address: '127.0.0.1', port: Number(process.env['PORT'] ?? 3260) },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void host.stop(2000))
console.log(host.urls[0])

for await (const command of host.device('disk0').commands()) {
  const { kind, offset, length } = command
  if (kind === 'other') {
    await command.emulate()
    continue
  }
  const blocks = memory.subarray(offset, offset + length)
  if (kind === 'read') command.data.set(blocks)
  else command.data.copyTo(blocks)
  command.complete()
}
