import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DeviceInfo } from '@tcmu/host/handler'
import { initiatorOf, LogLines, testDevice } from '@tcmu/host/testing'
import exec from '.'
import { Program } from './program'
import { LastLines } from './stderr'
import { RestartBudget } from './budget'
import { parseConfig, type ExecConfig } from './config'
import { ops } from './frames'
import { disk, Peer, welcome } from './testing/peer'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-exec-'))
chmodSync(folder, 0o755)
afterAll(() => rmSync(folder, { recursive: true }))
const ram = join(folder, 'ram.py')
copyFileSync(join(__dirname, '../examples/ram.py'), ram)
const script = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o755 })
  return path
}
const busyOr = [2, 8]
const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 2000 && !(await holds()); i++) await sleep(5)
  expect(await holds()).toBe(true)
}

test('a program in Python is a disk', async () => {
  const log = new LogLines()
  const device = await testDevice(exec, { config: ram, log })
  const it = initiatorOf(device)
  expect((await it.write(7, Buffer.alloc(1024, 0xa5), { fua: 1 })).status).toBe(0)
  expect((await it.read({ lba: 8, blocks: 1 })).data).toEqual(Buffer.alloc(512, 0xa5))
  expect((await it.unmap([{ lba: 7, blocks: 1 }])).status).toBe(0)
  expect((await it.writeSame({ lba: 10, blocks: 100 }, Buffer.alloc(512, 3))).status).toBe(0)
  expect([...new Set((await it.read({ lba: 7, blocks: 103 })).data)].sort()).toEqual([0, 165, 3].sort())
  expect((await it.synchronizeCache()).status).toBe(0)
  await device.close(5000)
  expect(log.lines).toEqual([])
})

test('a program that is killed is an error of the medium, then not ready, then there again; its last words are logged', async () => {
  const log = new LogLines()
  const pids = join(folder, 'pid')
  const path = script('mortal', `#!/bin/sh\necho $$ > ${pids}\necho "I was started" >&2\nexec ${ram}\n`)
  const device = await testDevice(exec, { config: path, log })
  const other = await testDevice(exec, { config: ram, log: new LogLines() })
  const it = initiatorOf(device)
  expect((await it.write(0, Buffer.alloc(512, 1))).status).toBe(0)
  execFileSync('/bin/sh', ['-c', `kill -SEGV $(cat ${pids})`])
  const answers: number[] = []
  await until(async () => {
    const { status } = await it.read({ lba: 0, blocks: 1 })
    answers.push(status)
    return status === 0 && answers.some((s) => s !== 0)
  })
  expect(answers.filter((s) => s !== 0).every((s) => busyOr.includes(s))).toBe(true)
  expect(await it.synchronizeCache()).toMatchObject({ key: 3, asc: 0x0c00 })
  expect((await it.synchronizeCache()).status).toBe(0)
  expect((await initiatorOf(other).read({ lba: 0, blocks: 1 })).status).toBe(0)
  expect(log.lines.join('\n')).toMatch(/error: test: .*mortal: it was ended by SIGSEGV; it is started again in 100 ms; it said last: I was started/)
  expect(log.lines.join('\n')).toMatch(/warn: test: .*mortal runs again/)
  await Promise.all([device.close(5000), other.close(5000)])
})

test.each([
  ['that is not there', () => '/nowhere/p', /E_CONFIG_REFUSED.*\/nowhere\/p is not there/],
  ['that ends at once', () => script('ends', '#!/bin/sh\necho "no, not today" >&2\nexit 3\n'), /E_EXEC: device test: .*ends: .*exit code 3/],
  ['that cannot be run', () => script('norun', '#!/nowhere/interpreter\n'), /E_EXEC: .*norun: .*ENOENT/],
  ['that prints', () => script('prints', '#!/bin/sh\necho hello; exec sleep 5\n'), /E_EXEC|prints: /],
  ['that refuses', () => script('refuses', `#!/bin/sh\nexec ${ram}\n`), undefined],
])('a program %s: the device does not open', async (_, make, reason) => {
  const log = new LogLines()
  const opened = testDevice(exec, { config: `${make()};deadline=0.5`, log, ...(reason === undefined && { sizeBytes: 0 }) })
  await expect(opened).rejects.toThrow(reason ?? /E_EXEC: .*EINVAL: .*give the LUN a size/)
})

describe('over a Unix socket', () => {
  /** A program that listens: a disk in memory for each connection. */
  async function listening(instead: Parameters<typeof disk>[1] = {}): Promise<{ path: string; drop: () => void; close: () => void; memory: Buffer; connections: () => number }> {
    const inner = mkdtempSync(join(folder, 'socket-'))
    chmodSync(inner, 0o755)
    const memory = Buffer.alloc(65536)
    const sockets = new Set<Socket>()
    let count = 0
    const server = createServer((socket) => {
      count++
      sockets.add(socket)
      socket.on('error', () => undefined).once('close', () => sockets.delete(socket))
      const peer = new Peer(disk(memory, instead))
      socket.pipe(peer.to)
      peer.from.pipe(socket)
    })
    const path = join(inner, 's')
    await new Promise<void>((resolve) => void server.listen(path, resolve))
    const drop = (): void => sockets.forEach((s) => s.destroy())
    return { path, drop, memory, connections: () => count, close: () => (drop(), void server.close()) }
  }

  test('a program that listens is a disk; a connection that is lost is made again', async () => {
    const { path, drop, close, memory, connections } = await listening()
    const log = new LogLines()
    const device = await testDevice(exec, { config: `unix:${path}`, sizeBytes: 65536, log })
    const it = initiatorOf(device)
    expect((await it.write(1, Buffer.alloc(512, 8))).status).toBe(0)
    expect(memory[512]).toBe(8)
    drop()
    await until(async () => (await it.read({ lba: 1, blocks: 1 })).status === 0 && connections() === 2)
    expect((await it.read({ lba: 1, blocks: 1 })).data).toEqual(Buffer.alloc(512, 8))
    expect(log.lines.join('\n')).toMatch(/(it closed the connection|EPIPE|ECONNRESET).*; it is connected to again in 100 ms/)
    await device.close(1000)
    close()
  })

  test('an errno that says that the backend is gone has the host open the device again', async () => {
    let failing = true
    const { path, close, connections } = await listening({
      read: (r, p) => (failing ? ((failing = false), p.answer(r.id, Buffer.from('the array has gone'), 'ENOTCONN')) : p.answer(r.id, Buffer.alloc(r.length, 6))),
    })
    const device = await testDevice(exec, { config: `unix:${path}`, sizeBytes: 65536, log: new LogLines() })
    const it = initiatorOf(device)
    expect((await it.read({ lba: 0, blocks: 1 })).status).toBe(8)
    await until(async () => (await it.read({ lba: 0, blocks: 1 })).status === 0)
    expect(connections()).toBe(2)
    await device.close(1000)
    close()
  })

  test('more than a payload holds goes in pieces', async () => {
    const lengths: number[] = []
    const memory = Buffer.alloc(65536)
    const { path, close } = await listening({
      hello: (r, p) => p.answer(r.id, welcome({ maxPayload: 4096, abilities: 0 })),
      write: (r, p) => (lengths.push(r.payload.length), r.payload.copy(memory, r.offset), p.answer(r.id)),
      read: (r, p) => (lengths.push(r.length), p.answer(r.id, memory.subarray(r.offset, r.offset + r.length))),
    })
    const device = await testDevice(exec, { config: `unix:${path}`, sizeBytes: 65536, log: new LogLines() })
    const it = initiatorOf(device)
    const data = Buffer.from(Array.from({ length: 9216 }, (_, i) => i % 251))
    expect((await it.write(3, data, { fua: 1 })).status).toBe(0)
    expect((await it.read({ lba: 3, blocks: 18 })).data).toEqual(data)
    expect(lengths).toEqual([4096, 4096, 1024, 4096, 4096, 1024])
    expect((await it.synchronizeCache()).status).toBe(0)
    expect(device.writeCache).toBe(false)
    expect(await it.unmap([{ lba: 0, blocks: 1 }])).toMatchObject({ key: 5, asc: 0x2000 })
    await device.close(1000)
    close()
  })
})

describe('with a program in this process', () => {
  const config = parseConfig('/p;deadline=0.2;restarts=2') as ExecConfig
  const dev = (log: LogLines): DeviceInfo => ({ name: 'd', blockSize: 512, sizeBytes: 65536, log } as unknown as DeviceInfo)
  const read = { op: ops.flush }

  test('one that always ends is started a few times, left alone, and started again by a reset', async () => {
    const log = new LogLines()
    const peers: Peer[] = []
    const open = (): Peer => {
      const peer = new Peer(disk(Buffer.alloc(65536)))
      peers.push(peer)
      return peer
    }
    const program = await Program.open(dev(log), config, open)
    for (let n = 1; n <= 3; n++) {
      peers.at(-1)!.die('it ended with exit code 1')
      await sleep(1)
      expect(await program.ask(read)).toBe(n < 3 ? 35 : 54)
      if (n < 3) await until(async () => (await program.ask(read)) === 0)
    }
    expect(peers).toHaveLength(3)
    expect(log.lines.at(-1)).toMatch(/it has done so 3 times in ten minutes and is left alone until the device is reset/)
    program.reset()
    await until(async () => (await program.ask(read)) === 0)
    await program.close()
    expect(await program.ask(read)).toBe(34)
  })

  test('one that comes back as another is not taken', async () => {
    const log = new LogLines()
    let count = 0
    const peers: Peer[] = []
    const open = (): Peer => {
      const memory = Buffer.alloc(65536)
      peers.push(new Peer(disk(memory, count++ ? { hello: (r, p) => p.answer(r.id, undefined, 'EPERM') } : {})))
      return peers.at(-1)!
    }
    const program = await Program.open(dev(log), config, open)
    peers[0]!.die('gone')
    await until(async () => (await program.ask(read)) === 54)
    expect(log.lines.join('\n')).toMatch(/EPERM/)
    await program.close()
  })

  test('closing while it is being started again does not wait for it', async () => {
    const peers: Peer[] = []
    const open = (): Peer => {
      peers.push(new Peer(peers.length ? () => undefined : disk(Buffer.alloc(65536))))
      return peers.at(-1)!
    }
    const program = await Program.open(dev(new LogLines()), { ...config, deadlineMs: 60_000 }, open)
    peers[0]!.die('gone')
    await until(() => peers.length === 2)
    await program.close()
    expect(peers[1]!.killed).toBe(true)
  })
})

test('the last lines of a program are kept, and a flood is not followed', () => {
  const told: string[] = []
  const lines = new LastLines((l) => void told.push(l), () => 0)
  lines.push('a\nb')
  lines.push('c\n\n')
  for (let i = 0; i < 1000; i++) lines.push(`${i} ${'x'.repeat(10_000)}\n`)
  lines.push('the end')
  lines.end()
  expect(told.slice(0, 2)).toEqual(['a', 'bc'])
  expect(told).toHaveLength(10)
  expect(lines.lines).toHaveLength(20)
  expect(lines.lines.at(-1)).toBe('the end')
  expect(Math.max(...lines.lines.map((l) => l.length))).toBe(400)
})

test('a budget is spent within its time', () => {
  let now = 0
  const budget = new RestartBudget(2, () => now)
  expect([budget.spend(), budget.spend(), budget.spend()]).toEqual([100, 200, undefined])
  now = 700_000
  expect(budget.spend()).toBe(100)
  expect(new RestartBudget(0).spend()).toBeUndefined()
})
