import { openSync, readSync } from 'node:fs'
import { cdb, copyListLid1, copyListLid4, copySegment, cscd } from '@tcmu/host/testing'
import { senseKeyOf } from '@tcmu/host/scsi'
import { Initiator, samStatus } from '../lib/initiator'
import { persistentReserveOut, prOut, prType } from '../lib/initiator/reservations'
import { bench, type HostProcess } from '../lib/serve'

const here = bench()
const BLOCK = 512
const COPY_ABORTED = 0xa
let host: HostProcess
let a: Initiator
let b: Initiator

/** A session that has heard of power on for every LUN. */
async function open(name: string): Promise<Initiator> {
  const session = await Initiator.open(host.port, { name, target: host.targetName })
  for (const lun of [0, 1, 2]) while ((await session.command({ cdb: cdb.testUnitReady(), lun })).status === samStatus.check);
  return session
}
/** Its serial number, as VPD 80h says it. */
const serialOf = async (lun: number): Promise<string> => (await a.command({ cdb: cdb.inquiry({ evpd: 1, page: 0x80, allocation: 255 }), lun, in: 255 })).data.subarray(4).toString()
const write = (session: Initiator, lun: number, lba: number, data: Buffer) => session.command({ cdb: cdb.write10({ lba, blocks: data.length / BLOCK }), lun, out: data })
const read = async (lun: number, lba: number, blocks: number): Promise<Buffer> => (await b.command({ cdb: cdb.read10({ lba, blocks }), lun, in: blocks * BLOCK })).data
const copied = (session: Initiator, asked: number, list: Uint8Array) =>
  session.command({ cdb: cdb.extendedCopyLid1({ listLength: list.length }), lun: asked, out: Buffer.from(list) })

beforeAll(async () => {
  host = await here.start({ luns: [here.fileLun('from', '16M'), here.fileLun('to', '16M'), here.fileLun('locked', '16M').replace('size=16M', 'size=16M,readonly')] })
  a = await open('iqn.2026-11.test:a')
  b = await open('iqn.2026-11.test:b')
})
afterAll(() => {
  a.destroy()
  b.destroy()
})

test('blocks go from one LUN to another without passing the wire, asked of either or of a third', async () => {
  const targets = [cscd(await serialOf(0)), cscd(await serialOf(1))]
  for (const [i, asked] of [0, 1, 2].entries()) {
    const data = Buffer.alloc(4096 * BLOCK / 4, 0x11 * (i + 1))
    expect((await write(a, 0, 8, data)).status).toBe(samStatus.good)
    const list = copyListLid1(targets, [copySegment({ source: 0, destination: 1, sourceLba: 8, destinationLba: 5000, blocks: 1024 })], { listIdUsage: 3 })
    expect((await copied(a, asked, list)).status).toBe(samStatus.good)
    expect((await read(1, 5000, 1024)).equals(data)).toBe(true)
  }
  const file = Buffer.alloc(BLOCK)
  readSync(openSync(here.path('to.img'), 'r'), file, 0, BLOCK, 5000 * BLOCK)
  expect(file.every((byte) => byte === 0x33)).toBe(true)
})

test('in the background, with its status by list identifier', async () => {
  const list = copyListLid4([cscd(await serialOf(0)), cscd(await serialOf(1))], [copySegment({ source: 0, destination: 1, sourceLba: 8, destinationLba: 9000, blocks: 1024 })], { listIdentifier: 0xabcdef01, immed: 1 })
  expect((await a.command({ cdb: cdb.extendedCopyLid4({ listLength: list.length }), out: Buffer.from(list) })).status).toBe(samStatus.good)
  const status = cdb.receiveCopyStatusLid4({ listIdentifier: 0xabcdef01 })
  let answer = await a.command({ cdb: status, in: 512 })
  while (answer.data[5] === 0x12) answer = await a.command({ cdb: status, in: 512 })
  expect([...answer.data.subarray(4, 6)]).toEqual([1, 1])
  expect((await b.command({ cdb: status, in: 512 })).status).toBe(samStatus.check)
  expect((await read(1, 9000, 1024)).every((byte) => byte === 0x33)).toBe(true)
})

test("another initiator's reservation keeps a copy out of a LUN as it keeps writes out, and lets the holder copy", async () => {
  const list = copyListLid1([cscd(await serialOf(0)), cscd(await serialOf(1))], [copySegment({ source: 0, destination: 1, blocks: 8, destinationLba: 100 })], { listIdUsage: 3 })
  for (const [action, keys] of [[prOut.register, { serviceKey: 1 }], [prOut.reserve, { key: 1, kind: prType.writeExclusive }]] as const) {
    expect((await b.command({ ...persistentReserveOut(action, keys), lun: 1 })).status).toBe(samStatus.good)
  }
  expect((await write(a, 1, 100, Buffer.alloc(BLOCK))).status).toBe(samStatus.conflict)
  const refused = await copied(a, 0, list)
  expect([refused.status, senseKeyOf(refused.sense)]).toEqual([samStatus.check, COPY_ABORTED])
  expect((await copied(a, 1, list)).status).toBe(samStatus.conflict)
  expect((await copied(b, 0, list)).status).toBe(samStatus.good)
  const back = copyListLid1([cscd(await serialOf(1)), cscd(await serialOf(0))], [copySegment({ source: 0, destination: 1, blocks: 8, destinationLba: 200 })], { listIdUsage: 3 })
  expect((await copied(a, 0, back)).status).toBe(samStatus.good)
  expect((await b.command({ ...persistentReserveOut(prOut.clear, { key: 1 }), lun: 1 })).status).toBe(samStatus.good)
})

test('a write protected LUN is read from and not written to', async () => {
  const targets = [cscd(await serialOf(0)), cscd(await serialOf(2))]
  const to = await copied(a, 0, copyListLid1(targets, [copySegment({ source: 0, destination: 1, blocks: 8 })], { listIdUsage: 3 }))
  expect([to.status, senseKeyOf(to.sense)]).toEqual([samStatus.check, 7])
  expect((await copied(a, 0, copyListLid1(targets, [copySegment({ source: 1, destination: 0, blocks: 8 })], { listIdUsage: 3 }))).status).toBe(samStatus.good)
})
