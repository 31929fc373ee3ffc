import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HandlerHost } from '../../packages/host/src/supervisor/handler-host'
import type { HandlerHostOptions } from '../../packages/host/src/supervisor/handler-host-options'
import type { Spawn } from '../../packages/host/src/supervisor/spawn'
import { inRepository } from '../lib/repository'
import { describeIf, requires } from '../lib/requires'
import { pause, qemuIo, run, until } from '../lib/run'
import { type Child, Sandbox } from '../plugins/cli'

/** Handlers of others, in processes of their own: what they do to themselves, nobody else notices. */
const folder = mkdtempSync(join(tmpdir(), 'tcmu-placement-'))
const box = new Sandbox(folder)
afterAll(async () => {
  await box.close()
  rmSync(folder, { recursive: true })
})

interface Host {
  readonly child: Child
  readonly urls: readonly string[]
}

async function serve(luns: readonly string[], ...more: string[]): Promise<Host> {
  const child = box.start([
    'serve', '--frontend', 'iscsi', '--portal', '127.0.0.1:0', '--handler-path', inRepository('test/fixtures/handlers/hostile'),
    '--socket', join(folder, `s${box.children.length}`), ...luns.flatMap((cfgstring, i) => ['--lun', `name=d${i},size=16M,cfgstring=${cfgstring}`]), ...more,
  ])
  const [, ready] = await child.until(/^ready (.*)\n/)
  return { child, urls: ready!.split(' ') }
}

/** Processes that `pid` started. */
async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['--ppid', String(pid), '-o', 'pid=,args='])
  return stdout.split('\n').filter((l) => l.includes('device-host-main')).map((l) => Number.parseInt(l, 10))
}
const disk = (name: string): string => `file/${join(folder, name)}`

describeIf(requires.all(requires.qemu(), requires.command('ps', 'procps')), 'a handler in a process of its own', () => {
  test('reads, writes, flushes, discards; ours stays in the host', async () => {
    const { child, urls: [mine, theirs] } = await serve([disk('a'), 'hostile/nothing'])
    expect(await childrenOf(child.process.pid!)).toHaveLength(1)
    for (const url of [mine!, theirs!]) await qemuIo(url, ['write -P 0x5a 1M 4M', 'flush', 'read -P 0x5a 1M 4M', 'read -P 0 0 64k', 'writev -P 0x5b 8M 4k 8k 512', 'read -P 0x5b 8M 12k'])
    expect((await child.end()).code).toBe(0)
    expect(await childrenOf(child.process.pid!)).toEqual([])
  })

  test('our own handler, moved there, does all it did: extents and discard too', async () => {
    const { child, urls: [url] } = await serve([disk('moved')], '--placement', 'file=process')
    expect(await childrenOf(child.process.pid!)).toHaveLength(1)
    await qemuIo(url!, ['write -P 1 0 1M', 'discard 512k 256k', 'read -P 0 512k 256k', 'read -P 1 768k 256k'])
    expect((await run('qemu-img', ['map', '--output=json', '-f', 'raw', url!])).stdout).toContain('"data": false')
    expect((await child.end()).code).toBe(0)
  })

  test('in a thread: the same, without a process', async () => {
    const { child, urls: [url] } = await serve(['hostile/nothing'], '--placement', 'hostile=worker')
    expect(await childrenOf(child.process.pid!)).toEqual([])
    await qemuIo(url!, ['write -P 7 1M 2M', 'read -P 7 1M 2M'])
    expect((await child.end()).code).toBe(0)
  })

  test('killed under load, again and again: no error, nothing lost, and the other disk does not notice', async () => {
    const { child, urls: [url, other] } = await serve([disk('killed'), 'hostile/nothing'], '--placement', 'file=process', '--placement', 'hostile=inline')
    let over = false
    const beside = (async () => {
      let longest = 0
      while (!over) {
        const began = performance.now()
        await qemuIo(other!, ['write -P 3 1M 64k', 'read -P 3 1M 64k'])
        longest = Math.max(longest, performance.now() - began)
      }
      return longest
    })()
    for (let round = 0; round < 4; round++) {
      const pattern = 10 + round
      const load = qemuIo(url!, [...Array.from({ length: 12 }, (_, i) => `write -P ${pattern} ${i}M 1M`), ...Array.from({ length: 12 }, (_, i) => `read -P ${pattern} ${i}M 1M`)])
      await pause(30 + 40 * round)
      const [pid] = await childrenOf(child.process.pid!)
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
      await load
    }
    over = true
    expect(await beside).toBeLessThan(5000)
    expect(child.stderr).toMatch(/file runs again/)
    expect((await child.end()).code).toBe(0)
  })

  /** What block 0 written does, and what the log says of it. */
  const misdeeds: readonly [string, RegExp][] = [
    ['exit', /it ended with 3/], ['abort', /it was ended by SIGABRT/], ['segfault', /it was ended by SIGSEGV/],
    ['later', /thrown later/], ['reject', /rejected and forgotten/], ['throw', /thrown in write/], ['text', /no status|not with a status/],
    ['hog', /it was ended by SIGABRT|it ended with \d+/], ['pollute', /^/],
  ]
  test.each(misdeeds)('%s is contained', async (name, says) => {
    const { child, urls: [bad, good] } = await serve([`hostile/${name}`, disk(`beside-${name}`)])
    const hurt = run('qemu-io', ['-f', 'raw', '-c', 'write -P 1 0 512', bad!], { timeoutMs: 4000 }).catch(() => undefined)
    await qemuIo(good!, ['write -P 9 0 1M', 'read -P 9 0 1M'])
    await until(() => says.test(child.stderr), `the log says ${says}`, 40_000)
    await qemuIo(good!, ['read -P 9 0 1M'])
    expect(child.process.exitCode).toBeNull()
    await child.end()
    await hurt
  })

  test('what always ends is parked, and its device says NOT READY', async () => {
    const { child, urls: [bad, good] } = await serve(['hostile/exit', disk('beside-parked')])
    const hurt = await run('qemu-io', ['-f', 'raw', '-c', 'write -P 1 0 512', bad!], { timeoutMs: 50_000 })
    expect(hurt.text).toMatch(/NOT_READY|Input\/output error|failed/)
    expect(child.stderr).toMatch(/hostile is parked: it ended 6 times/)
    await qemuIo(good!, ['write -P 9 0 64k', 'read -P 9 0 64k'])
    expect((await child.end()).code).toBe(0)
  })

  test.each([['throw-open', /thrown in open/], ['exit-open', /it ended with 4/]])('%s: the device is refused, with the reason', async (name, says) => {
    const { code, stderr } = await box.start(['serve', '--frontend', 'iscsi', '--portal', '127.0.0.1:0', '--handler-path', inRepository('test/fixtures/handlers/hostile'), '--lun', `name=d,size=1M,cfgstring=hostile/${name}`]).ended
    expect([code !== 0, says.test(stderr)]).toEqual([true, true])
  })
})

test('a loop that stands still is ended, and what it left undone is told', async () => {
  // Child processes run what was built, so the parent's side comes from there too.
  const built = createRequire(inRepository('packages/host/dist/x.js'))
  const { HandlerHost: Host } = built('./supervisor/handler-host') as { HandlerHost: new (o: HandlerHostOptions) => HandlerHost }
  const { spawnProcess } = built('./supervisor/spawn') as { spawnProcess: Spawn }
  const { loadNative } = built('./platform') as { loadNative: () => HandlerHostOptions['core'] }
  const lines: string[] = []
  const log = { error: (m: string) => void lines.push(m), warn: (m: string) => void lines.push(m), info: () => undefined, debug: () => undefined }
  const host = new Host({
    start: { packagePath: inRepository('test/fixtures/handlers/hostile'), subtype: 'hostile', hostPackage: inRepository('packages/host') },
    core: loadNative(), spawn: spawnProcess, log, hangMs: 3000, budget: { most: 0 },
  })
  await host.load()
  const { remoteHandler } = built('./supervisor/remote-handler') as typeof import('../../packages/host/src/supervisor/remote-handler')
  const { openDevice } = built('./device') as typeof import('../../packages/host/src/device')
  const { initiatorOf } = built('./testing') as typeof import('../../packages/host/src/testing')
  const device = await openDevice(
    { name: 'd', subtype: 'hostile', config: 'block', sizeBytes: 1 << 20, blockSize: 512, serial: 'd' },
    { handler: remoteHandler(await host.load(), host), io: { open: () => Promise.reject(new Error('none')) }, log },
  )
  const { key } = await initiatorOf(device).write(0, new Uint8Array(512))
  expect(key).toBe(2)
  expect(lines.join('\n')).toMatch(/has not turned its event loop for 3 s[^]*hostile is parked/)
  expect(host.state()).toMatchObject({ state: 'parked', devices: ['d'] })
  await device.close(1000)
  await host.close()
})
