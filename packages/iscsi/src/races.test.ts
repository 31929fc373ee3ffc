import type { BlocksHandler } from '@tcmu/host/handler'
import { sam } from '@tcmu/host/scsi'
import { cdb, held, ramHandler } from '@tcmu/host/testing'
import { lunHigh } from './lun-address'
import { Opcode, ScsiCommand, ScsiResponse } from './pdu'
import { type Bench, disk, Portals } from './testing/bench'
import { Initiator } from './testing/initiator'
import { wirePdu } from './testing/wire'

const portals = new Portals()
afterEach(() => portals.end())

const MiB = 2 ** 20
const SIZE = 16 * MiB
const tmf = { ABORT_TASK: 1, ABORT_TASK_SET: 2, LUN_RESET: 5 }
const pause = (ms = 30): Promise<void> => new Promise((r) => setTimeout(r, ms))
const big = { cdb: cdb.read10({ lba: 0, blocks: 4096 }), in: 2 * MiB }
const beyond = { cdb: cdb.read10({ lba: SIZE / 512 - 1, blocks: 4096 }), in: 2 * MiB }
const bigWrite = { cdb: cdb.write10({ lba: 0, blocks: 4096 }), out: Buffer.alloc(2 * MiB, 7) }
const small = { cdb: cdb.read10({ lba: 0, blocks: 1 }), in: 512 }

/** A session may hold 1 MiB of data and more: the second large command waits. */
async function tight(handler: BlocksHandler = ramHandler): Promise<{ bench: Bench; a: Initiator; b: Initiator }> {
  const bench = await portals.make({ luns: new Map([[0, await disk(handler, { sizeBytes: SIZE })]]), limits: { bufferBytes: 4 * MiB } })
  const a = await bench.login({ InitiatorName: 'iqn.x:a', MaxRecvDataSegmentLength: '16777215' })
  const b = await bench.login({ InitiatorName: 'iqn.x:b' })
  for (const i of [a, b]) await i.settle()
  return { bench, a, b }
}

describe('commands that wait for memory', () => {
  test('a command whose memory comes free because of the very abort that ends it is aborted, not run', async () => {
    const { a } = await tight()
    a.start(bigWrite)
    expect((await a.wire.next()).opcode).toBe(Opcode.R2T)
    a.start(big)
    a.start(big)
    await pause()
    expect(await a.manage(tmf.ABORT_TASK_SET)).toBe(0)
    await pause()
    expect(a.wire.pending).toBe(0)
    const tags = [a.start(small), a.start(small), a.start(small)]
    for (const itt of tags) expect((await a.finish(itt, small)).status).toBe(sam.GOOD)
  })

  test('the same when the connection is lost', async () => {
    let reads = 0
    const { a, b } = await tight({ ...ramHandler, read: (ram, io) => (reads++, ramHandler.read(ram, io)) })
    a.start(bigWrite)
    await a.wire.next()
    a.start(big)
    a.start(big)
    await pause()
    a.close()
    await pause()
    expect(reads).toBe(0)
    expect((await b.command(small)).status).toBe(sam.GOOD)
  })

  test('one that ends as soon as it has memory does not cost the next one its turn', async () => {
    const { a } = await tight()
    const first = a.start(bigWrite)
    const ttts: number[] = []
    ttts.push((await a.wire.next()).header.readUInt32BE(20))
    const tags = [a.start(beyond), a.start(beyond), a.start(big), a.start(big), a.start(big)]
    await pause()
    for (let at = 0, n = 0; at < 2 * MiB; at += 262144, n++) {
      if (n > 0) ttts.push((await a.wire.next()).header.readUInt32BE(20))
      a.sendData(first, ttts[n]!, bigWrite.out, at, 262144)
    }
    expect(ScsiResponse.decode((await a.wire.next()).header)).toMatchObject({ itt: first, status: sam.GOOD })
    for (const [n, itt] of tags.entries()) expect((await a.finish(itt, big)).status).toBe(n < 2 ? sam.CHECK_CONDITION : sam.GOOD)
  })
})

describe('numbers', () => {
  test('a reset by another session while a command is half there: the session goes on behind it', async () => {
    const { a, b } = await tight()
    const whole = wirePdu(ScsiCommand.encode({
      opcode: Opcode.SCSI_COMMAND, final: 1, write: 1, attributes: 1, lunHigh: lunHigh(0), itt: 77, expectedLength: 4096, cmdSn: a.cmdSn++,
      cdb: cdb.write10({ lba: 0, blocks: 8 }).subarray(0, 16),
    }), Buffer.alloc(4096, 1))
    a.wire.socket.write(whole.subarray(0, 1000))
    await pause()
    expect(await b.manage(tmf.LUN_RESET)).toBe(0)
    expect(ScsiResponse.decode((await a.wire.next()).header)).toMatchObject({ itt: 77, status: sam.TASK_ABORTED })
    a.wire.socket.write(whole.subarray(1000))
    expect((await a.settle()).cmdSn).toBeGreaterThan(0)
    await b.settle()
    expect((await b.command(small)).data.equals(Buffer.alloc(512))).toBe(true)
  })

  test('the whole window may come in any order', async () => {
    const bench = await portals.make({ limits: { commands: 4 } })
    const i = await (await bench.login()).settle()
    const first = i.cmdSn
    const tags = new Map<number, number>()
    for (const n of [1, 2, 3, 0]) {
      i.cmdSn = first + n
      tags.set(n, i.start({ cdb: cdb.testUnitReady() }))
    }
    for (const n of [0, 1, 2, 3]) expect(ScsiResponse.decode((await i.wire.next()).header).itt).toBe(tags.get(n))
  })

  test('MaxCmdSN never goes back, and numbers wrap around', async () => {
    const slow = held(ramHandler, (operation) => operation === 'read')
    const bench = await portals.make({ luns: new Map([[0, await disk(slow.handler)]]), limits: { commands: 8 } })
    const i = await Initiator.connect(bench.port)
    i.cmdSn = 0xfffffff8
    await i.step({ transit: 1, currentStage: 1, nextStage: 3, expStatSn: 0xfffffffa }, [['InitiatorName', 'iqn.x:w'], ['TargetName', 'iqn.2026-11.test:target']])
    let highest = 0xfffffff8 + 7
    let statSn = 0xfffffffb
    const check = async (): Promise<void> => {
      const h = ScsiResponse.decode((await i.wire.next()).header)
      if (h.opcode !== Opcode.DATA_IN) expect(h.opcode).toBe(Opcode.SCSI_RESPONSE)
      expect(h.statSn).toBe(statSn)
      statSn = (statSn + 1) >>> 0
      const wide = h.maxCmdSn < 0x80000000 ? h.maxCmdSn + 2 ** 32 : h.maxCmdSn
      expect(wide).toBeGreaterThanOrEqual(highest)
      highest = wide
    }
    const start = (spec: Parameters<Initiator['start']>[0]): void => {
      i.start(spec)
      i.cmdSn = i.cmdSn >>> 0
    }
    start({ cdb: cdb.testUnitReady() })
    await check()
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 4; n++) start(small)
      for (let n = 0; n < 4; n++) start({ cdb: cdb.testUnitReady() })
      for (let n = 0; n < 4; n++) await check()
      slow.releaseAll()
      for (let n = 0; n < 4; n++) await check()
    }
    expect(i.cmdSn).toBeLessThan(100)
    i.close()
  })
})
