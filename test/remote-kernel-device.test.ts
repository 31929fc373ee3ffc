import { setTimeout as sleep } from 'node:timers/promises'
import { recordOf } from '../packages/host/src/device'
import { defineHandler, type Handler } from '../packages/host/src/handler'
import type { UioMap } from '../packages/host/src/kernel/port'
import { Status } from '../packages/host/src/scsi'
import { FakeKernel, held, LockingBackend, LogLines, ramHandler, type TreeDevice } from '../packages/host/src/testing'
import { FrontEndBench } from '../packages/host/src/testing/front-end-bench'
import { HandlerHost } from '../packages/host/src/supervisor/handler-host'
import { RemoteKernelDevice } from '../packages/host/src/supervisor/remote-kernel-device'
import type { RemoteUnit } from '../packages/host/src/supervisor/remote-unit'
import { FakeProcess } from './lib/fake-process'

const disk: TreeDevice = { minor: 0, device: 'disk', cfgstring: 'far/' }
const second: TreeDevice = { minor: 1, device: 'second', cfgstring: 'far/two' }
const near: TreeDevice = { minor: 5, device: 'near', cfgstring: 'ram/' }
const errno = { EIO: -5, EBUSY: -16, EINVAL: -22, EOPNOTSUPP: -95 } as const
const BUSY = 0x08
const NOT_READY = 2
const block = Buffer.alloc(512, 7)

/** The kernel front end, with handlers of the subtype `far` in what would be processes, and of `ram` here. */
class FarBench extends FrontEndBench {
  readonly processes: FakeProcess[] = []
  readonly nodes = new Set<number>()
  handler: Handler = defineHandler({ ...ramHandler, subtype: 'far' })
  /** Processes are not started before. */
  gate = Promise.resolve()
  readonly host: HandlerHost
  readonly processLog = new LogLines()

  constructor(budget = { most: 3, firstMs: 5, longestMs: 5 }) {
    super({
      elsewhere: {
        serve: async (at, existing, kernel) => (at.cfgstring.startsWith('far/') ? RemoteKernelDevice.open(at, existing, { host: this.host, kernel, log: this.processLog }) : undefined),
        node: (path) => this.node(Number(/\d+$/.exec(path)![0])),
      },
    })
    this.handlers.set('far', ramHandler)
    this.host = new HandlerHost({
      start: { packagePath: '/', subtype: 'far', hostPackage: '/' }, core: undefined as never, log: this.processLog, budget,
      spawn: () => {
        const p = new FakeProcess(() => this.handler, (fd) => this.mapOf(fd))
        this.processes.push(p)
        return { ...p, ended: p.ended, kill: () => p.kill(), sendRing: (d, fds) => p.sendRing(d, fds), channel: { ...p.channel, send: (m) => void this.gate.then(() => p.channel.send(m)) } }
      },
    })
  }

  private node(minor: number) {
    if (this.nodes.has(minor)) throw Object.assign(new Error('EBUSY: open'), { code: 'EBUSY' })
    this.nodes.add(minor)
    const kernel = new FakeKernel()
    this.kernels.set(`uio${minor}`, kernel)
    return { fd: minor, map: () => this.mapOf(minor), close: () => void this.nodes.delete(minor) }
  }

  private mapOf(minor: number): UioMap {
    const kernel = this.kernels.get(`uio${minor}`)!
    return { memory: kernel.memory, start: (fn) => kernel.onWake(fn), kick: () => kernel.kick(), close: () => kernel.close() }
  }

  unit(minor = 0): RemoteUnit {
    return this.served.get(minor) as unknown as RemoteUnit
  }

  /** End the process as a crash does; when its devices were given up, so is what the fake kernel has in their rings. */
  async crash(...devices: readonly TreeDevice[]): Promise<void> {
    const { gate } = this
    let open: () => void = () => undefined
    this.gate = new Promise((resolve) => (open = resolve))
    for (const d of devices) this.tree.set(d, 'action/reset_ring', '')
    this.processes.at(-1)!.kill()
    for (const d of devices) {
      while (this.tree.read(d, 'action/reset_ring') === '') await sleep(1)
      expect(this.tree.read(d, 'action/block_dev')).toBe('1')
      this.kernels.get(`uio${d.minor}`)!.reset('retry')
    }
    this.gate = gate
    void gate.then(open)
  }

  override async close(): Promise<string[]> {
    const violations = await super.close()
    await this.host.close()
    expect([...this.nodes]).toEqual([])
    return violations
  }
}

const benches: FarBench[] = []
async function started(...devices: readonly TreeDevice[]): Promise<FarBench> {
  const b = new FarBench()
  benches.push(b)
  await b.front.start()
  for (const d of devices) expect(await b.add(d)).toBe(0)
  return b
}
afterEach(async () => {
  for (const b of benches.splice(0)) expect(await b.close()).toEqual([])
})
async function until(what: () => boolean): Promise<void> {
  while (!what()) await sleep(1)
}

describe('a device in the process of its handler', () => {
  test('is opened, listed, asked and removed as one here', async () => {
    const b = await started({ ...disk, serial: 'one' })
    const it = b.initiator()
    expect((await it.write(3, block)).status).toBe(0)
    expect(Buffer.from((await it.read({ lba: 3, blocks: 1 })).data)).toEqual(block)
    const unit = b.unit()
    expect(unit).toMatchObject({ name: 'disk', subtype: 'far', config: '', state: 'running', blocks: 2048, blockSize: 512, readOnly: false, writeCache: true, inflight: 0, identity: { serial: 'one' } })
    await unit.refresh()
    expect(unit.counters).toMatchObject({ reads: 1, writes: 1, writtenBytes: 512 })
    const reply = await unit.ask(Uint8Array.of(0x28, 0, 0, 0, 0, 3, 0, 0, 1, 0), { in: 512 })
    expect([reply.status, reply.data.equals(block)]).toEqual([0, true])
    expect(b.tree.read(disk, 'attrib/tmr_notification')).toBe('1')
    expect(await b.remove(disk)).toBe(0)
    expect([b.served.size, b.nodes.size, b.host.state().state]).toEqual([0, 0, 'idle'])
    b.kernels.get('uio0')!.assertIdle()
  })

  test('commands can be traced', async () => {
    const b = await started(disk)
    const seen: string[] = []
    b.unit().trace = ({ row, cdb }) => void seen.push(`${row?.name} ${cdb.length}`)
    await sleep(5)
    await b.initiator().testUnitReady()
    await until(() => seen.length > 0)
    expect(seen).toEqual(['TEST UNIT READY 6'])
    b.unit().trace = undefined
    await sleep(5)
    await b.initiator().testUnitReady()
    expect(seen).toHaveLength(1)
  })

  test('changes reach it, and outlive its process', async () => {
    const b = new FarBench()
    benches.push(b)
    b.handler = defineHandler({ ...ramHandler, subtype: 'far', reconfigure: (_, c) => (c.kind === 'size' || (c.kind === 'config' && c.config === 'b') ? Status.OK : Status.NOT_HANDLED) })
    await b.front.start()
    await b.add(disk)
    const change = (c: Parameters<typeof b.peer.event>[3]): Promise<number> => b.peer.event('reconfig', b.tree.name(disk), 0, c, 777)
    expect(await change({ kind: 'size', sizeBytes: 2 ** 21 })).toBe(0)
    expect([b.unit().blocks, b.tree.read(disk, 'control')]).toEqual([4096, ''])
    expect(await change({ kind: 'size', sizeBytes: 1000 })).toBe(errno.EINVAL)
    expect(await change({ kind: 'writeCache', on: false })).toBe(0)
    expect(b.unit().writeCache).toBe(false)
    expect(await change({ kind: 'config', cfgstring: 'far/a' })).toBe(errno.EOPNOTSUPP)
    expect(await change({ kind: 'config', cfgstring: 'far/b' })).toBe(0)
    b.tree.set(disk, 'attrib/dev_size', '2097152\n')
    b.tree.set(disk, 'attrib/emulate_write_cache', '0\n')
    await b.crash(disk)
    expect(await change({ kind: 'size', sizeBytes: 2 ** 22 })).toBe(errno.EBUSY)
    await until(() => b.unit().state === 'running')
    expect(b.unit()).toMatchObject({ config: 'b', blocks: 4096, writeCache: false })
  })

  test('a write takes its lock, and its ports are switched off while its backend is away, and on after its process was', async () => {
    const b = new FarBench()
    benches.push(b)
    const backend = new LockingBackend()
    b.handler = backend.handler({ subtype: 'far' })
    b.tree.add(disk)
    const tpg = b.tree.addPort('iscsi/iqn.x/tpgt_1/lun_0', { enabled: 1 })
    b.tree.addPort('iscsi/iqn.x/tpgt_2/lun_0', { enabled: 1, relativePort: 2 })
    b.tree.addGroup(disk, 'here', { id: 1, members: ['iSCSI/iqn.x/tpgt_1/lun_0'], type: 'Implicit' })
    b.tree.addGroup(disk, 'there', { id: 2, members: ['iSCSI/iqn.x/tpgt_2/lun_0'], type: 'Implicit' })
    await b.front.start()
    const enabled = (): string => b.tree.text(tpg, 'enable')
    // The first write takes the lock.
    await until(() => b.unit().state === 'running')
    while ((await b.initiator().write(0, block)).status !== 0) await sleep(5)
    expect(backend.calls).toEqual(['open', 'lock -'])
    backend.failOpens = 1
    backend.report('connection-lost')
    await until(() => enabled() === '0')
    expect(recordOf(0, b.unit())).toMatchObject({ state: 'recovering', fault: { reason: expect.stringMatching(/far reports connection-lost|does not open/) as string } })
    await b.crash(disk)
    expect(recordOf(0, b.unit())).toMatchObject({ state: 'restarting', fault: { reason: 'the process of its handler has ended' } })
    await until(() => enabled() === '1' && b.unit().state === 'running')
    expect(recordOf(0, b.unit())).not.toHaveProperty('fault')
    await until(() => b.log.lines.some((l) => /tpgt_1 is switched on again/.test(l)))
  })
})

describe('when the process ends', () => {
  test('the device is blocked, its ring is given up, the next process takes it, and others go on', async () => {
    const b = await started(near)
    const stuck = held(ramHandler, (operation) => operation === 'read')
    b.handler = { ...stuck.handler, subtype: 'far' } as Handler
    expect(await b.add(disk)).toBe(0)
    const inFlight = b.initiator().read({ lba: 0, blocks: 1 })
    await until(() => stuck.waiting.length > 0)
    let open: () => void = () => undefined
    b.gate = new Promise((resolve) => (open = resolve))
    b.handler = defineHandler({ ...ramHandler, subtype: 'far' })
    await b.crash(disk)
    expect((await inFlight).status).toBe(BUSY)
    expect(b.unit().state).toBe('restarting')
    expect((await b.unit().ask(new Uint8Array(6))).status).toBe(BUSY)
    expect((await b.initiator(5).write(1, block)).status).toBe(0)
    open()
    await until(() => b.unit().state === 'running' && b.tree.read(disk, 'action/block_dev') === '0')
    expect((await b.initiator().write(0, block)).status).toBe(0)
    expect(b.host.state()).toMatchObject({ state: 'running', crashes: 1, devices: ['disk'] })
    expect(b.processes).toHaveLength(2)
  })

  test('too often, it is parked: NOT READY at once, until its configuration is given again', async () => {
    const b = await started(disk)
    for (let n = 0; n < 3; n++) {
      await b.crash(disk)
      await until(() => b.unit().state === 'running')
    }
    await b.crash(disk)
    await until(() => b.unit().state === 'parked' && b.tree.read(disk, 'action/block_dev') === '0')
    const it = b.initiator()
    expect((await it.inquiry()).status).toBe(0)
    for (const answer of [await it.testUnitReady(), await it.write(0, block), await it.read({ lba: 0, blocks: 1 })]) expect(answer.key).toBe(NOT_READY)
    expect([b.unit().blocks, b.host.state().state]).toEqual([2048, 'parked'])
    expect(b.unit().fault?.reason).toMatch(/it was ended by SIGKILL/)
    expect(b.processLog.lines.join('\n')).toMatch(/far is parked: it ended 4 times[^]*disk is parked and answers NOT READY.*dev_config/)
    expect(await b.add(second)).toBe(errno.EIO)
    await b.remove(second)
    expect(await b.peer.event('reconfig', b.tree.name(disk), 0, { kind: 'size', sizeBytes: 512 }, 777)).toBe(errno.EOPNOTSUPP)
    expect(await b.peer.event('reconfig', b.tree.name(disk), 0, { kind: 'config', cfgstring: 'ram/' }, 777)).toBe(errno.EINVAL)
    expect(await b.peer.event('reconfig', b.tree.name(disk), 0, { kind: 'config', cfgstring: 'far/' }, 777)).toBe(0)
    await until(() => b.unit().state === 'running' && b.tree.read(disk, 'action/block_dev') === '0')
    expect((await it.write(0, block)).status).toBe(0)
    expect(b.host.state()).toMatchObject({ state: 'running' })
  })

  test('a device that the next one cannot open waits alone, and is parked alone', async () => {
    const b = await started(disk, second)
    b.handler = defineHandler({ ...ramHandler, subtype: 'far', open: (dev) => {
      if (dev.config === 'two') throw Object.assign(new Error('no way there'), { code: 'EHOSTUNREACH' })
      return ramHandler.open(dev)
    } })
    await b.crash(disk, second)
    await until(() => b.unit(0).state === 'running' && b.tree.read(disk, 'action/block_dev') === '0')
    expect((await b.initiator(0).write(0, block)).status).toBe(0)
    await until(() => b.unit(1).state === 'parked' && b.tree.read(second, 'action/block_dev') === '0')
    expect((await b.initiator(1).testUnitReady()).key).toBe(NOT_READY)
    expect(b.processLog.lines.filter((l) => l.includes('second could not be opened again'))).toHaveLength(4)
    expect(b.processes).toHaveLength(2)
    b.handler = defineHandler({ ...ramHandler, subtype: 'far' })
    await b.crash(disk)
    await until(() => [0, 1].every((n) => b.unit(n).state === 'running'))
    expect((await b.initiator(1).write(0, block)).status).toBe(0)
  })

  test('a device is removed meanwhile, and its configfs is left alone', async () => {
    const b = await started(disk, second)
    b.gate = new Promise(() => undefined)
    await b.crash(disk, second)
    b.tree.set(disk, 'action/block_dev', 'untouched')
    expect(await b.remove({ ...disk, device: 'disk' })).toBe(0)
    expect([b.served.has(0), b.nodes.has(0)]).toEqual([false, false])
    expect(b.tree.read(disk, 'action/block_dev')).toBe('untouched')
  })

  test('as it opens a device that was there before, it is tried again', async () => {
    const b = new FarBench()
    benches.push(b)
    b.tree.add(disk)
    b.handler = defineHandler({ ...ramHandler, subtype: 'far', open: (dev) => {
      if (b.processes.length > 2) return ramHandler.open(dev)
      b.processes.at(-1)!.kill('it ended with 4')
      return new Promise<Uint8Array>(() => undefined)
    } })
    await b.front.start()
    expect([b.unit().state, b.processes.length, b.tree.read(disk, 'action/block_dev')]).toEqual(['running', 3, '0'])
    expect((await b.initiator().write(0, block)).status).toBe(0)
    expect(b.processLog.lines.filter((l) => /disk is tried again: .*it ended with 4/.test(l))).toHaveLength(2)
  })

  test('as it opens a new device, that is refused, and no process is started for it', async () => {
    const b = await started()
    b.handler = defineHandler({ ...ramHandler, subtype: 'far', open: () => new Promise<Uint8Array>(() => b.processes.at(-1)!.kill('it ended with 4')) })
    expect(await b.add(disk)).toBe(errno.EIO)
    expect(b.log.lines.filter((l) => l.startsWith('error')).join()).toMatch(/it ended with 4 during serve/)
    expect([b.processes.length, b.nodes.size]).toEqual([1, 0])
  })
})

describe('the end of the host', () => {
  test('devices are blocked, drained, let go of, freed, also those that no process has', async () => {
    const b = await started(disk)
    const answers = Promise.all(Array.from({ length: 50 }, (_, i) => b.initiator().read({ lba: i, blocks: 1 })))
    await b.front.stop(5000)
    expect(new Set((await answers).map((a) => a.status))).toEqual(new Set([0]))
    expect([b.tree.read(disk, 'action/block_dev'), b.nodes.size]).toEqual(['0', 0])
  })
  test('in the middle of a restart', async () => {
    const b = await started(disk)
    b.gate = new Promise(() => undefined)
    await b.crash(disk)
    await b.front.stop(100)
    expect([b.tree.read(disk, 'action/block_dev'), b.nodes.size]).toEqual(['0', 0])
  })
})
