import { randomBytes } from 'node:crypto'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { qemuIo, run, runOk, until } from '../lib/run'
import { describeIf, requires } from '../lib/requires'
import { bench, cli, type HostProcess } from '../lib/serve'
import { gluster, glusterLack } from './gluster'
import { MiB, volumes } from './glfs-lib'


describeIf(requires.all(glusterLack(), requires.qemu(), requires.libiscsi()), 'a file of a Gluster volume as a LUN of the portal', () => {
  const here = bench()
  const node = gluster('vol')
  const at = volumes(node)
  const lun = async (path: string, bytes = 64 * MiB): Promise<string> => {
    await (await at.make(path, bytes)).device.close(1000)
    return `name=disk,cfgstring=glfs/${at.config(path)}`
  }
  /** Processes that run handlers of a host. */
  const children = async (host: HostProcess): Promise<number[]> => (await run('pgrep', ['-P', String(host.pid), '-f', 'device-host'])).stdout.split('\n').filter(Boolean).map(Number)

  test('what is written is read, also by the next host', async () => {
    const luns = [await lun('verified.img')]
    const host = await here.start({ luns })
    await qemuIo(host.url, ['write -P 0x11 0 8M', 'write -P 0x22 4190208 64k', 'write -f -P 0x33 63M 1M', 'flush', 'read -P 0x11 0 4190208', 'read -P 0x22 4190208 64k'])
    expect(await host.end()).toBe(0)
    const next = await here.start({ luns })
    await qemuIo(next.url, ['read -P 0x11 0 4190208', 'read -P 0x22 4190208 64k', 'read -P 0x33 63M 1M', 'read -P 0 8M 55M'])
    expect(await next.end()).toBe(0)
  })

  test('a disk image goes in and comes out the same', async () => {
    const host = await here.start({ luns: [await lun('copied.img', 32 * MiB)] })
    const [from, to] = [here.path('from.raw'), here.path('to.raw')]
    writeFileSync(from, randomBytes(32 * MiB))
    await runOk('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', from, host.url])
    await runOk('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', host.url, to])
    await runOk('cmp', [from, to])
    expect(await host.end()).toBe(0)
    await runOk('cmp', [from, node().brickFile('vol', 'copied.img')])
  })

  test('its handler runs in a process of its own, and discards reach the brick', async () => {
    const host = await here.start({ luns: [await lun('thin.img')] })
    expect(await children(host)).toHaveLength(1)
    await qemuIo(host.url, ['write -P 1 0 32M', 'flush'])
    const full = node().storage('vol', 'thin.img')
    await qemuIo(host.url, ['discard 8M 16M', 'flush', 'read -P 1 0 8M', 'read -P 0 8M 16M', 'read -P 1 24M 8M'])
    expect(node().storage('vol', 'thin.img')).toBe(full - 16 * MiB)
    expect(statSync(node().brickFile('vol', 'thin.img')).size).toBe(64 * MiB)
  })

  test('kill -9 of the host, and of the handler\'s process, leaves what was flushed', async () => {
    const luns = [await lun('killed.img')]
    for (const victim of ['host', 'handler'] as const) {
      const host = await here.start({ luns })
      const value = victim === 'host' ? '0x51' : '0x52'
      await qemuIo(host.url, [`write -P ${value} 0 16M`, 'flush'])
      // A load that is under way when the end comes.
      const load = run('qemu-io', ['-f', 'raw', ...Array.from({ length: 12 }, () => ['-c', 'write -P 0x77 32M 16M']).flat(), host.url], { timeoutMs: 60_000 }).catch(() => undefined)
      if (victim === 'host') {
        await until(() => node().storage('vol', 'killed.img') > 20 * MiB, 'the load has begun')
        await host.end('SIGKILL')
      } else {
        const [pid] = await children(host)
        process.kill(pid!, 'SIGKILL')
        await until(async () => (await children(host)).some((p) => p !== pid), 'another process', 30_000)
        await load
        await qemuIo(host.url, [`read -P ${value} 0 16M`])
        await host.end()
      }
      await load
    }
    const host = await here.start({ luns })
    await qemuIo(host.url, ['read -P 0x52 0 16M'])
    await host.end()
  })

  test('a brick that is killed and started again: its state is told, and I/O goes on', async () => {
    const host = await here.start({ luns: [await lun('outage.img')] })
    const sockets = readdirSync(here.folder).filter((name) => name.endsWith('.sock'))
    const states = async (): Promise<string> =>
      (await Promise.all(sockets.map((s) => run(process.execPath, [cli, 'devices', '--socket', here.path(s)])))).map((r) => r.text).join('')
    await qemuIo(host.url, ['write -f -P 1 0 1M'])
    await node().killBrick('vol')
    // QEMU asks again after BUSY, but soon waits for minutes.
    const write = (): Promise<boolean> => run('qemu-io', ['-f', 'raw', '-c', 'write -f -P 2 0 1M', host.url], { timeoutMs: 3000 }).then(({ code }) => code === 0, () => false)
    expect(await write()).toBe(false)
    await until(() => /does not open: .*no brick of vol does/.test(host.output), 'the log says why', 30_000)
    expect(await states()).toMatch(/disk\s.*recovering/)
    await node().startBrick('vol')
    await until(write, 'I/O goes on', 60_000)
    await qemuIo(host.url, ['read -P 2 0 1M', 'flush'])
    expect(await states()).toMatch(/disk\s.*running/)
    expect(await host.end()).toBe(0)
  })

  test.each([
    ['nosuch@HOST/x', /the servers of nosuch@\S+ know no volume nosuch/], ['vol@HOST/none', /vol@\S+\/none is not there\. Correct the path/],
    ['vol@127.77.0.0/x', /the servers of vol@127\.77\.0\.0\/x could not be reached/], ['vol', /the volume's host is missing; write glfs\/VOLUME@HOST\/FILE/],
  ])('%s is refused with a sentence', async (config, sentence) => {
    const checked = await run(process.execPath, [cli, 'check', '--handler-root', here.path('handlers'), `glfs/${config.replace('HOST', node().address)}`])
    expect(checked.code).not.toBe(0)
    expect(checked.text).toMatch(sentence)
  })
})
