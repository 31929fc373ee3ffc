import type { Server } from 'node:net'
import { sam } from '@tcmu/host/scsi'
import { cdb, held, misbehaving, ramHandler } from '@tcmu/host/testing'
import { NO_TAG, NopOut, Opcode, Reject, RejectReason, ScsiCommand, TaskManagement } from './pdu'
import type { BufferPool } from './buffers'
import { type Bench, disk, Portals } from './testing/bench'
import type { Initiator } from './testing/initiator'

const portals = new Portals()
afterEach(() => portals.end())

const MiB = 2 ** 20
const SIZE = 16 * MiB
const pause = (ms = 30): Promise<void> => new Promise((r) => setTimeout(r, ms))
const big = { cdb: cdb.read10({ lba: 0, blocks: 4096 }), in: 2 * MiB }
const small = { cdb: cdb.read10({ lba: 0, blocks: 1 }), in: 512 }
/** What peers make a portal hold, seen from inside. */
const inside = (b: Bench): { host: { buffers: BufferPool }; server: Server } => b.portal as never
const inUse = (b: Bench): number => inside(b).host.buffers.inUse
const connections = (b: Bench): Promise<number> =>
  new Promise((resolve, reject) => inside(b).server.getConnections((e, n) => (e ? reject(e) : resolve(n))))

describe('sessions that end', () => {
  test('the next session of an initiator port does not begin before the commands of a lost one have ended', async () => {
    const slow = held(ramHandler, (operation) => operation === 'write')
    const bench = await portals.make({ luns: new Map([[0, await disk(slow.handler)]]) })
    const old = await bench.login().then((x) => x.settle())
    old.start({ cdb: cdb.write10({ lba: 0, blocks: 1 }), out: Buffer.alloc(512, 1), immediate: 512 })
    await pause()
    old.close()
    await pause()
    let early = true
    const again = bench.login().then((i) => (expect(early).toBe(false), i))
    await pause(100)
    early = false
    slow.releaseAll()
    const i = await again
    await i.settle()
    const write = i.command({ cdb: cdb.write10({ lba: 0, blocks: 1 }), out: Buffer.alloc(512, 2), immediate: 512 })
    await pause()
    slow.releaseAll()
    await write
    expect((await i.command(small)).data[0]).toBe(2)
  })

  test('while the portal closes, data of commands that are not taken any more does not cost those under way their answer', async () => {
    const slow = held(ramHandler, (operation) => operation === 'read')
    const bench = await portals.make({ luns: new Map([[0, await disk(slow.handler)]]) })
    const i = await bench.login({ InitialR2T: 'No' }).then((x) => x.settle())
    const itt = i.start(small)
    await pause()
    const closing = bench.portal.close(5000)
    i.start({ cdb: cdb.write10({ lba: 0, blocks: 1 }), out: Buffer.alloc(512), unsolicited: 512 })
    await pause()
    slow.releaseAll()
    expect((await i.finish(itt, small)).status).toBe(sam.GOOD)
    await closing
  })

  /** Ask for much and read nothing; above 8 MiB the portal does not listen any more. */
  async function deaf(commands: number): Promise<{ bench: Bench; a: Initiator }> {
    const bench = await portals.make({ luns: new Map([[0, await disk(ramHandler, { sizeBytes: SIZE })]]) })
    const a = await bench.login({ MaxRecvDataSegmentLength: '262144' }).then((x) => x.settle())
    a.wire.socket.pause()
    for (let n = 0; n < commands; n++) a.start(big)
    await pause(100)
    expect(inUse(bench)).toBeGreaterThan(2 * MiB)
    return { bench, a }
  }

  test('a peer that hangs up half way and reads nothing keeps neither memory nor socket', async () => {
    const { bench, a } = await deaf(6)
    a.wire.socket.allowHalfOpen = true
    a.wire.socket.end()
    await pause(5000)
    expect([inUse(bench), await connections(bench)]).toEqual([0, 0])
  })

  test('nor does one that breaks the protocol and reads nothing', async () => {
    const { bench, a } = await deaf(3)
    a.wire.send(ScsiCommand.encode({ opcode: Opcode.LOGIN, immediate: 1 }))
    await pause(5000)
    expect([inUse(bench), await connections(bench)]).toEqual([0, 0])
  })
})

test('REPORT LUNS with room for 4 GiB does not take 4 GiB', async () => {
  const bench = await portals.make()
  const i = await bench.login().then((x) => x.settle())
  for (const lun of [0, 9]) {
    const itt = i.start({ cdb: Uint8Array.from([0xa0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 0, 0]), in: 16, expected: 0xfffffffc, lun })
    expect((await i.finish(itt, { cdb: new Uint8Array(12), in: 16 })).status).toBe(sam.GOOD)
    expect(inside(bench).host.buffers.allocated).toBeLessThan(64 * MiB)
  }
})

test('a peer that reads slowly is no silent one', async () => {
  const limits = { pingSeconds: 1, pongSeconds: 1, queuedBytes: MiB }
  const bench = await portals.make({ luns: new Map([[0, await disk(ramHandler, { sizeBytes: SIZE })]]), limits })
  const i = await bench.login({ MaxRecvDataSegmentLength: '262144' }).then((x) => x.settle())
  const { socket } = i.wire
  socket.pause()
  socket.on('data', () => socket.pause())
  const reader = setInterval(() => socket.resume(), 20)
  const tags = Array.from({ length: 12 }, () => i.start(big))
  await pause(6000)
  clearInterval(reader)
  socket.removeAllListeners('data')
  expect([socket.destroyed, bench.log.lines.filter((l) => l.startsWith('warn'))]).toEqual([false, []])
  expect(tags).toHaveLength(12)
})

describe('what one session may have under way', () => {
  test('task management functions: so many, no more', async () => {
    const bench = await portals.make({ luns: new Map([[0, await disk(misbehaving.hangs())]]) })
    const i = await bench.login().then((x) => x.settle())
    i.start(small)
    for (let n = 0; n < 40; n++) i.wire.send(TaskManagement.encode({ opcode: Opcode.TASK_MANAGEMENT, immediate: 1, final: 1, function: 2, itt: 100 + n, cmdSn: i.cmdSn }))
    expect(Reject.decode((await i.wire.next()).header).reason).toBe(RejectReason.TOO_MANY_IMMEDIATE)
    await i.wire.closed
  })

  test('data of requests that came ahead of their turn', async () => {
    const i = await (await portals.make()).login().then((x) => x.settle())
    const nop = (ahead: number, bytes: number): void =>
      i.wire.send(NopOut.encode({ opcode: Opcode.NOP_OUT, final: 1, itt: 50 + ahead, ttt: NO_TAG, cmdSn: i.cmdSn + ahead }), Buffer.alloc(bytes))
    nop(1, 8192)
    nop(0, 262144)
    for (const length of [8192, 8192]) expect((await i.wire.next()).data).toHaveLength(length)
    i.cmdSn += 2
    nop(1, 8193)
    expect(Reject.decode((await i.wire.next()).header).reason).toBe(RejectReason.OUT_OF_RESOURCES)
    await i.wire.closed
  })
})
