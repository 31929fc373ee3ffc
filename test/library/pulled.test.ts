import { setTimeout as sleep } from 'node:timers/promises'
import * as iscsi from '@tcmu/iscsi'
import { createHost, createLog, defineHandler, type Host, type HostOptions, openDevices, pulled, type PulledCommand, type PulledOptions, Status } from '@tcmu/host'
import type { BlockOps } from '@tcmu/host/scsi'
import { cdb, FakeKernel, initiatorOf, Initiator, KernelTree, NetlinkPeer, ramHandler, throughRing } from '@tcmu/host/testing'
import { Initiator as IscsiInitiator, keys } from '../../packages/iscsi/src/testing/initiator'
import type { NativeCore } from '../../packages/host/src/platform'
import { until } from '../lib/run'

const MIB = 2 ** 20
const sam = { GOOD: 0, CHECK: 2, BUSY: 8, FULL: 0x28, ABORTED: 0x40 } as const
const hosts: Host[] = []
const trees: KernelTree[] = []
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((h) => h.stop(500)))
  for (const tree of trees.splice(0)) tree.close()
})

interface Bench { host: Host; lines: string[] }
async function bench(options: HostOptions): Promise<Bench> {
  const lines: string[] = []
  const host = await openDevices({
    log: createLog({ human: false, to: { write: (l) => void lines.push(l) } }), ...options,
    parts: { frontEnd: async () => iscsi, openIo: () => ({ open: () => Promise.reject(new Error('no files here')), close: async () => undefined }), ...options.parts },
  })
  hosts.push(host)
  return { host, lines }
}
const lun = { name: 'disk0', size: '1M', cfgstring: 'mine/' } as const
const pulling = (options: Omit<PulledOptions, 'subtype'> = {}): Promise<Bench> => bench({ handlers: [pulled({ subtype: 'mine', ...options })], luns: [lun] })

/** The whole consumer: a disk in memory. */
async function serve(host: Host, memory: Buffer, seen: string[] = []): Promise<void> {
  for await (const command of host.device('disk0').commands()) {
    seen.push(command.name)
    const { kind, offset, length } = command
    if (kind === 'read') command.data.set(memory.subarray(offset, offset + length))
    if (kind === 'write') command.data.copyTo(memory.subarray(offset, offset + length))
    if (kind === 'other') await command.emulate()
    else command.complete()
  }
}

describe('commands that are pulled', () => {
  test('are those of the initiator, and the loop ends with the device', async () => {
    const { host } = await pulling()
    const memory = Buffer.alloc(MIB)
    const seen: string[] = []
    const loop = serve(host, memory, seen)
    const it = initiatorOf(host.device('disk0').unit)
    expect((await it.testUnitReady()).status).toBe(sam.GOOD)
    expect((await it.write(3, Buffer.alloc(1024, 7))).status).toBe(sam.GOOD)
    const read = await it.read({ lba: 3, blocks: 2 })
    expect([read.status, read.residual, Buffer.compare(read.data, Buffer.alloc(1024, 7))]).toEqual([0, 0, 0])
    expect(memory[3 * 512]).toBe(7)
    expect((await it.readCapacity16()).data.readUInt32BE(4)).toBe(2047)
    expect((await it.inquiry()).data.subarray(8, 15).toString()).toBe('LIO-ORG')
    await host.stop(100)
    await loop
    expect(seen).toEqual(['TEST UNIT READY', 'WRITE(16)', 'READ(16)', 'READ CAPACITY(16)', 'INQUIRY'])
  })

  test('come over the portal', async () => {
    const { host } = await bench({ handlers: [pulled('mine')], luns: ['name=disk0,size=1M,cfgstring=mine/'], portal: { address: '127.0.0.1', port: 0 }, targetName: keys.TargetName })
    void serve(host, Buffer.alloc(MIB))
    const port = Number(/:(\d+)\//.exec(host.urls[0]!)![1])
    const it = await (await IscsiInitiator.login(port)).settle()
    expect((await it.command({ cdb: cdb.write10({ lba: 1, blocks: 2 }), out: Buffer.alloc(1024, 9), immediate: 1024 })).status).toBe(0)
    const { data, status, residual } = await it.command({ cdb: cdb.read10({ lba: 2, blocks: 1 }), in: 600 })
    expect([status, data.length, data[0], residual]).toEqual([0, 512, 9, -88])
    it.close()
  })

  test('come over the ring of the kernel', async () => {
    const tree = new KernelTree()
    trees.push(tree)
    tree.add({ minor: 0, device: 'disk0', cfgstring: 'mine/x' })
    const kernel = new FakeKernel()
    const native = {
      lockFile: () => true,
      NetlinkSocket: function () { return new NetlinkPeer() },
      UioMap: function () { return { memory: kernel.memory, start: (fn: () => void) => kernel.onWake(fn), kick: () => kernel.kick(), close: () => kernel.close() } },
    } as unknown as NativeCore
    const { host } = await bench({ handlers: [pulled('mine')], kernel: { roots: tree.roots, native } })
    const loop = serve(host, Buffer.alloc(MIB))
    const it = new Initiator(throughRing(kernel), 512)
    const answers = Array.from({ length: 40 }, (_, i) => it.write(i, Buffer.alloc(512, i)))
    expect(new Set((await Promise.all(answers)).map((a) => a.status))).toEqual(new Set([0]))
    expect((await it.read({ lba: 39, blocks: 1 })).data[0]).toBe(39)
    await host.stop(500)
    await loop
    kernel.assertIdle()
  })

  test('what an initiator may not ask is refused before it is queued', async () => {
    const { host } = await pulling({ properties: () => ({ readOnly: true }) })
    const it = initiatorOf(host.device('disk0').unit)
    expect(await it.read({ lba: 2047, blocks: 2 })).toMatchObject({ key: 5, asc: 0x2100 })
    expect(await it.write(0, Buffer.alloc(512))).toMatchObject({ key: 7, asc: 0x2700 })
    expect(await it.send(cdb.read10({ lba: 0, blocks: 1, protect: 1 }), { dataIn: 512 })).toMatchObject({ key: 5, asc: 0x2400 })
    expect(host.device('disk0').take()).toBeUndefined()
  })

  /** The first command, pulled, and what becomes of it on the other side. */
  async function one(options: Omit<PulledOptions, 'subtype'> = {}, lba = 0): Promise<Bench & { command: PulledCommand; answer: ReturnType<Initiator['read']> }> {
    const b = await pulling(options)
    const it = initiatorOf(b.host.device('disk0').unit)
    const answer = it.read({ lba, blocks: 1 })
    return { ...b, command: b.host.device('disk0').take()!, answer }
  }

  test('are completed once, and not used afterwards', async () => {
    const { command, answer } = await one()
    const { data } = command
    command.complete()
    expect((await answer).status).toBe(0)
    expect(command.over).toBe(true)
    const over = /^E_COMMAND_OVER: READ\(16\) of device disk0 is over: it was completed with OK\. A command is completed once/
    for (const use of [() => command.complete(), () => command.fail(new Error('x')), () => command.respond(Buffer.alloc(1)), () => command.data, () => command.cdb, () => command.length]) expect(use).toThrow(over)
    await expect(command.emulate()).rejects.toThrow(over)
    await sleep(0)
    expect(() => data.zero()).toThrow(/^E_SEGMENTS_REVOKED/)
  })

  test('fail with the status that fits the error', async () => {
    const { command, answer, lines } = await one({}, 5)
    command.fail(Object.assign(new Error('the disk is on fire'), { code: 'EIO' }))
    expect(await answer).toMatchObject({ key: 3, asc: 0x1100 })
    expect(lines.join('')).toMatch(/READ\(16\) failed: the disk is on fire/)
  })

  test('are answered BUSY at their deadline, pulled or not; who comes later is told', async () => {
    const { command, answer, host, lines } = await one({ deadlineMs: 40 })
    const waiting = initiatorOf(host.device('disk0').unit, {}).read({ lba: 0, blocks: 1 })
    expect((await answer).status).toBe(sam.BUSY)
    expect([sam.BUSY, sam.CHECK]).toContain((await waiting).status)
    expect(() => command.complete()).toThrow(/is over: it was not completed in 0\.04 s, and was answered BUSY/)
    expect(lines.join('')).toMatch(/commands were not completed in 0\.04 s; the first: READ\(16\)/)
  })

  test('that nobody pulls are bounded: one more is answered TASK SET FULL', async () => {
    const { host } = await pulling({ mostWaiting: 2 })
    const it = initiatorOf(host.device('disk0').unit)
    const answers = [0, 1, 2].map((lba) => it.read({ lba, blocks: 1 }))
    expect((await answers[2]!).status).toBe(sam.FULL)
    void serve(host, Buffer.alloc(MIB))
    expect((await Promise.all(answers.slice(0, 2))).map((a) => a.status)).toEqual([0, 0])
  })

  test('are not handed out while as many as wanted are under way', async () => {
    const { host } = await pulling()
    const it = initiatorOf(host.device('disk0').unit)
    const answers = Array.from({ length: 10 }, (_, lba) => it.read({ lba, blocks: 1 }))
    const open: PulledCommand[] = []
    let most = 0
    const loop = (async () => {
      for await (const command of host.device('disk0').commands({ most: 3 })) {
        open.push(command)
        most = Math.max(most, open.length)
      }
    })()
    for (let done = 0; done < 10; done++) {
      await until(() => open.length > 0, 'a command')
      await sleep(1)
      open.shift()!.complete()
    }
    expect((await Promise.all(answers)).every((a) => a.status === 0)).toBe(true)
    expect(most).toBe(3)
    await host.stop(100)
    await loop
  })

  test('several loops share them', async () => {
    const { host } = await pulling()
    const it = initiatorOf(host.device('disk0').unit)
    const [a, b]: [string[], string[]] = [[], []]
    const loops = [serve(host, Buffer.alloc(MIB), a), serve(host, Buffer.alloc(MIB), b)]
    await Promise.all(Array.from({ length: 20 }, (_, lba) => it.read({ lba, blocks: 1 })))
    await host.stop(100)
    await Promise.all(loops)
    expect(a.length + b.length).toBe(20)
    expect(Math.min(a.length, b.length)).toBeGreaterThan(0)
  })

  test('that are aborted before they are pulled are gone; pulled ones hear of it', async () => {
    const { host, command, answer } = await one()
    const { unit } = host.device('disk0')
    const waiting = initiatorOf(unit).send(cdb.inquiry(), { dataIn: 96 })
    let heard = false
    command.signal.addEventListener('abort', () => (heard = true))
    const aborted = unit.abort(() => true)
    expect(await waiting).toMatchObject({ status: sam.ABORTED })
    expect(heard).toBe(true)
    expect(host.device('disk0').take()).toBeUndefined()
    command.complete()
    expect(await answer).toMatchObject({ status: sam.ABORTED })
    expect(await aborted).toBe(2)
  })

  test('of a device whose loop was left wait for the next loop', async () => {
    const { host } = await pulling()
    const it = initiatorOf(host.device('disk0').unit)
    const answers = [0, 1].map((lba) => it.read({ lba, blocks: 1 }))
    for await (const command of host.device('disk0').commands()) {
      command.complete()
      break
    }
    for await (const command of host.device('disk0').commands()) {
      command.complete()
      break
    }
    expect((await Promise.all(answers)).map((a) => a.status)).toEqual([0, 0])
  })

  test('over a medium the host does what is made of reads and writes', async () => {
    const memory = Buffer.alloc(MIB)
    const medium = (): BlockOps => ({
      read: (io) => (io.data.set(memory.subarray(io.offset, io.offset + io.length)), Status.OK),
      write: (io) => (io.data.copyTo(memory.subarray(io.offset, io.offset + io.length)), Status.OK),
    })
    const { host } = await pulling({ medium })
    void serve(host, memory)
    const it = initiatorOf(host.device('disk0').unit)
    expect((await it.writeSame({ lba: 0, blocks: 8 }, Buffer.alloc(512, 5))).status).toBe(0)
    expect(await it.compareAndWrite(0, Buffer.alloc(1024, 6))).toMatchObject({ key: 0xe })
    expect((await it.compareAndWrite(0, Buffer.concat([Buffer.alloc(512, 5), Buffer.alloc(512, 6)]))).status).toBe(0)
    expect([memory[0], memory[512]]).toEqual([6, 5])
  })

  test('a device opened again goes on in the same loop', async () => {
    const { host } = await pulling()
    const seen: string[] = []
    const loop = serve(host, Buffer.alloc(MIB), seen)
    const { unit } = host.device('disk0')
    const it = initiatorOf(unit)
    unit.report('connection-lost')
    await until(() => unit.state === 'running', 'open again')
    expect((await it.read({ lba: 0, blocks: 1 })).status).toBe(0)
    await host.stop(100)
    await loop
    expect(seen).toEqual(['READ(16)'])
  })
})

describe('handlers by value', () => {
  test('are pushed their commands: no package, no discovery', async () => {
    const { host } = await bench({ handlers: [ramHandler], luns: [{ name: 'r', size: 65536, cfgstring: 'ram/' }] })
    expect(host.handlers()).toMatchObject({ handlers: [{ subtype: 'ram', package: '(this program)', origin: 'program', loaded: true }], refused: [] })
    const it = initiatorOf(host.device('r').unit)
    expect((await it.write(0, Buffer.alloc(512, 1))).status).toBe(0)
    expect(host.urls).toEqual([])
    expect(() => host.device('r').commands()).toThrow(/^E_NOT_PULLED: device r: its handler ram answers by itself/)
    expect(() => host.device('x')).toThrow(/^E_NO_DEVICE/)
    expect((await host.device('r').ask(cdb.readCapacity10(), { in: 8 })).data.readUInt32BE(4)).toBe(512)
  })

  test('get any options, and are not looked at by a schema', async () => {
    let got: unknown
    const odd = defineHandler({ ...ramHandler, subtype: 'odd', open: (dev) => ((got = dev.options), Buffer.alloc(dev.sizeBytes)) })
    await bench({ handlers: [odd], luns: [{ name: 'o', size: '64K', cfgstring: 'odd/', options: { server: new URL('http://127.0.0.1') } }] })
    expect(got).toEqual({ server: new URL('http://127.0.0.1') })
  })

  test('twice the same subtype, or something that is no handler, is an error of the program', async () => {
    expect(() => createHost({ handlers: [ramHandler, ramHandler] }).registry).toThrow(/^E_HANDLER_DUPLICATE.*"ram" twice/)
    await expect(openDevices({ handlers: [{ subtype: 'x' } as never] })).rejects.toThrow(/^E_HANDLER_SHAPE/)
    await expect(bench({ handlers: [], luns: [lun] })).rejects.toThrow(/E_UNKNOWN_SUBTYPE.*no handler "mine"; this host has none at all/)
    await expect(bench({ handlers: [], luns: [{ name: 'a/b', cfgstring: 'x/' }] })).rejects.toThrow(/^E_LUN_TEXT/)
    expect(() => pulled({ subtype: 'no-dash' })).toThrow(/^E_HANDLER_SHAPE/)
  })
})
