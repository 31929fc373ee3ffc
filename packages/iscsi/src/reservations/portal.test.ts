/** The same over a socket: two initiators, one logical unit. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { defineHandler } from '@tcmu/host/handler'
import { type LogicalUnit, sam, Status } from '@tcmu/host/scsi'
import { type Bench, disk, Portals } from '../testing/bench'
import type { Initiator, Outcome } from '../testing/initiator'
import { basicList, cdbs, outCdb, type OutParameters, sa } from '../testing/fake-lun'
import { InCdb, InHeader } from './layouts'
import { ReservationType as T } from './types'

const KA = '000000000000000a'
const KB = '000000000000000b'
const portals = new Portals()
let folder: string
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'reservations-'))))
afterEach(async () => {
  await portals.end()
  rmSync(folder, { recursive: true })
})

const one = async (bench: Bench): Promise<Initiator> => (await bench.login()).settle()
const two = async (bench: Bench): Promise<Initiator> => (await bench.login({ InitiatorName: 'iqn.2026-11.test:two' })).settle()
const out = (i: Initiator, serviceAction: number, p: OutParameters): Promise<Outcome> => {
  const list = basicList(p)
  return i.command({ cdb: outCdb(serviceAction, p, list.length), out: list, immediate: list.length })
}
const ok = async (i: Initiator, serviceAction: number, p: OutParameters): Promise<void> => expect((await out(i, serviceAction, p)).status).toBe(sam.GOOD)
const write = (i: Initiator): Promise<Outcome> => i.command({ cdb: Uint8Array.from(cdbs.write10), out: new Uint8Array(512), immediate: 512 })

test('registration and reservation outlive the portal with APTPL, and fence the other off', async () => {
  let bench = await portals.make({ stateDir: folder })
  const a = await one(bench)
  await ok(a, sa.REGISTER, { newKey: KA, aptpl: true })
  await ok(a, sa.RESERVE, { key: KA, type: T.WRITE_EXCLUSIVE })
  await portals.end()
  bench = await portals.make({ stateDir: folder })
  const b = await two(bench)
  expect((await write(b)).status).toBe(sam.RESERVATION_CONFLICT)
  expect((await write(await one(bench))).status).toBe(sam.GOOD)
  const keys = await b.command({ cdb: InCdb.encode({ op: 0x5e, allocationLength: 255 }), in: 255 })
  expect(InHeader.decode(keys.data)).toEqual({ generation: 0, additionalLength: 8 })
  expect(keys.residual).toBe(16 - 255)
})

test('PREEMPT AND ABORT ends what the other had under way, and says so', async () => {
  let started!: () => void
  const running = new Promise<void>((resolve) => (started = resolve))
  const lu: LogicalUnit = await disk(defineHandler({
    subtype: 'slow',
    open: () => ({}),
    read: () => Status.OK,
    write: (_s: object, io) => new Promise<Status>((resolve) => {
      io.signal.addEventListener('abort', () => resolve(Status.OK))
      started()
    }),
  }))
  const bench = await portals.make({ luns: new Map([[0, lu]]) })
  const [a, b] = [await one(bench), await two(bench)]
  await ok(a, sa.REGISTER, { newKey: KA })
  await ok(b, sa.REGISTER, { newKey: KB })
  await ok(b, sa.RESERVE, { key: KB, type: T.WRITE_EXCLUSIVE_RO })
  const hanging = write(b)
  await running
  await ok(a, sa.PREEMPT_AND_ABORT, { key: KA, newKey: KB, type: T.WRITE_EXCLUSIVE_RO })
  expect((await hanging).status).toBe(sam.TASK_ABORTED)
  const next = await b.command({ cdb: Uint8Array.from(cdbs.testUnitReady) })
  expect([next.status, next.sense.subarray(12, 14).toString('hex')]).toEqual([sam.CHECK_CONDITION, '2a05'])
  expect((await write(b)).status).toBe(sam.RESERVATION_CONFLICT)
})

test('RESERVE(6) ends with its connection', async () => {
  const bench = await portals.make()
  const [a, b] = [await one(bench), await two(bench)]
  expect((await a.command({ cdb: Uint8Array.from(cdbs.reserve6) })).status).toBe(sam.GOOD)
  expect((await b.command({ cdb: Uint8Array.from(cdbs.testUnitReady) })).status).toBe(sam.RESERVATION_CONFLICT)
  const gone = new Promise((resolve) => a.wire.socket.on('close', resolve))
  a.close()
  await gone
  for (let i = 0; i < 100 && (await write(b)).status !== sam.GOOD; i++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect((await write(b)).status).toBe(sam.GOOD)
})
