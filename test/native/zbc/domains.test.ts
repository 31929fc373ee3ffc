import { op, sense, senseKey, u16be, u32be, u64be, zoneAction as a, zoneCondition as c, ZoneIn, zoneType as t } from '../../../packages/host/src/scsi'
import { cdb, expectAttention, expectCheck, expectGood, expectInvalidField, expectInvalidOpcode, expectLbaOutOfRange, type ScsiAnswer } from '../../../packages/host/src/testing'
import { Activate32 } from '../../../packages/handler-zbc/src/domains/dialect'
import { MiB, pattern, type Zoned, zonedBench } from './lib'

const bench = zonedBench()
const ZONE = 128
let n = 0
/** 16 MiB, zones of 64 KiB, realms of 640 KiB: 26 realms of 10 SMR and 8 CMR zones. */
const base = 'zsize-64K/rsize-640K/open-4'
const open = (more: string, path = bench.path(`zd-${n++}`)): Promise<Zoned> => bench.open(`${base}/${more}@${path}`, { subtype: 'dhsmr' })
const CMR = 8
const SMR = 10
const REALMS = 26

const action = { REPORT_MUTATIONS: 0x05, REPORT_REALMS: 0x06, REPORT_ZONE_DOMAINS: 0x07, ZONE_ACTIVATE: 0x08, ZONE_QUERY: 0x09 } as const
const zbcIn = (d: Zoned, serviceAction: number, { allocation = 65536, ...fields }: { lba?: number; options?: number; allocation?: number } = {}): Promise<ScsiAnswer> =>
  d.disk.send(ZoneIn.encode({ op: op.ZBC_IN, serviceAction, allocation, ...fields }), { dataIn: allocation })

interface Ask { all?: number; nzsrc?: number; domain: number; zone?: number; count?: number; allocation?: number }
/** The draft's CDB of ZONE ACTIVATE(16) and ZONE QUERY(16), byte by byte. */
function activate(d: Zoned, serviceAction: number, { all = 0, nzsrc = 1, domain, zone = 0, count = 0, allocation = 4096 }: Ask): Promise<ScsiAnswer> {
  const bytes = new Uint8Array(16)
  bytes.set([op.ZBC_IN, serviceAction, (all << 7) | (nzsrc << 6) | domain])
  for (let i = 0; i < 6; i++) bytes[3 + i] = Math.floor(zone / 256 ** (5 - i)) & 0xff
  u32be.set(bytes, 9, allocation)
  u16be.set(bytes, 13, count)
  return d.disk.send(bytes, { dataIn: allocation })
}
const resultOf = ({ data }: ScsiAnswer): { bytes: number; status: number; errors: number; zone: number; changed: (readonly [number, number, number, number, number])[] } => {
  const bytes = data.readUInt32BE(0)
  return {
    bytes, status: data[8]!, errors: data[9]!, zone: data.readUIntBE(24, 6),
    changed: Array.from({ length: Math.min(bytes, data.length - 64) / 24 }, (_, i) => {
      const at = 64 + i * 24
      return [data[at]!, data[at + 1]! >> 4, data[at + 2]!, u64be.get(data, at + 8), u64be.get(data, at + 16)] as const
    }),
  }
}
const summary = async (d: Zoned): Promise<string> => {
  const runs: string[] = []
  for (const z of await d.zones()) {
    const name = `${z.type}/${z.condition.toString(16)}`
    const last = runs.at(-1)?.split('x')
    if (last?.[0] === name) runs[runs.length - 1] = `${name}x${Number(last[1]) + 1}`
    else runs.push(`${name}x1`)
  }
  return runs.join(' ')
}

describe.each(['r5', 'z2'])('dialect %s', (std) => {
  const r5 = std === 'r5'

  test('domains and realms of CONV and SWR with a gap', async () => {
    const d = await open(`type-ZONE_DOM/std-${std}`)
    expect(await summary(d)).toBe(`1/0x${REALMS * CMR} 5/0x3 2/5x${REALMS * SMR}`)
    const domains = (await zbcIn(d, action.REPORT_ZONE_DOMAINS)).data
    expect([domains.readUInt32BE(0), domains.readUInt32BE(4), domains[8], domains[9]]).toEqual([64 + 192, 64 + 192, 2, 2])
    const second = 64 + 96
    const start = (REALMS * CMR + 3) * ZONE
    expect([domains[second], u64be.get(domains, second + 16), u64be.get(domains, second + 24), u64be.get(domains, second + 32), domains[second + 40]])
      .toEqual([1, REALMS * SMR, start, start + REALMS * SMR * ZONE - 1, t.SEQUENTIAL_REQUIRED])
    expect([domains[second + 41], domains[second + 42]]).toEqual(r5 ? [2, 0] : [0, 2])
    const realms = (await zbcIn(d, action.REPORT_REALMS)).data
    const size = 16 + 2 * (r5 ? 32 : 16)
    expect(r5 ? [realms.readUInt32BE(0), realms.readUInt32BE(4)] : [realms.readUInt32BE(0), realms.readUInt32BE(4), realms.readUInt32BE(8)])
      .toEqual(r5 ? [REALMS, size] : [REALMS * size, REALMS, size])
    const third = 64 + 2 * size
    expect([realms.readUInt32BE(third), realms[third + 7], u64be.get(realms, third + 16), u64be.get(realms, third + 24), u64be.get(realms, third + 16 + (r5 ? 32 : 16))])
      .toEqual([2, 0, 2 * CMR * ZONE, 3 * CMR * ZONE - 1, start + 2 * SMR * ZONE])
    expectCheck(await zbcIn(d, action.REPORT_ZONE_DOMAINS, { lba: REALMS * CMR * ZONE }), senseKey.ILLEGAL_REQUEST, sense.ATTEMPT_TO_ACCESS_GAP_ZONE)
    expectLbaOutOfRange(await zbcIn(d, action.REPORT_REALMS, { lba: 2 ** 40 }))
  })

  test('a realm is activated, queried, written, refused while written, and given back', async () => {
    const path = bench.path(`act-${std}`)
    const d = await open(`type-ZONE_DOM/std-${std}`, path)
    const smr = (REALMS * CMR + 3) * ZONE
    await d.disk.write(0, pattern(8, 1))
    const ask = { domain: 1, zone: smr, count: SMR }
    const query = resultOf(await activate(d, action.ZONE_QUERY, ask))
    expect(query).toEqual({ bytes: 48, status: 0x80, errors: 0, zone: 0, changed: [[1, 5, 0, CMR, 0], [2, 1, 1, SMR, smr]] })
    expect(await summary(d)).toBe(`1/0x${REALMS * CMR} 5/0x3 2/5x${REALMS * SMR}`)
    expect(resultOf(await activate(d, action.ZONE_ACTIVATE, ask))).toEqual({ ...query, status: 0x81 })
    expect(await summary(d)).toBe(`1/5x${CMR} 1/0x${(REALMS - 1) * CMR} 5/0x3 2/1x${SMR} 2/5x${(REALMS - 1) * SMR}`)
    expectCheck(await d.disk.write(0, pattern(8, 1)), senseKey.DATA_PROTECT, sense.ZONE_IS_INACTIVE)
    expect((await d.disk.read({ lba: 0, blocks: 8 })).data.every((b) => b === 0)).toBe(true)
    expectGood(await d.disk.write(smr, pattern(8, 2)))
    expectCheck(await d.manage(a.OPEN_ZONE, smr + SMR * ZONE), senseKey.DATA_PROTECT, sense.ZONE_IS_INACTIVE)
    expectInvalidField(await d.manage(a.OPEN_ZONE, 0))
    const back = { domain: 0, zone: 0, count: CMR }
    expect(resultOf(await activate(d, action.ZONE_ACTIVATE, back))).toMatchObject({ errors: 2, zone: smr, changed: [] })
    await d.close()
    const again = await open(`type-ZONE_DOM/std-${std}`, path)
    expect((await again.disk.read({ lba: smr, blocks: 8 })).data).toEqual(pattern(8, 2))
    expectGood(await again.manage(a.RESET_WRITE_POINTER, smr))
    expect(resultOf(await activate(again, action.ZONE_ACTIVATE, back))).toMatchObject({ errors: 0, status: 0x81 })
    expect((await again.disk.read({ lba: 0, blocks: 8 })).data.every((b) => b === 0)).toBe(true)
    expect(await summary(again)).toBe(`1/0x${REALMS * CMR} 5/0x3 2/5x${REALMS * SMR}`)
  })

  test('what an activation is refused for', async () => {
    const d = await open(`type-ZONE_DOM/std-${std}`)
    const smr = (REALMS * CMR + 3) * ZONE
    const ask = (more: Partial<Ask>): Promise<ScsiAnswer> => activate(d, action.ZONE_ACTIVATE, { domain: 1, zone: smr, count: SMR, ...more })
    for (const wrong of [{ domain: 9 }, { count: 0 }, { count: 60000 }, { allocation: 63 }, { zone: smr + 1 }, { zone: REALMS * CMR * ZONE }]) expectInvalidField(await ask(wrong))
    if (r5) expectInvalidField(await ask({ zone: 2 ** 40 }))
    else expectLbaOutOfRange(await ask({ zone: 2 ** 40 }))
    expect(resultOf(await ask({ zone: smr + ZONE }))).toMatchObject({ errors: 4, zone: smr + ZONE })
    expect(resultOf(await ask({ count: SMR - 1 }))).toMatchObject({ errors: 4 })
    const last = (REALMS - 1) * CMR * ZONE
    expect(resultOf(await activate(d, action.ZONE_ACTIVATE, { domain: 0, zone: last, count: 2 * CMR })))
      .toMatchObject(r5 ? { errors: 0x20, zone: last } : { errors: 0x28, zone: REALMS * CMR * ZONE })
  })

  test('ALL activates every realm, and FSNOZ counts when the CDB does not', async () => {
    const d = await open(`type-ZONE_DOM/std-${std}`)
    const smr = (REALMS * CMR + 3) * ZONE
    expect(resultOf(await activate(d, action.ZONE_ACTIVATE, { domain: 1, all: 1, allocation: 64 }))).toMatchObject({ bytes: 24 * 2 * REALMS, errors: 0, status: 0x01 })
    expect(await summary(d)).toBe(`1/5x${REALMS * CMR} 5/0x3 2/1x${REALMS * SMR}`)
    expect(resultOf(await activate(d, action.ZONE_ACTIVATE, { domain: 0, zone: 2 * CMR * ZONE, nzsrc: 0 }))).toMatchObject({ errors: 0, changed: [[1, 0, 0, CMR, 2 * CMR * ZONE], [2, 5, 1, SMR, smr + 2 * SMR * ZONE]] })
    const page = { page: r5 ? 0x3d : 0x0a, subpage: r5 ? 0x08 : 0x0f }
    const body = (await d.disk.send(cdb.modeSense10({ dbd: 1, allocation: 512, ...page }), { dataIn: 512 })).data
    expect([body[8]! & 0x7f, body[9], body.readUInt32BE(12), body[18]]).toEqual([0x40 | page.page, page.subpage, CMR, 1])
    body.writeUInt32BE(2 * CMR, 12)
    body.writeUInt16BE(0, 0)
    expectGood(await d.disk.send(cdb.modeSelect10({ listLength: body.length }), { dataOut: body }))
    expect(resultOf(await activate(d, action.ZONE_QUERY, { domain: 0, zone: 4 * CMR * ZONE, nzsrc: 0 })).changed).toHaveLength(4)
  })

  test('the long CDBs do the same', async () => {
    const d = await open(`type-ZONE_DOM/std-${std}`)
    const smr = (REALMS * CMR + 3) * ZONE
    const send = (serviceAction: number, more: object = {}): Promise<ScsiAnswer> => d.disk.send(Activate32.encode({
      op: op.VARIABLE_LENGTH, additional: 0x18, serviceAction, nzsrc: 1, domain: 1, zone: smr, count: SMR, allocation: 4096, ...more }), { dataIn: 4096 })
    expect(resultOf(await send(0xf801))).toMatchObject({ errors: 0, status: 0x80 })
    expect(resultOf(await send(0xf800))).toMatchObject({ errors: 0, status: 0x81 })
    expectInvalidField(await send(0xf800, { additional: 0x10 }))
    expectInvalidOpcode(await send(0xf7ff))
  })

  test('SOBR zones: written up to their pointer and above it nowhere', async () => {
    const d = await open(`type-ZD_SOBR/std-${std}`)
    expect((await d.zones())[0]!.condition).toBe(c.FULL)
    expectGood(await d.manage(a.RESET_WRITE_POINTER, 0))
    expectGood(await d.disk.write(0, pattern(16, 1)))
    expectGood(await d.disk.write(8, pattern(16, 2)))
    expectCheck(await d.disk.write(32, pattern(8, 3)), senseKey.ILLEGAL_REQUEST, sense.UNALIGNED_WRITE_COMMAND)
    expect((await d.zones())[0]).toMatchObject({ condition: c.IMPLICIT_OPEN, writePointer: 24 })
    expect((await d.disk.read({ lba: 0, blocks: 25 })).data).toEqual(Buffer.concat([pattern(16, 1).subarray(0, 8 * 512), pattern(16, 2), Buffer.alloc(512)]))
    expectInvalidField(await d.manage(a.OPEN_ZONE, 0))
    expectInvalidField(await d.manage(a.CLOSE_ZONE, 0))
    const finished = await d.manage(a.FINISH_ZONE, 0)
    if (r5) expectGood(finished)
    else expectInvalidField(finished)
    expectGood(await d.manage(a.RESET_WRITE_POINTER, 0))
    expectGood(await d.manage(a.RESET_WRITE_POINTER, ZONE))
    expectGood(await d.disk.write(0, pattern(ZONE + 8, 4)))
    expect((await d.zones()).slice(0, 2).map((z) => [z.condition, z.writePointer])).toEqual([[c.FULL, ZONE], [c.IMPLICIT_OPEN, ZONE + 8]])
  })

  test('option 3Eh', async () => {
    const d = await open(`type-ZONE_DOM/std-${std}`)
    expect((await d.report({ options: 0x3e })).data.readUInt32BE(0) / 64).toBe(r5 ? 3 : REALMS * (CMR + SMR))
    expect((await d.report({ options: 0x08 })).data.readUInt32BE(0) / 64).toBe(REALMS * SMR)
  })

  test('who it says it is', async () => {
    const d = await open(`type-ZONE_DOM/std-${std}`)
    expect((await d.disk.inquiry()).data.toString('latin1', 16, 32)).toBe('TCMU DH-SMR dev ')
    expect(d.device.deviceType).toBe(0)
    const b1 = (await d.disk.vpd(0xb1)).data
    expect([b1[8], b1[9]]).toEqual(r5 ? [0x42, 1] : [0x02, 0])
    const b6 = (await d.disk.vpd(0xb6)).data
    expect([b6[4], b6[10], b6.readUInt32BE(16)]).toEqual(r5 ? [0xbf, 0x15, 4] : [0x21, 0, 4])
    const capacity = (await d.disk.readCapacity16()).data
    expect([capacity.readUInt32BE(4), capacity[12]]).toEqual([REALMS * CMR * ZONE - 1, 0])
  })
})

test('MUTATE makes it another kind of disk, SANITIZE empties it, FORMAT UNIT brings back what it was made as', async () => {
  const path = bench.path('mutant')
  const d = await open('type-ZONE_DOM', path)
  const mutate = (type: number, model: number): Promise<ScsiAnswer> => d.disk.send(Uint8Array.of(op.ZBC_OUT, 0x06, type, 0, 0, 0, 0, model, 0, 0, 0, 0, 0, 0, 0, 0), {})
  const mutations = (await zbcIn(d, action.REPORT_MUTATIONS)).data
  expect(mutations.readUInt32BE(0)).toBe((mutations.length - 32) / 8)
  /** Another capacity is news to initiators. */
  const heard = async (): Promise<void> => {
    const answer = await d.disk.testUnitReady()
    if (answer.status !== 0) expectAttention(answer, sense.CAPACITY_DATA_HAS_CHANGED)
  }
  for (let at = 32; at < mutations.length; at += 8) {
    expectGood(await mutate(mutations[at]!, mutations.readUInt32BE(at + 4)))
    await heard()
  }
  expectInvalidField(await mutate(7, 1))
  expectGood(await mutate(2, 3))
  await heard()
  expect(await summary(d)).toBe('1/0x5 2/1x250 1/0x1')
  expect([d.device.deviceType, d.device.blocks]).toEqual([0x14, 256 * ZONE])
  expectGood(await d.disk.write(5 * ZONE, pattern(8, 1)))
  await d.close()
  const again = await open('type-ZONE_DOM', path)
  expect((await again.disk.read({ lba: 5 * ZONE, blocks: 8 })).data).toEqual(pattern(8, 1))
  expectGood(await again.disk.send(Uint8Array.of(op.SANITIZE, 0x83, 0, 0, 0, 0, 0, 0, 0, 0), {}))
  expect(await summary(again)).toBe('1/0x5 2/1x250 1/0x1')
  expectGood(await again.disk.send(Uint8Array.of(4, 0, 0, 0, 0, 0), {}))
  expectAttention(await again.disk.testUnitReady(), sense.CAPACITY_DATA_HAS_CHANGED)
  expect(await summary(again)).toBe(`1/0x${REALMS * CMR} 5/0x3 2/5x${REALMS * SMR}`)
  expect(again.device.deviceType).toBe(0)
})

test('a device that cannot be made leaves things as they were', async () => {
  const d = await bench.open(`type-ZONE_DOM/zsize-64K/rsize-256K/std-r5@${bench.path('small')}`, { subtype: 'dhsmr', sizeBytes: MiB / 2 })
  const before = await summary(d)
  expectCheck(await d.disk.send(Uint8Array.of(op.ZBC_OUT, 0x06, 4, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0), {}), senseKey.HARDWARE_ERROR, sense.INTERNAL_TARGET_FAILURE)
  expect(await summary(d)).toBe(before)
})

test('faulty zones keep their conditions through activation', async () => {
  const d = await open('type-ZD_FAULTY')
  expect((await d.zones()).slice(6, 14).map((z) => z.condition)).toEqual([0, 0xd, 0xd, 0, 0, 0xf, 0xf, 0])
  expectCheck(await d.disk.write(7 * ZONE, pattern(1, 1)), senseKey.DATA_PROTECT, sense.ZONE_IS_READ_ONLY)
  expectCheck(await d.disk.read({ lba: 11 * ZONE, blocks: 1 }), senseKey.DATA_PROTECT, sense.ZONE_IS_OFFLINE)
  expect(resultOf(await activate(d, action.ZONE_ACTIVATE, { domain: 1, zone: REALMS * CMR * ZONE, count: SMR }))).toMatchObject({ errors: 2, zone: 7 * ZONE })
  expect(resultOf(await activate(d, action.ZONE_ACTIVATE, { domain: 1, all: 1 }))).toMatchObject({ errors: 0 })
  expect((await d.zones())[7]!.condition).toBe(0xd)
})

test('the published ZBC-2 has other CDBs and descriptors of 32 bytes', async () => {
  const d = await open('type-ZONE_DOM/std-pub')
  const smr = (REALMS * CMR + 3) * ZONE
  const bytes = new Uint8Array(16)
  bytes.set([op.ZBC_IN, 0x08])
  u64be.set(bytes, 2, smr)
  u16be.set(bytes, 10, SMR)
  u16be.set(bytes, 12, 512)
  bytes[14] = 1
  const { data } = await d.disk.send(bytes, { dataIn: 512 })
  expect([data.readUInt32BE(0), data[8], data[9], data[10], data[64], data[96]]).toEqual([64, 0x81, 0, 1, 1, 2])
})

test.each([
  ['type-NOTHING', /Unsupported device type/], ['zsize-3', /Invalid zone size/], ['rsize-0', /Invalid zone realm size/], ['sgain-1.00', /Invalid zone realm SMR gain/],
  ['wpcheck-x', /Invalid WP Check switch/], ['realms-1', /Invald Realms support switch/], ['std-7', /Invalid standard/], ['odd-1', /Invalid option name/], ['type', /Invalid configuration string format/],
])('cfgstring %s', async (text, message) => {
  await expect(bench.open(`${text}@${bench.path('never')}`, { subtype: 'dhsmr' })).rejects.toThrow(message)
})
