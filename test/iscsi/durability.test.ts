import { spawn } from 'node:child_process'
import { bench } from '../lib/serve'
import { describeIf, requires } from '../lib/requires'
import { pause, qemuIo } from '../lib/run'

const ROUNDS = 5
const MiB = 2 ** 20

/** Writes without flush for as long as the host lives. */
function keepWriting(url: string): Promise<void> {
  const commands = Array.from({ length: 400 }, (_, i) => ['-c', `aio_write -q -P ${i % 255} ${48 * MiB + (i % 16) * MiB} 1M`]).flat()
  return new Promise((resolve) => {
    const child = spawn('qemu-io', ['-f', 'raw', ...commands, '-c', 'aio_flush', url], { stdio: 'ignore' })
    child.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
    // libiscsi keeps trying to reconnect to a host that is gone.
    const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  })
}

describeIf(requires.qemu(), 'after kill -9 and a restart', () => {
  const here = bench()

  test('every flushed byte is there', async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      const host = await here.start()
      const reads = Array.from({ length: round - 1 }, (_, i) => `read -P ${i + 1} ${(i + 1) * 4 * MiB} 4M`)
      await qemuIo(host.url, [...reads, `write -P ${round} ${round * 4 * MiB} 4M`, 'flush'])
      const writer = keepWriting(host.url)
      await pause(100 + round * 50)
      expect(host.ended).toBe(false)
      expect(await host.end('SIGKILL')).toBe('SIGKILL')
      await writer
    }
    const host = await here.start()
    await qemuIo(host.url, Array.from({ length: ROUNDS }, (_, i) => `read -P ${i + 1} ${(i + 1) * 4 * MiB} 4M`))
  })

  test('a write with FUA needs no flush', async () => {
    const host = await here.start({ luns: [here.fileLun('fua', '16M')] })
    await qemuIo(host.url, ['write -f -P 0x3c 1M 1M'])
    await host.end('SIGKILL')
    const again = await here.start({ luns: [here.fileLun('fua', '16M')] })
    await qemuIo(again.url, ['read -P 0x3c 1M 1M'])
  })

  test('SIGTERM loses nothing that was acknowledged', async () => {
    const host = await here.start({ luns: [here.fileLun('term', '16M')] })
    await qemuIo(host.url, ['write -P 0x4d 0 16M'])
    expect(await host.end('SIGTERM')).toBe(0)
    const again = await here.start({ luns: [here.fileLun('term', '16M')] })
    await qemuIo(again.url, ['read -P 0x4d 0 16M'])
  })
})
