import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HandlerHost } from '../../packages/host/src/supervisor/handler-host'
import type { HandlerHostOptions } from '../../packages/host/src/supervisor/handler-host-options'
import type { Spawn } from '../../packages/host/src/supervisor/spawn'
import { inRepository } from '../lib/repository'
import { pause, until } from '../lib/run'

/** A handler whose lock keeps other hosts out, in a process of its own: the host in front of it asks for the lock all the same. */
const folder = mkdtempSync(join(tmpdir(), 'tcmu-locking-'))
afterAll(() => rmSync(folder, { recursive: true }))
// Child processes run what was built, so the parent's side comes from there too.
const built = createRequire(inRepository('packages/host/dist/x.js'))
const { HandlerHost: Host } = built('./supervisor/handler-host') as { HandlerHost: new (o: HandlerHostOptions) => HandlerHost }
const { spawnProcess } = built('./supervisor/spawn') as { spawnProcess: Spawn }
const { loadNative } = built('./platform') as { loadNative: () => HandlerHostOptions['core'] }
const { remoteHandler } = built('./supervisor/remote-handler') as typeof import('../../packages/host/src/supervisor/remote-handler')
const { openDevice } = built('./device') as typeof import('../../packages/host/src/device')
const { initiatorOf, MemoryPortGroups, portGroup } = built('./testing') as typeof import('../../packages/host/src/testing')
const { tpgs } = built('./scsi') as typeof import('../../packages/host/src/scsi')

const BUSY = 0x08
const block = new Uint8Array(512).fill(7)
let count = 0

async function locking(kind: number) {
  const at = mkdtempSync(join(folder, `d${count++}-`))
  const lines: string[] = []
  const say = (m: string): void => void lines.push(m)
  const log = { error: say, warn: say, info: say, debug: () => undefined }
  const host = new Host({
    start: { packagePath: inRepository('test/fixtures/handlers/locking'), subtype: 'locking', hostPackage: inRepository('packages/host') },
    core: loadNative(), spawn: spawnProcess, log,
  })
  const device = await openDevice(
    { name: 'd', subtype: 'locking', config: at, sizeBytes: 1 << 20, blockSize: 512, serial: 'd' },
    { handler: remoteHandler(await host.load(), host), io: { open: () => Promise.reject(new Error('none')) }, log, recovery: { firstMs: 50, maxMs: 100, graceMs: 500 } },
  )
  device.usePortGroups(new MemoryPortGroups(kind, [portGroup(1)]))
  const it = initiatorOf(device)
  const written = async (): Promise<boolean> => {
    const { status } = await it.write(0, block)
    if (status !== 0) expect(status).toBe(BUSY)
    return status === 0
  }
  return { at, host, device, it, lines, written, calls: () => readFileSync(join(at, 'calls'), 'utf8').trim().split('\n'), close: async () => { await device.close(1000); await host.close() } }
}

test('the first write takes the lock, closing gives it back', async () => {
  const d = await locking(tpgs.IMPLICIT)
  expect(await d.written()).toBe(false)
  await until(d.written, 'the write')
  expect(d.calls()).toEqual(['open', 'lock -'])
  await d.close()
  expect(d.calls()).toEqual(['open', 'lock -', 'unlock', 'close'])
  expect(existsSync(join(d.at, 'holder'))).toBe(false)
})

test('who has it is asked there, and a lock that is gone is taken again after a reopen', async () => {
  const d = await locking(tpgs.IMPLICIT)
  await until(d.written, 'the write')
  writeFileSync(join(d.at, 'holder'), 'elsewhere')
  await d.it.inquiry()
  expect(await d.written()).toBe(false)
  await until(d.written, 'the write')
  expect(d.calls()).toEqual(['open', 'lock -', 'close', 'reopen closed', 'lock -'])
  expect(d.device.counters.lockLost).toBe(1)
  await d.close()
})

test('a lost connection is recovered by the host, once, and not there besides', async () => {
  const d = await locking(tpgs.NONE)
  expect(await d.written()).toBe(true)
  writeFileSync(join(d.at, 'away'), '')
  await until(() => d.device.state === 'recovering', 'recovery')
  await pause(300)
  rmSync(join(d.at, 'away'))
  await until(() => d.device.state === 'running', 'its end')
  expect(await d.written()).toBe(true)
  const [first, second, ...rest] = d.calls()
  expect([first, second]).toEqual(['open', 'close'])
  expect(new Set(rest)).toEqual(new Set(['reopen closed']))
  expect(d.device.counters.connectionLost).toBe(1)
  await d.close()
})

test('a process that was killed has lost the lock: no write goes through without it', async () => {
  const d = await locking(tpgs.IMPLICIT)
  await until(d.written, 'the write')
  const { pid } = d.host.state()
  process.kill(pid!, 'SIGKILL')
  await until(() => d.lines.some((l) => /locking runs again/.test(l)), 'another process')
  expect(await d.written()).toBe(false)
  await until(d.written, 'the write')
  // What the next process is told was kept by one that closed it.
  expect(d.calls()).toEqual(['open', 'lock -', 'reopen', 'close', 'reopen closed', 'lock -'])
  await d.close()
})

test('one that looks at commands and has a lock is for the process of the host', async () => {
  const facts = { subtype: 'both', members: ['open', 'read', 'write', 'handleCmd', 'lock'] }
  await expect(remoteHandler(facts, {} as never).open({} as never) as Promise<unknown>).rejects.toThrow(/E_HANDLER_SHAPE: handler both: it has both handleCmd and lock.*--placement both=inline/)
})
