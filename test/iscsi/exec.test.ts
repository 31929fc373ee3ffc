import { copyFileSync, chmodSync } from 'node:fs'
import { inRepository } from '../lib/repository'
import { describeIf, requires } from '../lib/requires'
import { qemuIo, run, until } from '../lib/run'
import { bench, type HostProcess } from '../lib/serve'


describeIf(requires.all(requires.qemu(), requires.command('python3', 'python3'), requires.proc()), 'a program in Python behind the portal', () => {
  const here = bench()
  let host: HostProcess
  beforeAll(async () => {
    copyFileSync(inRepository('packages/handler-exec/examples/ram.py'), here.path('ram.py'))
    chmodSync(here.path('ram.py'), 0o755)
    host = await here.start({ luns: [`name=py,size=16M,cfgstring=exec/${here.path('ram.py')}`, here.fileLun('disk', '16M')] })
  })

  test('keeps what is written', async () => {
    await qemuIo(host.url, ['write -P 0x11 0 512', 'write -P 0x22 512 4k', 'write -f -P 0x33 1M 4M', 'flush', 'read -P 0x11 0 512', 'read -P 0x22 512 4k', 'read -P 0x33 1M 4M'])
    await qemuIo(host.url, ['discard 1M 1M', 'write -z 2M 1M', 'read -P 0 1M 2M', 'read -P 0x33 3M 2M'], ['-d', 'unmap'])
    const at = (i: number): number => 8 * 2 ** 20 + i * 65536
    await qemuIo(host.url, [...Array.from({ length: 64 }, (_, i) => `aio_write -q -P ${i + 1} ${at(i)} 64k`), 'aio_flush', ...Array.from({ length: 64 }, (_, i) => `read -P ${i + 1} ${at(i)} 64k`)])
  })

  test('is killed: the other LUN does not notice, and it comes back', async () => {
    const { stdout } = await run('pgrep', ['-P', String(host.pid), '-f', here.path('ram.py')])
    process.kill(Number(stdout.trim()), 'SIGKILL')
    await qemuIo(host.lun(1), ['write -P 0x44 0 1M', 'read -P 0x44 0 1M'])
    await until(() => /ram\.py runs again/.test(host.output), 'a new program', 30_000)
    expect(host.output).toMatch(/it was ended by SIGKILL; it is started again in 100 ms/)
    await qemuIo(host.url, ['write -P 0x55 0 1M', 'read -P 0x55 0 1M'])
  })

  test('ends with the host', async () => {
    const { stdout } = await run('pgrep', ['-P', String(host.pid), '-f', here.path('ram.py')])
    expect(await host.end()).toBe(0)
    expect((await run('kill', ['-0', stdout.trim()])).code).not.toBe(0)
  })
})
