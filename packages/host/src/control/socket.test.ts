import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { answer, callSocket, ControlSocket, defaultSocket } from './socket'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-socket-'))
const open: ControlSocket[] = []
afterAll(async () => {
  await Promise.all(open.map((s) => s.close()))
  rmSync(folder, { recursive: true })
})
const methods = { devices: () => [{ lun: 0 }], fails: () => { throw new Error('no\nluck') } }
const socket = (path: string): ControlSocket => {
  const s = new ControlSocket(path, methods)
  open.push(s)
  return s
}

test('a host answers, to its owner only, until it closes', async () => {
  const path = join(folder, 'a.sock')
  const s = socket(path)
  await s.listen()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(await callSocket(path, 'devices')).toEqual([{ lun: 0 }])
  await expect(callSocket(path, 'reboot')).rejects.toThrow(/^E_SOCKET: .*no method "reboot"; there are devices, fails/)
  await expect(callSocket(path, 'fails')).rejects.toThrow(/: no$/)
  await s.close()
  expect(existsSync(path)).toBe(false)
  await expect(callSocket(path, 'devices')).rejects.toThrow(/^E_NOT_RUNNING: .*there is no such socket/)
})

test('a socket in use is left alone, one that nobody answers is taken over', async () => {
  const path = join(folder, 'b.sock')
  await socket(path).listen()
  await expect(socket(path).listen()).rejects.toThrow(/^E_SOCKET: .*another host answers there/)
  expect(await callSocket(path, 'devices')).toEqual([{ lun: 0 }])
  const dead = join(folder, 'dead.sock')
  const script = `require('net').createServer().listen(${JSON.stringify(dead)}, () => process.kill(process.pid, 'SIGKILL'))`
  expect(spawnSync(process.execPath, ['-e', script]).signal).toBe('SIGKILL')
  expect(existsSync(dead)).toBe(true)
  await socket(dead).listen()
  expect(await callSocket(dead, 'devices')).toEqual([{ lun: 0 }])
})

test('what is no socket is not removed, and a path that is too long is refused', async () => {
  const path = join(folder, 'file')
  writeFileSync(path, 'precious')
  await expect(socket(path).listen()).rejects.toThrow(/something that is no socket is there/)
  expect(existsSync(path)).toBe(true)
  await expect(socket(join(folder, 'x'.repeat(120))).listen()).rejects.toThrow(/longer than 107 bytes/)
  await expect(socket(join(folder, 'none/s')).listen()).rejects.toThrow(/^E_SOCKET: /)
})

test('garbage ends only its own connection', async () => {
  const path = join(folder, 'c.sock')
  await socket(path).listen()
  const said = await new Promise<string>((resolve) => {
    let text = ''
    const c = createConnection(path, () => c.write(`{\n[]\n{"id":7,"method":1}\n\n${'x'.repeat(70_000)}`))
    c.setEncoding('utf8').on('data', (s: string) => (text += s)).on('close', () => resolve(text)).on('error', () => undefined)
  })
  expect(said.trimEnd().split('\n').map((l) => (JSON.parse(l) as { error: { code: number } }).error.code)).toEqual([-32700, -32600, -32600])
  expect(await callSocket(path, 'devices')).toEqual([{ lun: 0 }])
})

test('someone else who listens there is found out', async () => {
  const path = join(folder, 'd.sock')
  const other = createServer((c) => void c.resume().end('hello\n')).listen(path)
  await new Promise((resolve) => other.once('listening', resolve))
  await expect(callSocket(path, 'devices')).rejects.toThrow(/^E_SOCKET: .*not JSON/)
  await new Promise((resolve) => other.close(resolve))
})

test('where the socket is when nobody says', () => {
  expect(defaultSocket({ XDG_RUNTIME_DIR: '/run/user/7' }, 7)).toBe('/run/user/7/tcmu-host.sock')
  expect(defaultSocket({}, 7)).toBeUndefined()
  expect(defaultSocket({}, 7, true)).toBeUndefined()
  expect(defaultSocket({}, 0, true)).toBe('/run/tcmu/host.sock')
})

test('any line gets an answer', async () => {
  await fc.assert(fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (line) => {
    expect(await answer(line, methods)).toMatchObject({ jsonrpc: '2.0', error: { code: expect.any(Number), message: expect.any(String) } })
  }))
})
