import { FixedSense, sam } from '@tcmu/host/scsi'
import { cdb, type Held, held, ramHandler } from '@tcmu/host/testing'
import { type Bench, disk, Portals } from './testing/bench'
import type { Initiator, Outcome } from './testing/initiator'
import { Opcode, ScsiResponse } from './pdu'

const portals = new Portals()
afterEach(() => portals.end())

const tmf = { ABORT_TASK: 1, ABORT_TASK_SET: 2, CLEAR_ACA: 3, CLEAR_TASK_SET: 4, LUN_RESET: 5, WARM_RESET: 6, COLD_RESET: 7, REASSIGN: 8 }
const read = { cdb: cdb.read10({ lba: 0, blocks: 1 }), in: 512 }
const write = { cdb: cdb.write10({ lba: 0, blocks: 1 }), out: Buffer.alloc(512, 9) }
const turns = (): Promise<void> => new Promise((r) => setTimeout(r, 30))

interface Two {
  readonly bench: Bench
  readonly a: Initiator
  readonly b: Initiator
  readonly disks: Held<Uint8Array>[]
}
/** Two sessions on LUN 0 and LUN 1; reads wait until they are let go. */
async function two(): Promise<Two> {
  const disks = [0, 1].map(() => held(ramHandler, (operation) => operation === 'read'))
  const luns = new Map(await Promise.all(disks.map(async (d, n) => [n, await disk(d.handler)] as const)))
  const bench = await portals.make({ luns })
  const a = await bench.login({ InitiatorName: 'iqn.x:a' })
  const b = await bench.login({ InitiatorName: 'iqn.x:b' })
  for (const i of [a, b]) for (const lun of [0, 1]) await i.settle(lun)
  return { bench, a, b, disks }
}
/** Run a function while the handler, which does not care for aborts, lets everything go a moment later. */
async function manage(t: Two, i: Initiator, code: number, fields: Parameters<Initiator['manage']>[1] = {}): Promise<number> {
  const response = i.manage(code, fields)
  await turns()
  for (const d of t.disks) d.releaseAll()
  return response
}
const attention = async (i: Initiator, lun = 0): Promise<string> => {
  const o: Outcome = await i.command({ cdb: cdb.testUnitReady(), lun })
  return o.status === sam.GOOD ? 'none' : FixedSense.decode(o.sense).asc.toString(16)
}

test('ABORT TASK: that command gets no answer, the one beside it does', async () => {
  const t = await two()
  const first = t.a.start(read)
  const second = t.a.start({ ...read, lun: 1 })
  await turns()
  const response = t.a.manage(tmf.ABORT_TASK, { referencedTag: first, refCmdSn: t.a.cmdSn - 2 })
  await turns()
  t.disks[0]!.releaseAll()
  expect(await response).toBe(0)
  t.disks[1]!.releaseAll()
  expect((await t.a.finish(second, read)).status).toBe(sam.GOOD)
  await turns()
  expect(t.a.wire.pending).toBe(0)
})

test('ABORT TASK of a command that waits for data: late data is let pass', async () => {
  const t = await two()
  const itt = t.a.start(write)
  const ttt = (await t.a.wire.next()).header.readUInt32BE(20)
  expect(await t.a.manage(tmf.ABORT_TASK, { referencedTag: itt })).toBe(0)
  t.a.sendData(itt, ttt, write.out, 0, 512)
  expect(await attention(t.a)).toBe('none')
  t.disks[0]!.releaseAll()
  const got = t.a.command(read)
  await turns()
  t.disks[0]!.releaseAll()
  expect((await got).data.equals(Buffer.alloc(512))).toBe(true)
})

test('ABORT TASK of a command that is not there, and of one that was lost on the way', async () => {
  const { a } = await two()
  expect(await a.manage(tmf.ABORT_TASK, { referencedTag: 4711, refCmdSn: a.cmdSn - 1 })).toBe(1)
  a.cmdSn++
  expect(await a.manage(tmf.ABORT_TASK, { referencedTag: 4711, refCmdSn: a.cmdSn - 1 })).toBe(0)
})

test('ABORT TASK SET: all of this session on this LUN, no others', async () => {
  const t = await two()
  t.a.start(read)
  t.a.start(read)
  const elsewhere = t.a.start({ ...read, lun: 1 })
  const other = t.b.start(read)
  await turns()
  const response = t.a.manage(tmf.ABORT_TASK_SET)
  await turns()
  t.disks[0]!.releaseAll()
  expect(await response).toBe(0)
  t.disks[1]!.releaseAll()
  expect([(await t.a.finish(elsewhere, read)).status, (await t.b.finish(other, read)).status]).toEqual([sam.GOOD, sam.GOOD])
  expect([await attention(t.a), await attention(t.b)]).toEqual(['none', 'none'])
})

test('CLEAR TASK SET: the other session is answered TASK ABORTED and told why', async () => {
  const t = await two()
  t.a.start(read)
  t.b.start(read)
  t.b.start(write)
  expect((await t.b.wire.next()).opcode).toBe(Opcode.R2T)
  expect(await manage(t, t.a, tmf.CLEAR_TASK_SET)).toBe(0)
  for (let n = 0; n < 2; n++) expect(ScsiResponse.decode((await t.b.wire.next()).header).status).toBe(sam.TASK_ABORTED)
  expect([await attention(t.a), await attention(t.b), await attention(t.b)]).toEqual(['none', '2f00', 'none'])
})

test.each([['LOGICAL UNIT RESET', tmf.LUN_RESET, ['none', 'none']], ['TARGET WARM RESET', tmf.WARM_RESET, ['2903', '2903']]])(
  '%s: everybody on it is told, commands of others are answered TASK ABORTED', async (_name, code, onLun1) => {
    const t = await two()
    t.a.start(read)
    t.b.start(read)
    await turns()
    expect(await manage(t, t.a, code)).toBe(0)
    expect(ScsiResponse.decode((await t.b.wire.next()).header).status).toBe(sam.TASK_ABORTED)
    expect([await attention(t.a), await attention(t.b)]).toEqual(['2903', '2903'])
    expect([await attention(t.a, 1), await attention(t.b, 1)]).toEqual(onLun1)
    expect([t.a.wire.pending, t.b.wire.pending]).toEqual([0, 0])
  })

test('TARGET COLD RESET: answered, then every connection ends', async () => {
  const t = await two()
  expect(await manage(t, t.a, tmf.COLD_RESET)).toBe(0)
  await Promise.all([t.a.wire.closed, t.b.wire.closed])
  expect(await attention(await t.bench.login())).toBe('2900')
})

test.each([
  ['CLEAR ACA', tmf.CLEAR_ACA, 0, 5], ['TASK REASSIGN', tmf.REASSIGN, 0, 4], ['a function that there is not', 99, 0, 5],
  ['a reset of a LUN that there is not', tmf.LUN_RESET, 9, 2], ['ABORT TASK SET of a LUN that there is not', tmf.ABORT_TASK_SET, 9, 2],
])('%s is refused', async (_name, code, lun, response) => {
  expect(await (await two()).a.manage(code, { lun })).toBe(response)
})
