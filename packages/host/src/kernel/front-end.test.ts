import { setTimeout as sleep } from 'node:timers/promises'
import { type BlocksHandler, defineHandler } from '../handler'
import { held, type NetlinkPeer, ramHandler, type TreeDevice } from '../testing'
import { FrontEndBench } from '../testing/front-end-bench'
import { Status } from '../scsi'

const disk: TreeDevice = { minor: 0, device: 'disk', cfgstring: 'ram/' }
/** ENOENT, EINVAL, EIO, EOPNOTSUPP, EINTR */
const errno = { ENOENT: -2, EINTR: -4, EIO: -5, EACCES: -13, EINVAL: -22, EOPNOTSUPP: -95 } as const

const benches: FrontEndBench[] = []
const bench = (...options: ConstructorParameters<typeof FrontEndBench>): FrontEndBench => {
  const b = new FrontEndBench(...options)
  benches.push(b)
  return b
}
afterEach(async () => {
  for (const b of benches.splice(0)) expect(await b.close()).toEqual([])
})

describe('devices that come and go', () => {
  test('added, served, removed', async () => {
    const b = bench()
    await b.front.start()
    expect(await b.add(disk)).toBe(0)
    const pattern = Buffer.alloc(512, 7)
    const it = b.initiator()
    expect((await it.write(3, pattern)).status).toBe(0)
    expect(Buffer.from((await it.read({ lba: 3, blocks: 1 })).data)).toEqual(pattern)
    expect(b.tree.read(disk, 'attrib/tmr_notification')).toBe('1')
    expect(b.tree.read(disk, 'attrib/emulate_write_cache')).toBe('1')
    expect(await b.remove(disk)).toBe(0)
    expect(b.served.size).toBe(0)
    b.kernels.get('uio0')!.assertIdle()
  })

  test('a slow one does not keep others waiting', async () => {
    const b = bench()
    let go: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (go = resolve))
    b.handlers.set('slow', defineHandler({ ...ramHandler, subtype: 'slow', open: async (dev) => (await gate, ramHandler.open(dev)) }))
    await b.front.start()
    const order: string[] = []
    const slow = b.add({ minor: 0, device: 's', cfgstring: 'slow/' }).then((s) => order.push(`slow ${s}`))
    const fast = b.add({ minor: 1, device: 'f', cfgstring: 'ram/' }).then((s) => order.push(`fast ${s}`))
    const gone = b.peer.event('removed', 'tcm-user/0/s/slow/', 0, undefined, 555).then((s) => order.push(`gone ${s}`))
    await fast
    expect(order).toEqual(['fast 0'])
    go()
    await Promise.all([slow, gone])
    expect(order).toEqual(['fast 0', 'slow 0', 'gone 0'])
    expect([...b.served.keys()]).toEqual([1])
  })

  test('a hundred at once', async () => {
    const b = bench()
    await b.front.start()
    const many = Array.from({ length: 100 }, (_, minor) => ({ minor, device: `d${minor}`, cfgstring: 'ram/' }))
    expect(new Set(await Promise.all(many.map((d) => b.add(d))))).toEqual(new Set([0]))
    expect(b.served.size).toBe(100)
    expect(new Set(await Promise.all(many.map((d) => b.remove(d))))).toEqual(new Set([0]))
    expect(b.served.size).toBe(0)
  })

  test('configfs is left alone between a removal and its answer', async () => {
    const b = bench()
    const slow = held(ramHandler, (operation) => operation === 'read')
    b.handlers.set('ram', slow.handler)
    await b.front.start()
    expect(await b.add({ ...disk, serial: 'one' })).toBe(0)
    const device = b.served.get(0)!
    expect(device.identity.serial).toBe('one')
    const inFlight = b.initiator().read({ lba: 0, blocks: 1 })
    while (!slow.waiting.length) await sleep(1)
    b.tree.set(disk, 'control', 'untouched')
    const removed = b.remove(disk)
    b.tree.set(disk, 'wwn/vpd_unit_serial', 'T10 VPD Unit Serial Number: two\n')
    await sleep(5)
    device.resized(4096)
    await sleep(1100)
    expect(device.identity.serial).toBe('one')
    slow.releaseAll()
    await inFlight
    expect(await removed).toBe(0)
    expect(b.tree.read(disk, 'control')).toBe('untouched')
    expect(b.tree.read(disk, 'action/block_dev')).toBe('unblocked')
  })
})

describe('refusals have their errno', () => {
  const failing = (e: unknown): BlocksHandler => defineHandler({ ...ramHandler, open: () => { throw e } })
  test.each([
    ['a handler that may not', { cfgstring: 'ram/' }, failing(Object.assign(new Error('no'), { code: 'EACCES', errno: -13 })), errno.EACCES],
    ['a bug of a handler', { cfgstring: 'ram/' }, failing(new TypeError('x is undefined')), errno.EIO],
    ['a configuration that its handler refuses', { cfgstring: 'ram/x' }, defineHandler({ ...ramHandler, checkConfig: () => 'no x here' }), errno.EINVAL],
    ['a size that is no number of blocks', { cfgstring: 'ram/', sizeBytes: 1000 }, ramHandler, errno.EINVAL],
    ['a block size of 0', { cfgstring: 'ram/', blockSize: 0 }, ramHandler, errno.EIO],
    ['no configuration', { cfgstring: '' }, ramHandler, errno.ENOENT],
    ['a subtype that only begins like ours', { cfgstring: 'ra/' }, ramHandler, errno.ENOENT],
  ])('%s', async (_, device, handler, status) => {
    const b = bench()
    b.handlers.set('ram', handler)
    await b.front.start()
    expect(await b.add({ ...disk, ...device })).toBe(status)
    expect(b.served.size).toBe(0)
    expect(b.log.lines.filter((l) => l.startsWith('error'))).toHaveLength(1)
    expect(await b.remove({ ...disk, ...device })).toBe(0)
  })

  test('foreign devices are left alone when that is asked for', async () => {
    const b = bench({ foreign: 'ignore' })
    await b.front.start()
    const other = { minor: 1, device: 'other', cfgstring: 'theirs/x' }
    void b.add(other)
    void b.remove(other)
    expect(await b.add(disk)).toBe(0)
    expect(b.peer.answered).toEqual([{ kind: 'added', deviceId: 100, status: 0 }])
  })

  test('devices of a subtype that another process has registered are its alone, for as long as it is there', async () => {
    const elsewhere = new Set(['theirs'])
    const b = bench({ registered: (subtype) => elsewhere.has(subtype) })
    await b.front.start()
    const other = { minor: 1, device: 'other', cfgstring: 'theirs/x' }
    void b.add(other)
    void b.peer.event('reconfig', b.tree.name(other), 1, { kind: 'size', sizeBytes: 4096 }, 300)
    void b.remove(other)
    expect(await b.add(disk)).toBe(0)
    expect(b.peer.answered).toEqual([{ kind: 'added', deviceId: 100, status: 0 }])
    expect(b.log.lines.filter((l) => l.startsWith('error'))).toEqual([])
    elsewhere.clear()
    expect(await b.add({ ...other, minor: 2 })).toBe(errno.ENOENT)
  })
})

describe('what was there before', () => {
  test('is taken over: blocked, its ring reset, opened, freed', async () => {
    const b = bench()
    b.tree.add({ ...disk, writeCache: 0 })
    await b.front.start()
    expect(b.served.size).toBe(1)
    expect([b.tree.read(disk, 'action/block_dev'), b.tree.read(disk, 'action/reset_ring')]).toEqual(['0', '1'])
    expect(b.served.get(0)!.writeCache).toBe(false)
  })
  test('is freed also when it cannot be opened, and the others are served', async () => {
    const b = bench()
    b.tree.add({ ...disk, sizeBytes: 1000 })
    b.tree.add({ minor: 2, device: 'good', cfgstring: 'ram/' })
    b.tree.add({ minor: 3, device: 'theirs', cfgstring: 'theirs/' })
    await b.front.start()
    expect([...b.served.keys()]).toEqual([2])
    expect(b.tree.read(disk, 'action/block_dev')).toBe('0')
    expect(b.tree.read({ device: 'theirs' }, 'action/block_dev')).toBe('unblocked')
  })
  test('is all there is without netlink', async () => {
    const b = bench({ netlink: undefined })
    b.tree.add(disk)
    await b.front.start()
    expect(b.served.size).toBe(1)
    expect(b.log.lines[0]).toMatch(/^warn: without netlink/)
  })
  test('is compared with what is known after an overrun', async () => {
    const b = bench()
    b.tree.add(disk)
    await b.front.start()
    b.tree.remove(disk)
    b.tree.add({ minor: 5, device: 'new', cfgstring: 'ram/' })
    b.peer.overrun()
    while (!b.served.has(5) || b.served.has(0)) await sleep(1)
    expect([...b.served.keys()]).toEqual([5])
  })
})

describe('changes', () => {
  const change = (b: FrontEndBench, c: Parameters<NetlinkPeer['event']>[3]): Promise<number> => b.peer.event('reconfig', b.tree.name(disk), 0, c, 777)
  const growing = (): FrontEndBench => {
    const b = bench()
    b.handlers.set('ram', defineHandler({ ...ramHandler, reconfigure: (_, c) => (c.kind === 'size' || (c.kind === 'config' && c.config === 'b') ? Status.OK : Status.NOT_HANDLED) }))
    return b
  }

  test('of the size reach the handler and initiators, and are not written back', async () => {
    const b = growing()
    await b.front.start()
    await b.add(disk)
    expect(await change(b, { kind: 'size', sizeBytes: 2 ** 21 })).toBe(0)
    expect(b.served.get(0)!.blocks).toBe(4096)
    const attention = await b.initiator().testUnitReady()
    expect(attention.status).toBe(2)
    expect(await change(b, { kind: 'size', sizeBytes: 2 ** 21 })).toBe(0)
    expect(await change(b, { kind: 'size', sizeBytes: 1000 })).toBe(errno.EINVAL)
    expect(b.tree.read(disk, 'control')).toBe('')
  })
  test('of the write cache', async () => {
    const b = growing()
    await b.front.start()
    await b.add(disk)
    expect(await change(b, { kind: 'writeCache', on: true })).toBe(0)
    expect((await b.initiator().testUnitReady()).status).toBe(0)
    expect(await change(b, { kind: 'writeCache', on: false })).toBe(0)
    expect(b.served.get(0)!.writeCache).toBe(false)
    expect((await b.initiator().testUnitReady()).status).toBe(2)
  })
  test('of the configuration', async () => {
    const b = growing()
    await b.front.start()
    await b.add(disk)
    expect(await change(b, { kind: 'config', cfgstring: 'ram/\n' })).toBe(0)
    expect(await change(b, { kind: 'config', cfgstring: 'ram/a' })).toBe(errno.EOPNOTSUPP)
    expect(await change(b, { kind: 'config', cfgstring: 'ram/b' })).toBe(0)
    expect(b.served.get(0)!.config).toBe('b')
    expect(await change(b, { kind: 'config', cfgstring: 'file/b' })).toBe(errno.EINVAL)
    expect(await change(b, undefined)).toBe(errno.EOPNOTSUPP)
    expect(await b.peer.event('reconfig', 'tcm-user/0/x/ram/', 9, { kind: 'size', sizeBytes: 512 })).toBe(errno.ENOENT)
  })
  test('of the size that the backend makes are told to the kernel', async () => {
    const b = bench()
    await b.front.start()
    await b.add(disk)
    b.served.get(0)!.resized(2 ** 22)
    while (b.tree.read(disk, 'control') === '') await sleep(1)
    expect(b.tree.read(disk, 'control')).toBe('dev_size=4194304')
  })
  test('of the serial number, which comes after the device', async () => {
    const b = bench()
    await b.front.start()
    await b.add(disk)
    const before = b.served.get(0)!.identity.serial
    expect(before).toMatch(/^[0-9a-f-]{36}$/)
    b.tree.set(disk, 'wwn/vpd_unit_serial', 'T10 VPD Unit Serial Number: a2fc84fb\n')
    await sleep(1010)
    expect(b.served.get(0)!.identity.serial).toBe('a2fc84fb')
  })
})

describe('the end', () => {
  test('devices are blocked, drained, let go of, freed', async () => {
    const b = bench()
    await b.front.start()
    await b.add(disk)
    const answers = Promise.all(Array.from({ length: 50 }, (_, i) => b.initiator().read({ lba: i, blocks: 1 })))
    await b.front.stop(5000)
    expect(new Set((await answers).map((a) => a.status))).toEqual(new Set([0]))
    expect(b.tree.read(disk, 'action/block_dev')).toBe('0')
    expect(b.peer.closed).toBe(true)
  })
  test('an administrator who still waits is told', async () => {
    const b = bench()
    b.handlers.set('ram', defineHandler({ ...ramHandler, open: () => new Promise<Uint8Array>(() => undefined) }))
    await b.front.start()
    const adding = b.add(disk)
    await sleep(5)
    await b.front.stop(20)
    expect(await adding).toBe(errno.EINTR)
  })
  test('a handler that hangs holds its own device for a bounded time', async () => {
    const b = bench()
    b.handlers.set('ram', defineHandler({ ...ramHandler, read: () => new Promise<undefined>(() => undefined) }))
    await b.front.start()
    await b.add(disk)
    void b.initiator().read({ lba: 0, blocks: 1 })
    await sleep(5)
    const start = performance.now()
    await b.front.stop(50)
    expect(performance.now() - start).toBeLessThan(10_000)
    b.kernels.clear()
  })
})
