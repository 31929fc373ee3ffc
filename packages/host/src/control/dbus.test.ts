import fc from 'fast-check'
import { TcmuError } from '../errors'
import { DbusService } from './dbus'
import { socketPaths, systemBusAddress } from './dbus-address'
import { type DbusCall, type DbusConnection, DbusFault, type DbusListener, type DbusRequest, type DbusTransport } from './dbus-transport'
import { DbusTree } from './dbus-tree'

describe('addresses of buses', () => {
  test.each([
    ['unix:path=/run/dbus/system_bus_socket', ['/run/dbus/system_bus_socket']], ['unix:path=/a%20b,guid=0123', ['/a b']], ['unix:abstract=x', ['\0x']],
    ['tcp:host=h,port=1;unix:path=/a;unix:path=/b', ['/a', '/b']], ['unix:guid=1,path=/a;', ['/a']],
  ])('%s', (text, paths) => expect(socketPaths(text)).toEqual(paths))

  test.each([['', /names no Unix socket/], ['/run/x', /begin with unix:/], ['tcp:host=h,port=1', /names no Unix socket/], ['unix:path=', /names no/], ['unix:path=/a%2', /hexadecimal/], ['unix:path=/a%00b', /zero byte/]])(
    '%j is refused', (text, reason) => expect(() => socketPaths(text)).toThrow(expect.objectContaining({ code: 'E_DBUS_ADDRESS', message: expect.stringMatching(reason) })))

  test('any text is a list of paths or E_DBUS_ADDRESS', () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom('unix:', 'path=/a', ',', ';', '%', '%41', 'abstract=x'))
    fc.assert(fc.property(fc.array(piece), (pieces) => {
      try {
        expect(socketPaths(pieces.join('')).every((p) => p.length > 0)).toBe(true)
      } catch (e) {
        if (!(e instanceof TcmuError)) throw e
        expect(e.code).toBe('E_DBUS_ADDRESS')
      }
    }))
  })

  test('the system bus is where the environment says', () => {
    expect(systemBusAddress({ DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/x' })).toBe('unix:path=/x')
    expect(systemBusAddress({})).toBe('unix:path=/run/dbus/system_bus_socket')
  })
})

test('whatever is called on a tree of objects, it is answered or refused by name', async () => {
  const tree = new DbusTree()
  tree.set('/a/b', [{ name: 'x.Y', methods: { Do: { takes: [['n', 's']], gives: [], run: () => [] } }, properties: { P: { signature: 's', value: 'v' } } }])
  const call: fc.Arbitrary<DbusCall> = fc.record({
    sender: fc.constant(':1.1'), path: fc.constantFrom('/', '/a', '/a/b', '/a/b/c', '/z'),
    interface: fc.constantFrom(undefined, 'x.Y', 'org.freedesktop.DBus.Properties', 'org.freedesktop.DBus.Introspectable', 'org.freedesktop.DBus.Peer', 'toString'),
    member: fc.constantFrom('Do', 'Get', 'GetAll', 'Set', 'Introspect', 'Ping', 'constructor', '__proto__'),
    signature: fc.constantFrom('', 's', 'ss', 'ssv'), body: fc.array(fc.constantFrom('', 'x.Y', 'P', '__proto__'), { maxLength: 3 }),
  })
  await fc.assert(fc.asyncProperty(call, async (c) => {
    const outcome = await tree.answer(c).catch((e: unknown) => e)
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(DbusFault)
    else expect(outcome).toHaveProperty('signature')
  }))
})

/** A bus of one connection that answers as it is told. */
class FakeBus implements DbusTransport {
  readonly connections: { listener: DbusListener; end: (why: string) => void; calls: DbusRequest[] }[] = []
  refuse: string | undefined
  reply: (r: DbusRequest) => readonly unknown[] = (r) => (r.member === 'RequestName' ? [1] : [])

  async connect(_: string, listener: DbusListener): Promise<DbusConnection> {
    if (this.refuse) throw new Error(this.refuse)
    let end: (why: string) => void = () => undefined
    const ended = new Promise<string>((resolve) => (end = resolve))
    const calls: DbusRequest[] = []
    this.connections.push({ listener, end, calls })
    const call = async (r: DbusRequest): Promise<readonly unknown[]> => {
      calls.push(r)
      return this.reply(r)
    }
    return { call, emit: () => undefined, ended, close: () => end('closed') }
  }
}

describe('the service', () => {
  const build = (bus: FakeBus, check: () => Promise<true | string> = async () => true): { it: DbusService; lines: string[] } => {
    const lines: string[] = []
    const write = (m: string): void => void lines.push(m)
    const it = new DbusService({
      address: 'unix:path=/fake', transport: bus, maxRetryMs: 1, log: { error: write, warn: write, info: write, debug: write },
      handlers: { list: () => [{ subtype: 'file', configHelp: 'zero \0 half \ud800' }], check, device: () => undefined },
    })
    return { it, lines }
  }
  const later = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((r) => setTimeout(r, 1))
  }
  const ask = (member: string, body: unknown[]): DbusCall => ({ sender: ':1.9', path: '/org/kernel/TCMUService1/file', interface: undefined, member, signature: 's', body })

  test('a name that another process has is waited for', async () => {
    const bus = new FakeBus()
    bus.reply = (r) => (r.member === 'RequestName' ? [2] : [])
    const { it, lines } = build(bus)
    await it.start()
    expect(lines).toEqual([expect.stringMatching(/belongs to another process/)])
    await it.stop()
    expect(bus.connections[0]!.calls.map((c) => c.member)).toEqual(['AddMatch', 'RequestName', 'ReleaseName'])
  })

  test('a policy that forbids the name is told once, with what to do, and tried again', async () => {
    const bus = new FakeBus()
    let denied = 0
    bus.reply = (r) => {
      if (r.member !== 'RequestName') return []
      if (denied++ < 5) throw new DbusFault('org.freedesktop.DBus.Error.AccessDenied', 'Connection ":1.2" is not allowed to own the service')
      return [1]
    }
    const { it, lines } = build(bus)
    await it.start()
    await later(() => lines.length === 2)
    expect(lines).toEqual([expect.stringMatching(/not allowed to own.*install-files/), expect.stringMatching(/is ours/)])
    await it.stop()
  })

  test('stopped while it connects, it stays off the bus', async () => {
    const bus = new FakeBus()
    bus.refuse = 'not yet'
    const { it } = build(bus)
    await it.start()
    await it.stop()
    bus.refuse = undefined
    await new Promise((r) => setTimeout(r, 20))
    expect(bus.connections).toHaveLength(0)
  })

  test('descriptions are text that the bus can carry; more calls than 256 at once are refused', async () => {
    const bus = new FakeBus()
    const { it } = build(bus, () => new Promise(() => undefined))
    await it.start()
    expect(JSON.stringify(await it.call(ask('GetAll', ['org.kernel.TCMUService1'])))).toContain('zero \ufffd half \ufffd')
    for (let i = 0; i < 256; i++) void it.call(ask('CheckConfig', ['file//x']))
    await expect(it.call(ask('CheckConfig', ['file//x']))).rejects.toMatchObject({ fault: 'org.freedesktop.DBus.Error.LimitsExceeded' })
    await it.stop()
  })
})
