import { cdb } from '@tcmu/host/testing'
import { FixedSense, sam } from '@tcmu/host/scsi'
import { DataOut, NO_TAG, Opcode, Reject } from './pdu'
import type { Outcome } from './testing/initiator'
import { type Bench, Portals } from './testing/bench'

const portals = new Portals()
afterEach(() => portals.end())
const BLOCK = 512
const pattern = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + 1) & 0xff))
const senseOf = (o: Outcome): string => {
  const s = FixedSense.decode(o.sense)
  return `${s.key.toString(16)}/${s.asc.toString(16).padStart(4, '0')}`
}
const lastWarning = (b: Bench): string | undefined => b.log.lines.filter((l) => l.startsWith('warn')).at(-1)
const write = (lba: number, blocks: number): Uint8Array => cdb.write10({ lba, blocks })
const read = (lba: number, blocks: number): Uint8Array => cdb.read10({ lba, blocks })

const shapes: [string, Record<string, string>, object][] = [
  ['solicited alone', { ImmediateData: 'No', InitialR2T: 'Yes' }, {}],
  ['immediate', { ImmediateData: 'Yes' }, { immediate: 8192 }],
  ['part immediate, the rest by R2T', { MaxBurstLength: '16384' }, { immediate: 1024 }],
  ['unsolicited', { InitialR2T: 'No', ImmediateData: 'No', FirstBurstLength: '16384' }, { unsolicited: 16384 }],
  ['immediate, unsolicited and solicited', { InitialR2T: 'No', FirstBurstLength: '16384' }, { immediate: 4096, unsolicited: 12288 }],
  ['several R2Ts at a time', { MaxOutstandingR2T: '4', MaxBurstLength: '4096' }, {}],
  ['header digest', { HeaderDigest: 'CRC32C' }, { immediate: 8192 }],
  ['data digest', { DataDigest: 'CRC32C', InitialR2T: 'No' }, { immediate: 4096, unsolicited: 20480 }],
  ['both digests', { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C', MaxBurstLength: '8192' }, {}],
  ['odd lengths of PDUs', { MaxRecvDataSegmentLength: '777', DataDigest: 'CRC32C' }, {}],
]
test.each(shapes)('%s: what was written is read, in full', async (_what, pairs, how) => {
  const i = await (await portals.make()).login(pairs).then((x) => x.settle())
  const out = pattern(64 * BLOCK)
  const wrote = await i.command({ cdb: write(3, 64), out, ...how })
  expect([wrote.status, wrote.residual]).toEqual([sam.GOOD, 0])
  const got = await i.command({ cdb: read(3, 64), in: out.length })
  expect([got.status, got.residual, got.collapsed]).toEqual([sam.GOOD, 0, true])
  expect(got.data.equals(out)).toBe(true)
})

test('Data-In keeps to the segment and burst lengths; R2Ts to the burst length and how many there may be', async () => {
  const i = await (await portals.make()).login({ MaxRecvDataSegmentLength: '4096', MaxBurstLength: '16384', MaxOutstandingR2T: '2' }).then((x) => x.settle())
  const wrote = await i.command({ cdb: write(0, 128), out: pattern(65536) })
  const got = await i.command({ cdb: read(0, 128), in: 65536 })
  expect([wrote.r2t, got.dataIn]).toEqual([4, 16])
  i.start({ cdb: write(0, 128), out: pattern(65536) })
  await new Promise((r) => setTimeout(r, 50))
  expect(i.wire.pending).toBe(2)
})

test.each<[string, number, number, number, number]>([
  ['less room than the CDB asks for', 2, 512, 512, 512],
  ['half a block of room', 1, 200, 312, 200],
  ['more room than the CDB asks for', 1, 10000, -9488, 512],
  ['no room at all', 1, 0, 512, 0],
])('READ with %s: residual', async (_what, blocks, expected, residual, moved) => {
  const i = await (await portals.make()).login().then((x) => x.settle())
  await i.command({ cdb: write(0, 2), out: pattern(1024), immediate: 1024 })
  const got = await i.command({ cdb: read(0, blocks), in: Math.max(expected, 1024), expected })
  expect([got.status, got.residual, got.data.length]).toEqual([sam.GOOD, residual, moved])
  expect(got.data.equals(pattern(1024).subarray(0, moved))).toBe(true)
})

test.each<[string, number, number, number]>([
  ['less than the CDB asks for', 2, 512, 512],
  ['more than the CDB asks for', 1, 10000, -9488],
  ['nothing', 1, 0, 512],
])('WRITE with %s: residual, surplus dropped', async (_what, blocks, length, residual) => {
  const i = await (await portals.make()).login().then((x) => x.settle())
  await i.command({ cdb: write(0, 4), out: Buffer.alloc(2048, 0xee), immediate: 2048 })
  const wrote = await i.command({ cdb: write(0, blocks), out: pattern(length), expected: length, immediate: Math.min(length, 4096) })
  expect([wrote.status, wrote.residual]).toEqual([sam.GOOD, residual])
  const got = await i.command({ cdb: read(0, 4), in: 2048 })
  const kept = Math.min(length, blocks * BLOCK)
  expect(got.data.subarray(0, kept).equals(pattern(length).subarray(0, kept))).toBe(true)
  expect(got.data.subarray(kept).equals(Buffer.alloc(2048 - kept, 0xee))).toBe(true)
})

test('many commands at a time, answered each by its tag', async () => {
  const i = await (await portals.make()).login().then((x) => x.settle())
  for (let n = 0; n < 100; n++) i.start({ cdb: write(n, 1), out: Buffer.alloc(BLOCK, n), immediate: BLOCK })
  for (let n = 0; n < 100; n++) expect((await i.wire.next()).opcode).toBe(Opcode.SCSI_RESPONSE)
  for (let n = 0; n < 100; n++) expect((await i.command({ cdb: read(n, 1), in: BLOCK })).data.equals(Buffer.alloc(BLOCK, n))).toBe(true)
})

test('an error carries sense data, and no data', async () => {
  const i = await (await portals.make()).login().then((x) => x.settle())
  const got = await i.command({ cdb: read(1 << 20, 1), in: BLOCK })
  expect([got.status, senseOf(got), got.dataIn, got.residual]).toEqual([sam.CHECK_CONDITION, '5/2100', 0, -BLOCK])
})

test('a DataSN out of order ends the command, not the session', async () => {
  const i = await (await portals.make()).login({ ImmediateData: 'No' }).then((x) => x.settle())
  const itt = i.start({ cdb: write(0, 2), out: pattern(1024) })
  const r2t = await i.wire.next()
  const ttt = r2t.header.readUInt32BE(20)
  for (const [dataSn, final] of [[1, 0], [0, 1]] as const) {
    i.wire.send(DataOut.encode({ opcode: Opcode.DATA_OUT, final, itt, ttt, dataSn, bufferOffset: 512 * (1 - dataSn) }), pattern(512))
  }
  const ended = await i.finish(itt, { cdb: write(0, 2) })
  expect([ended.status, senseOf(ended)]).toEqual([sam.CHECK_CONDITION, 'b/4705'])
  expect((await i.command({ cdb: read(0, 2), in: 1024 })).data.equals(Buffer.alloc(1024))).toBe(true)
})

test.each<[string, object, number]>([
  ['a wrong offset', { bufferOffset: 4 }, 512], ['a wrong transfer tag', { ttt: 12345 }, 512], ['unsolicited data that was not announced', { ttt: NO_TAG }, 512],
  ['more than was asked for', {}, 2048], ['an early end', { final: 1 }, 256], ['a task that there is not', { itt: 4711 }, 512],
])('Data-Out with %s ends the connection, and only that', async (_what, more, length) => {
  const b = await portals.make()
  const good = await b.login({ InitiatorName: 'iqn.x:good' }).then((x) => x.settle())
  const bad = await b.login({ ImmediateData: 'No' }).then((x) => x.settle())
  const itt = bad.start({ cdb: write(0, 2), out: pattern(1024) })
  const ttt = (await bad.wire.next()).header.readUInt32BE(20)
  bad.wire.send(DataOut.encode({ opcode: Opcode.DATA_OUT, final: 0, itt, ttt, ...more }), pattern(length))
  await bad.wire.closed
  expect(lastWarning(b)).toMatch(/E_PROTOCOL: Data-Out/)
  expect((await good.command({ cdb: read(0, 1), in: BLOCK })).status).toBe(sam.GOOD)
  expect(b.portal.sessions()).toHaveLength(1)
})

test('who asks for much and reads nothing holds no more than it may, others are served, and all comes back', async () => {
  const b = await portals.make({ limits: { bufferBytes: 8 * 2 ** 20, queuedBytes: 2 ** 20 } })
  const inUse = (): number => (b.portal as unknown as { host: { buffers: { inUse: number } } }).host.buffers.inUse
  const good = await b.login({ InitiatorName: 'iqn.x:good' }).then((x) => x.settle())
  const deaf = await b.login().then((x) => x.settle())
  deaf.wire.socket.pause()
  for (let n = 0; n < 128; n++) deaf.start({ cdb: read(0, 512), in: 512 * BLOCK })
  await new Promise((r) => setTimeout(r, 200))
  expect(inUse()).toBeGreaterThan(0)
  expect(inUse()).toBeLessThanOrEqual(8 * 2 ** 20)
  expect((await good.command({ cdb: read(0, 512), in: 512 * BLOCK })).status).toBe(sam.GOOD)
  deaf.close()
  for (let n = 0; n < 100 && inUse() > 0; n++) await new Promise((r) => setTimeout(r, 20))
  expect(inUse()).toBe(0)
})

test('commands that find no memory wait for it, and are all answered', async () => {
  const b = await portals.make({ limits: { bufferBytes: 2 ** 20 } })
  const [one, two] = [await b.login({ InitiatorName: 'iqn.x:1' }).then((x) => x.settle()), await b.login({ InitiatorName: 'iqn.x:2' }).then((x) => x.settle())]
  const all = [one, two].map(async (i) => {
    for (let n = 0; n < 40; n++) i.start({ cdb: read(0, 1024), in: 1024 * BLOCK })
    for (let answered = 0; answered < 40;) if (((await i.wire.next()).header[1]! & 1) === 1) answered++
  })
  await Promise.all(all)
})

test('a changed bit under a data digest: REJECT, and the connection ends', async () => {
  const b = await portals.make()
  const i = await b.login({ DataDigest: 'CRC32C' }).then((x) => x.settle())
  i.wire.digests.data = false
  i.start({ cdb: write(0, 1), out: pattern(512), immediate: 512 })
  i.wire.socket.write(Buffer.alloc(4))
  i.wire.digests.data = true
  const pdu = await i.wire.next()
  expect(Reject.decode(pdu.header)).toMatchObject({ opcode: Opcode.REJECT, reason: 2 })
  await i.wire.closed
})
