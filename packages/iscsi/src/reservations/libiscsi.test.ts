/** What the reservation families of libiscsi's test tool ask of a target, told here in terms of one logical unit. */
import { BasicList, Capabilities, InHeader, ReservationDescriptor } from './layouts'
import { basicList, CHECK_CONDITION, cdbs, FakeLun, FakeNexus, type FakeTask, GOOD, inquire, out, outCdb, RESERVATION_CONFLICT, sa } from '../testing/fake-lun'
import { keyBytes, keyOf } from './reports'
import { isAllRegistrants, type Key, NO_KEY, ReservationType as T } from './types'
import { Status } from '@tcmu/host/scsi'

const K1 = '00000000deadbeef'
const K2 = '123456789abcdef0'
let lun: FakeLun
let one: FakeNexus
let two: FakeNexus
beforeEach(() => {
  lun = new FakeLun()
  one = new FakeNexus('iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-test')
  two = new FakeNexus('iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-test-2')
})

const good = async (task: Promise<FakeTask>): Promise<FakeTask> => {
  const t = await task
  expect(t.result).toBe(Status.OK)
  return t
}
const conflict = async (task: Promise<FakeTask>): Promise<void> => expect((await task).status).toBe(RESERVATION_CONFLICT)
const clearAttentions = async (nexus: FakeNexus): Promise<void> => {
  while ((await lun.run(nexus, cdbs.testUnitReady)).status !== GOOD);
}
const keys = async (nexus: FakeNexus): Promise<{ generation: number; keys: Key[] }> => {
  const data = (await good(inquire(lun, nexus, 0))).dataIn
  const { generation, additionalLength } = InHeader.decode(data)
  expect(data.length).toBe(InHeader.size + additionalLength)
  return { generation, keys: Array.from({ length: additionalLength / 8 }, (_, i) => keyOf(data.subarray(8 + 8 * i, 16 + 8 * i))) }
}
const reserved = async (nexus: FakeNexus): Promise<{ key: Key; type: number } | undefined> => {
  const data = (await good(inquire(lun, nexus, 1))).dataIn
  if (InHeader.decode(data).additionalLength === 0) return undefined
  const { key, type, scope } = ReservationDescriptor.decode(data, InHeader.size)
  expect(scope).toBe(0)
  return { key: keyOf(key), type }
}
const register = (nexus: FakeNexus, newKey: Key): Promise<FakeTask> => good(out(lun, nexus, sa.REGISTER_AND_IGNORE, { newKey }))
const unregister = (nexus: FakeNexus, key: Key): Promise<FakeTask> => good(out(lun, nexus, sa.REGISTER, { key }))

describe('PrinReadKeys', () => {
  test('Simple: ADDITIONAL LENGTH is the length of what follows', async () => {
    expect(await keys(one)).toEqual({ generation: 0, keys: [] })
  })
  test('Truncate: ADDITIONAL LENGTH is not cut with the data', async () => {
    await register(one, K1)
    const data = (await good(inquire(lun, one, 0, 8))).dataIn
    expect(data.length).toBe(8)
    expect(InHeader.decode(data).additionalLength).toBe(8)
    await unregister(one, K1)
  })
})

test('PrinServiceactionRange: 0 to 3 are answered, 4 to 1Fh are not', async () => {
  for (let i = 0; i < 4; i++) await good(inquire(lun, one, i))
  for (let i = 4; i < 0x20; i++) {
    const task = await inquire(lun, one, i)
    expect(task.result).toBe(Status.INVALID_CDB)
    expect(task.detail?.field).toEqual({ byte: 1, bit: 4, inCdb: true })
  }
})

test('PrinReportCapabilities.Simple: each type in the mask can be reserved', async () => {
  await register(one, K1)
  const caps = Capabilities.decode((await good(inquire(lun, one, 2))).dataIn)
  expect(caps).toMatchObject({
    length: 8, replaceLost: 0, compatibleHandling: 1, specifyInitiatorPorts: 1, allTargetPorts: 1, persist: 0, typeMaskValid: 1, persistActive: 0,
    typeMask: 0b1110_1010_0000_0001,
  })
  expect(caps.allowCommands).toBeLessThanOrEqual(5)
  await unregister(one, K1)
})

test('ProutRegister.Simple: register, fail to register again without the key, unregister', async () => {
  await register(one, K1)
  expect((await keys(one)).keys).toEqual([K1])
  await conflict(out(lun, one, sa.REGISTER, { newKey: K2 }))
  await unregister(one, K1)
  expect((await keys(one)).keys).toEqual([])
})

const types = Object.entries(T)
describe('ProutReserve', () => {
  test.each(types)('Simple: %s is taken, read back and released', async (_name, type) => {
    await register(one, K1)
    await good(out(lun, one, sa.RESERVE, { key: K1, type }))
    expect(await reserved(one)).toEqual({ key: isAllRegistrants(type) ? NO_KEY : K1, type })
    await good(out(lun, one, sa.RELEASE, { key: K1, type }))
    expect(await reserved(one)).toBeUndefined()
    await unregister(one, K1)
  })

  test.each([
    ['AccessEA', T.EXCLUSIVE_ACCESS, false, false, false, false],
    ['AccessWE', T.WRITE_EXCLUSIVE, true, false, true, false],
    ['AccessEARO', T.EXCLUSIVE_ACCESS_RO, true, true, false, false],
    ['AccessWERO', T.WRITE_EXCLUSIVE_RO, true, true, true, false],
    ['AccessEAAR', T.EXCLUSIVE_ACCESS_AR, true, true, false, false],
    ['AccessWEAR', T.WRITE_EXCLUSIVE_AR, true, true, true, false],
  ] as const)('%s', async (_name, type, registeredReads, registeredWrites, otherReads, otherWrites) => {
    const access = async (nexus: FakeNexus, reads: boolean, writes: boolean): Promise<void> => {
      expect((await lun.run(nexus, cdbs.read10)).status).toBe(reads ? GOOD : RESERVATION_CONFLICT)
      expect((await lun.run(nexus, cdbs.write10)).status).toBe(writes ? GOOD : RESERVATION_CONFLICT)
    }
    await register(one, K1)
    await register(two, K2)
    await good(out(lun, one, sa.RESERVE, { key: K1, type }))
    await access(one, true, true)
    await access(two, registeredReads, registeredWrites)
    await unregister(two, K2)
    await access(two, otherReads, otherWrites)
    await good(out(lun, one, sa.RELEASE, { key: K1, type }))
    await access(two, true, true)
    await unregister(one, K1)
  })

  test.each([
    ['OwnershipEA', T.EXCLUSIVE_ACCESS, false],
    ['OwnershipWE', T.WRITE_EXCLUSIVE, false],
    ['OwnershipEARO', T.EXCLUSIVE_ACCESS_RO, false],
    ['OwnershipWERO', T.WRITE_EXCLUSIVE_RO, false],
    ['OwnershipEAAR', T.EXCLUSIVE_ACCESS_AR, true],
    ['OwnershipWEAR', T.WRITE_EXCLUSIVE_AR, true],
  ] as const)('%s: whether the reservation outlives its first registrant', async (_name, type, shared) => {
    await register(one, K1)
    await register(two, K2)
    await good(out(lun, one, sa.RESERVE, { key: K1, type }))
    await unregister(one, K1)
    expect(await reserved(one)).toEqual(shared ? { key: NO_KEY, type } : undefined)
    if (shared) await good(out(lun, two, sa.RELEASE, { key: K2, type }))
    else await clearAttentions(two)
    await unregister(two, K2)
    expect(await reserved(one)).toBeUndefined()
  })
})

test('ProutClear.Simple: one generation on, nothing left', async () => {
  await register(one, K1)
  const { generation } = await keys(one)
  await good(out(lun, one, sa.RESERVE, { key: K1, type: T.EXCLUSIVE_ACCESS }))
  await good(out(lun, one, sa.CLEAR, { key: K1 }))
  expect(await reserved(one)).toBeUndefined()
  expect(await keys(one)).toEqual({ generation: generation + 1, keys: [] })
})

test('ProutPreempt.RemoveRegistration', async () => {
  await register(one, K1)
  await register(two, K2)
  const before = await keys(one)
  expect(before.keys).toEqual([K1, K2])
  await good(out(lun, two, sa.PREEMPT, { key: K2, newKey: K1, type: T.EXCLUSIVE_ACCESS }))
  expect((await lun.run(one, cdbs.testUnitReady)).result).toBe(Status.REGISTRATIONS_PREEMPTED)
  await clearAttentions(one)
  await clearAttentions(two)
  expect(await keys(one)).toEqual({ generation: before.generation + 1, keys: [K2] })
  await unregister(two, K2)
})

describe('Reserve6', () => {
  const reserve = (nexus: FakeNexus): Promise<FakeTask> => lun.run(nexus, cdbs.reserve6)
  const release = (nexus: FakeNexus): Promise<FakeTask> => lun.run(nexus, cdbs.release6)
  const secondGetsIt = async (): Promise<void> => {
    await good(reserve(two))
    await good(release(two))
  }
  test('Simple', async () => {
    await good(reserve(one))
    await good(release(one))
  })
  test('2Initiators', async () => {
    await good(reserve(one))
    await good(reserve(one))
    await conflict(reserve(two))
    await good(release(two))
    await good(lun.run(one, cdbs.modeSense6))
    await conflict(lun.run(two, cdbs.modeSense6))
    await conflict(lun.run(two, cdbs.testUnitReady))
    await conflict(reserve(two))
    await good(release(one))
    await secondGetsIt()
  })
  test.each(['Logout', 'ITNexusLoss'])('%s', async () => {
    await good(reserve(one))
    await conflict(reserve(two))
    lun.reservations.nexusLost(one)
    one = new FakeNexus(one.initiator)
    await secondGetsIt()
  })
  test.each(['TargetColdReset', 'TargetWarmReset', 'LUNReset'])('%s', async () => {
    await good(reserve(one))
    lun.reservations.reset()
    await secondGetsIt()
  })
})

test('the parameter list of the tool, byte by byte', async () => {
  const list = basicList({ key: K1, newKey: K2 })
  expect(Buffer.from(list).toString('hex')).toBe(`${K1}${K2}0000000000000000`)
  expect(Buffer.from(outCdb(sa.RESERVE, { type: 3 }, 24)).toString('hex')).toBe('5f010300000000001800')
  expect(list.length).toBe(BasicList.size)
  expect(keyOf(keyBytes(K1))).toBe(K1)
  expect((await lun.run(one, outCdb(sa.REGISTER, {}, 23), list)).status).toBe(CHECK_CONDITION)
})
