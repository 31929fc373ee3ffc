import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseLun } from './control'
import type { Filter } from './filter'
import type { FrontEnd, PortalOptions } from './frontend'
import { createHost, type Host } from './host'
import type { HostOptions, IoEngine } from './host-options'
import { createLog } from './log'
import type { NativeCore } from './platform'
import { PathGuard } from './plugins'
import { FakeKernel, KernelTree, NetlinkPeer } from './testing'

/** Two hosts in one process, nothing real behind them: what is opened and closed, and in which order. */
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tcmu-host-')))
chmodSync(folder, 0o755)
afterAll(() => rmSync(folder, { recursive: true }))
for (const subtype of ['ram', 'odd']) {
  mkdirSync(join(folder, subtype))
  writeFileSync(join(folder, subtype, 'index.js'), '')
  writeFileSync(join(folder, subtype, 'package.json'), JSON.stringify({
    name: subtype, version: '1.0.0', keywords: ['tcmu-handler'], exports: './index.js', tcmuHandler: { apiVersion: '1', subtype, shape: 'blocks', configHelp: 'x' },
  }))
}

/** In place of those that come with the host, whose manifests they have. */
const filters: Filter[] = [
  { name: 'delay', summary: 'x', around: (_state, _operation, _range, run) => run() },
  { name: 'readonly', summary: 'x', provides: ['write'], write: () => 0, declare: (p) => ({ ...p, readOnly: true }) },
]

interface Bench { host: Host; seen: string[]; lines: string[]; portal: PortalOptions[] }

function bench(options: HostOptions & { luns: HostOptions['luns'] }, failing: { listen?: Error; open?: unknown; io?: Error } = {}): Bench {
  const seen: string[] = []
  const lines: string[] = []
  const portal: PortalOptions[] = []
  const handler = (subtype: string): object => ({
    subtype, read() {}, write() {},
    open: (dev: { name: string }) => {
      seen.push(`+${dev.name}`)
      if (subtype === 'odd') throw failing.open
      return dev.name
    },
    close: (name: string) => void seen.push(`-${name}`),
  })
  const io: IoEngine = { open: () => Promise.reject(new Error('none')), close: async () => void seen.push('-io') }
  const frontEnd: FrontEnd = {
    createPortal: (o) => {
      portal.push(o)
      return {
        listen: async () => {
          seen.push('+portal')
          if (failing.listen) throw failing.listen
          return { address: o.address, port: o.port || 4321 }
        },
        close: async () => void seen.push('-portal'),
        sessions: () => [],
      }
    },
  }
  const host = createHost({
    handlerPaths: [folder], log: createLog({ level: 5, human: false, to: { write: (l) => void lines.push(l) } }), ...options,
    parts: {
      guard: new PathGuard({ uid: 1000, stat: () => ({ uid: 0, mode: 0 }) }),
      loadModule: async (url) => url.includes('/filters/') ? { default: filters } : ({ default: handler(/\/(\w+)\/index\.js$/.exec(url)![1]!) }),
      openIo: () => {
        seen.push('+io')
        if (failing.io) throw failing.io
        return io
      },
      frontEnd: async () => frontEnd,
    },
  })
  return { host, seen, lines, portal }
}
const two = [parseLun('name=a,size=1M,cfgstring=ram/x'), parseLun('name=b,size=1M,readonly,cfgstring=ram/y')]
const errno = (code: string): Error => Object.assign(new Error(`${code}: oh no`), { code })

test('what is started is stopped the other way round', async () => {
  const { host, seen, portal } = bench({ luns: two })
  const hooked: string[] = []
  host.hooks.handlerReady.tap('test', (h) => void hooked.push(`ready ${h.subtype}`))
  host.hooks.deviceAdded.tap('test', (d) => void hooked.push(`added ${d.name}`))
  host.hooks.deviceRemoved.tap('test', (d) => void hooked.push(`removed ${d.name}`))
  await host.start()
  expect(host.urls).toEqual([0, 1].map((n) => `iscsi://127.0.0.1:3260/iqn.2026-11.host.tcmu:default/${n}`))
  expect([...portal[0]!.luns.keys()]).toEqual([0, 1])
  expect(host.devices()).toMatchObject([{ lun: 0, name: 'a', state: 'running' }, { lun: 1, name: 'b', readOnly: true }])
  await host.stop(100)
  expect(seen).toEqual(['+io', '+a', '+b', '+portal', '-portal', '-a', '-b', '-io'])
  expect(hooked).toEqual(['ready ram', 'added a', 'added b', 'removed a', 'removed b'])
  expect(host.devices()).toEqual([])
})

test('two hosts share nothing', async () => {
  const [one, other] = [bench({ luns: two }), bench({ luns: two.slice(1), targetName: 'iqn.2026-11.host.tcmu:other', portal: { address: '::1', port: 0 } })]
  await Promise.all([one.host.start(), other.host.start()])
  await one.host.stop(100)
  expect(other.host.urls).toEqual(['iscsi://[::1]:4321/iqn.2026-11.host.tcmu:other/0'])
  expect(other.seen).toEqual(['+io', '+b', '+portal'])
  await other.host.stop(100)
})

test.each([
  ['an errno', Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' }), 'E_DEVICE_OPEN: device o (odd/z) did not open: EACCES: permission denied'],
  ['a fault', new TypeError('x is not a function'), 'E_DEVICE_OPEN: device o (odd/z) did not open: x is not a function'],
  ['a text', 'just no', 'E_DEVICE_OPEN: device o (odd/z) did not open: just no'],
  ['nothing', undefined, 'E_DEVICE_OPEN: device o (odd/z) did not open: nothing'],
])('a handler that throws %s names the device; what was open is closed again', async (_, open, message) => {
  const { host, seen } = bench({ luns: [...two, parseLun('name=o,size=1M,cfgstring=odd/z')] }, { open })
  await expect(host.start()).rejects.toMatchObject({ message })
  expect(seen).toEqual(['+io', '+a', '+b', '+o', '-a', '-b', '-io'])
})

test('a size that does not do is refused with the name of the device', async () => {
  const { host } = bench({ luns: [parseLun('name=a,size=1000,cfgstring=ram/x')] })
  await expect(host.start()).rejects.toThrow(/^E_DEVICE_GEOMETRY: device a .*1000 is not a multiple/)
})

test.each([
  ['EADDRINUSE', /^E_PORTAL_LISTEN: the portal cannot listen on 127\.0\.0\.1:3260: something else listens there/],
  ['EACCES', /ports below 1024 take privileges/],
  ['EINVAL', /: EINVAL: oh no$/],
  ['E_PORTAL_OPEN', /^E_PORTAL_OPEN: oh no$/],
])('a portal that cannot listen: %s', async (code, message) => {
  const { host, seen } = bench({ luns: two }, { listen: errno(code) })
  await expect(host.start()).rejects.toThrow(message)
  expect(seen.slice(3)).toEqual(['+portal', '-portal', '-a', '-b', '-io'])
  expect(host.urls).toEqual([])
})

test('without file I/O nothing is opened', async () => {
  const { host, seen } = bench({ luns: two }, { io: errno('E_ADDON_MISSING') })
  await expect(host.start()).rejects.toThrow('E_ADDON_MISSING')
  expect(seen).toEqual(['+io'])
})

test('a policy vetoes a handler: its device does not open', async () => {
  const { host, lines } = bench({ luns: two })
  host.hooks.candidate.tap('policy', (c) => (c.package === 'ram' ? false : undefined))
  await expect(host.start()).rejects.toThrow(/^E_DEVICES: 2 devices did not open: a, b\. The first: E_UNKNOWN_SUBTYPE/)
  expect(lines.join('')).toMatch(/E_HANDLER_VETOED/)
})

test('check asks and opens nothing', async () => {
  const { host, seen } = bench({ luns: [] })
  expect(await host.check('ram', 'anything')).toBe(true)
  await expect(host.check('ram', 'x', { level: 1 })).rejects.toThrow(/E_OPTIONS: .*takes no options/)
  expect(seen).toEqual([])
})

describe('with the kernel as front end', () => {
  const trees: KernelTree[] = []
  afterAll(() => trees.forEach((t) => t.close()))

  function kernelBench(cfgstring: string, peer = new NetlinkPeer(), more: HostOptions = {}): Bench & { tree: KernelTree; peer: NetlinkPeer } {
    const tree = new KernelTree()
    trees.push(tree)
    tree.add({ minor: 0, device: 'a', cfgstring })
    const native = {
      lockFile: () => true,
      NetlinkSocket: function () { return peer },
      UioMap: function () {
        const kernel = new FakeKernel()
        return { memory: kernel.memory, start: (fn: () => void) => kernel.onWake(fn), kick: () => kernel.kick(), close: () => kernel.close() }
      },
    } as unknown as NativeCore
    return { ...bench({ luns: [], kernel: { roots: tree.roots, native }, ...more }), tree, peer }
  }

  test('devices are found, opened, listed; netlink is free again; no portal is opened', async () => {
    const { host, seen, tree, portal } = kernelBench('ram/x')
    await host.start()
    expect(host.urls).toEqual(['uio0'])
    expect(host.devices()).toMatchObject([{ lun: 0, name: 'a', cfgstring: 'ram/x', state: 'running' }])
    expect([tree.parameter('block_netlink'), tree.parameter('reset_netlink')]).toEqual(['0', '1'])
    await host.stop(1000)
    expect(seen).toEqual(['+io', '+a', '-a', '-io'])
    expect(portal).toEqual([])
  })

  test('filters stand before devices by their name, or else by their subtype', async () => {
    const [device, subtype] = [[{ name: 'delay', options: { read: '1ms' } }], [{ name: 'readonly', options: {} }]]
    const served = async (devices: HostOptions['devices']): Promise<{ filters: string; readOnly: boolean }[]> => {
      const { host } = kernelBench('ram/x', undefined, { devices })
      await host.start()
      const found = host.devices()
      await host.stop(1000)
      return found
    }
    expect(await served({ 'ram/': { filters: subtype }, b: { filters: device } })).toMatchObject([{ filters: 'readonly', readOnly: true, routes: { read: ['ram'], write: ['readonly'] } }])
    expect(await served({ 'ram/': { filters: subtype }, a: { filters: device } })).toMatchObject([{ filters: 'delay:read=1ms', readOnly: false, routes: { read: ['delay', 'ram'] } }])
    expect(await served({ 'ram/': { filters: subtype }, a: {} })).toMatchObject([{ filters: '', routes: {} }])
  })

  test('filters that cannot be end the start, whether their device is there or not', async () => {
    const { host } = kernelBench('ram/x', undefined, { devices: { other: { filters: [{ name: 'delay', options: {} }, { name: 'delay', options: { raed: '1ms' } }] } } })
    await expect(host.start()).rejects.toThrow(/^E_FILTER_OPTIONS: device other: filter delay: devices\.other\.filters\.1\.raed: wanted one of all, read, write, flush, unmap, found "raed"/)
  })

  test('netlink is free again also when the start fails', async () => {
    const peer = new NetlinkPeer()
    peer.known = false
    const { host, tree } = kernelBench('ram/x', peer)
    await expect(host.start()).rejects.toThrow(/^E_NETLINK/)
    expect(tree.parameter('block_netlink')).toBe('0')
  })
})
