import { type ChildProcess, spawn } from 'node:child_process'
import { bench } from '../lib/serve'
import { describeIf, requires } from '../lib/requires'
import { until } from '../lib/run'

/** The socket of a service manager: prints one line for each datagram, with the process that the kernel says it came from. */
const listener = `
import socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
name = sys.argv[1]
s.bind('\\0' + name[1:] if name[0] == '@' else name)
print('bound', flush=True)
while True:
    data, anc, _, _ = s.recvmsg(4096, 256)
    pid = struct.unpack('iii', anc[0][2][:12])[0]
    print(pid, data.decode(), flush=True)
`
const it = bench()

describeIf(requires.command('python3', 'python3'), 'a service manager', () => {
  let listening: ChildProcess | undefined
  let heard = ''
  const listen = async (name: string): Promise<void> => {
    heard = ''
    listening = spawn('python3', ['-c', listener, name], { stdio: ['ignore', 'pipe', 'inherit'] })
    listening.stdout!.setEncoding('utf8').on('data', (s: string) => (heard += s))
    await until(() => heard.startsWith('bound'), 'the socket')
  }
  afterEach(() => listening?.kill('SIGKILL'))

  test.each(['path', 'abstract'])('hears from the host itself, and starts no process for it (%s)', async (kind) => {
    const name = kind === 'path' ? it.path('notify') : `@tcmu-notify-${process.pid}`
    await listen(name)
    const host = await it.start({ env: { NOTIFY_SOCKET: name, WATCHDOG_USEC: '200000', WATCHDOG_PID: undefined, PATH: '/nowhere' } })
    const said = (): string[] => heard.split('\n').slice(1).filter(Boolean)
    await until(() => said().length >= 5, 'beats')
    expect(said()).toContain(`${host.pid} READY=1`)
    expect(said().filter((l) => l === `${host.pid} WATCHDOG=1`).length).toBeGreaterThanOrEqual(3)
    expect(await host.end()).toBe(0)
    await until(() => said().at(-1) === `${host.pid} STOPPING=1`, 'STOPPING')
    expect(new Set(said().map((l) => l.split(' ')[0]))).toEqual(new Set([String(host.pid)]))
  })

  test('that is gone or slow does not hold the host up', async () => {
    const host = await it.start({ env: { NOTIFY_SOCKET: it.path('nobody'), WATCHDOG_USEC: '20000' } })
    await new Promise((r) => setTimeout(r, 300))
    expect(await host.end()).toBe(0)
    await listen(it.path('slow'))
    listening!.kill('SIGSTOP')
    const other = await it.start({ env: { NOTIFY_SOCKET: it.path('slow'), WATCHDOG_USEC: '2000' } })
    await new Promise((r) => setTimeout(r, 1000))

    expect(await other.end()).toBe(0)
  })
})
