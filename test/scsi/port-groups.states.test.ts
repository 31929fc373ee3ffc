import {
  accessState, encodePortGroups, ExtendedPortGroupsHeader, PortDescriptor, PortGroupDescriptor, PortGroupsHeader, SetPortGroupsHeader, StandardInquiry,
  type StateRequest, StateDescriptor, Status, statusRow, tpgs, transitionCause,
} from '@tcmu/host/scsi'
import {
  cdb, expectCheck, expectGood, expectInvalidField, expectInvalidOpcode, expectInvalidParameter, expectParameterListLength, MemoryPortGroups, portGroup,
} from '@tcmu/host/testing'
import { OwnPortGroup } from '../../packages/host/src/device/one-group'
import { disk, pattern } from './harness'

const { OPTIMIZED, NON_OPTIMIZED, STANDBY, UNAVAILABLE, OFFLINE, TRANSITIONING, LBA_DEPENDENT } = accessState

async function grouped(groups = new MemoryPortGroups(), options: Parameters<typeof disk>[0] = {}) {
  const d = await disk(options)
  d.device.usePortGroups(groups)
  return { ...d, groups }
}
const list = (...wanted: readonly StateRequest[]): Buffer =>
  Buffer.concat([SetPortGroupsHeader.encode({}), ...wanted.map((w) => StateDescriptor.encode(w))])
const set = (d: Awaited<ReturnType<typeof grouped>>, parameters: Uint8Array, listLength = parameters.length) =>
  d.initiator.send(cdb.setPortGroups({ listLength }), { dataOut: parameters })
const report = (d: Awaited<ReturnType<typeof grouped>>, fields: object = {}) => d.initiator.send(cdb.reportPortGroups(fields), { dataIn: 4096 })

describe('REPORT TARGET PORT GROUPS', () => {
  test('says what groups there are, byte for byte', async () => {
    const d = await grouped(new MemoryPortGroups(tpgs.BOTH, [
      portGroup(1, { preferred: true, supported: new Set([OPTIMIZED, STANDBY, TRANSITIONING]), ports: [1, 258] }),
      portGroup(0x1234, { state: UNAVAILABLE, cause: transitionCause.EXPLICIT, supported: new Set([NON_OPTIMIZED, UNAVAILABLE, OFFLINE, LBA_DEPENDENT]), ports: [] }),
    ]))
    expect(expectGood(await report(d)).data.toString('hex')).toBe(
      '00000018' + '80' + '85' + '0001' + '00' + '00' + '00' + '02' + '00000001' + '00000102' + '03' + '5a' + '1234' + '00' + '01' + '00' + '00')
  })

  test('with the extended header, whose length counts itself', async () => {
    const groups = new MemoryPortGroups()
    groups.transitionSeconds = 7
    const d = await grouped(groups)
    const { data } = expectGood(await report(d, { format: 1 }))
    expect(ExtendedPortGroupsHeader.decode(data)).toEqual({ length: data.length - 4, formatType: 1, transitionSeconds: 7 })
    expect(PortGroupDescriptor.decode(data, 8)).toMatchObject({ id: 1, state: OPTIMIZED, ports: 1 })
    expect(PortDescriptor.decode(data, 16)).toEqual({ relativePort: 1 })
    expect(PortGroupDescriptor.decode(data, 20)).toMatchObject({ id: 2, state: STANDBY })
  })

  test('is cut to the allocation length, and the length says what there would be', async () => {
    const d = await grouped()
    const { data } = expectGood(await d.initiator.send(cdb.reportPortGroups({ allocation: 6 }), { dataIn: 6 }))
    expect(data).toHaveLength(6)
    expect(PortGroupsHeader.decode(data).length).toBe(24)
    expect(expectGood(await d.initiator.send(cdb.reportPortGroups({ allocation: 0 }), {})).data).toHaveLength(0)
  })

  test.each([2, 3, 7])('other formats are refused (%i)', async (format) => {
    expectInvalidField(await report(await grouped(), { format }))
  })

  test('does not exist without groups, and comes and goes with them', async () => {
    const bare = await disk()
    expectInvalidField(await bare.initiator.send(cdb.reportPortGroups(), { dataIn: 64 }))
    const groups = new MemoryPortGroups(tpgs.NONE)
    const d = await grouped(groups)
    expectInvalidField(await report(d))
    expectInvalidOpcode(await set(d, list()))
    const names = (): string[] => d.device.commands.rows.map((r) => r.name)
    expect(names()).not.toContain('REPORT TARGET PORT GROUPS')
    groups.tpgs = tpgs.IMPLICIT
    expectGood(await report(d))
    expect(names()).toContain('REPORT TARGET PORT GROUPS')
    expect(names()).not.toContain('SET TARGET PORT GROUPS')
    groups.own = undefined
    expectInvalidOpcode(await report(d))
  })

  test('more ports than a byte can count are left out, and no length is wrong', () => {
    const data = encodePortGroups([portGroup(1, { ports: Array.from({ length: 300 }, (_, i) => i + 1) })], false)
    expect(PortGroupsHeader.decode(data).length).toBe(data.length - 4)
    expect(PortGroupDescriptor.decode(data, 4).ports).toBe(255)
  })
})

test.each(Object.values(tpgs))('INQUIRY says who may change states (%i)', async (kind) => {
  const d = await grouped(new MemoryPortGroups(kind))
  expect(StandardInquiry.decode(expectGood(await d.initiator.inquiry()).data).tpgs).toBe(kind)
  expect(d.groups.refreshed).toBe(1)
})

describe('SET TARGET PORT GROUPS, without a lock', () => {
  test.each([OPTIMIZED, NON_OPTIMIZED, STANDBY, UNAVAILABLE])('records the state that was asked for (%i)', async (state) => {
    const d = await grouped()
    expectGood(await set(d, list({ id: 2, state }, { id: 1, state: STANDBY })))
    expect(d.groups.recorded).toEqual([[2, state, transitionCause.EXPLICIT], [1, STANDBY, transitionCause.EXPLICIT]])
  })

  test.each([
    ['a group that is none', list({ id: 9, state: OPTIMIZED }), Status.EXPL_TRANSITION_ERR],
    ['a state that is none', list({ id: 1, state: 7 }), Status.INVALID_PARAM_LIST],
    ['a state that nobody can ask for', list({ id: 1, state: TRANSITIONING }), Status.INVALID_PARAM_LIST],
    ['a group twice', list({ id: 1, state: OPTIMIZED }, { id: 1, state: STANDBY }), Status.INVALID_PARAM_LIST],
    ['one good, one bad', list({ id: 1, state: STANDBY }, { id: 9, state: STANDBY }), Status.EXPL_TRANSITION_ERR],
  ])('%s is refused, and nothing is changed', async (_, parameters, status) => {
    const d = await grouped()
    const { key, code } = statusRow(status).sense as { key: 4; code: never }
    expectCheck(await set(d, parameters), key, code)
    expect(d.groups.recorded).toEqual([])
  })

  test('a state that the group does not have', async () => {
    const d = await grouped(new MemoryPortGroups(tpgs.BOTH, [portGroup(1, { supported: new Set([OPTIMIZED]) })]))
    expectInvalidParameter(await set(d, list({ id: 1, state: STANDBY })))
  })

  test('a state that could not be recorded', async () => {
    const d = await grouped()
    d.groups.stuck.add(1)
    const { key, code } = statusRow(Status.EXPL_TRANSITION_ERR).sense as { key: 4; code: never }
    expectCheck(await set(d, list({ id: 1, state: STANDBY })), key, code)
  })

  test('lists of a wrong length', async () => {
    const d = await grouped()
    for (const n of [1, 3, 5, 7, 9]) expectParameterListLength(await set(d, Buffer.alloc(n)))
    expectParameterListLength(await set(d, list({ id: 1, state: 0 }), 12))
    expectGood(await set(d, Buffer.alloc(4)))
    expectGood(await d.initiator.send(cdb.setPortGroups({ listLength: 0 }), {}))
  })
})

describe('the state of a port lets through', () => {
  const refusals = [
    [STANDBY, Status.FENCED, ['inquiry', 'requestSense', 'reportPortGroups', 'modeSense6', 'reportOpcodes']],
    [UNAVAILABLE, Status.PORT_UNAVAILABLE, ['inquiry', 'requestSense', 'reportPortGroups', 'reportOpcodes']],
    [TRANSITIONING, Status.TRANSITION, ['inquiry', 'requestSense', 'reportPortGroups', 'reportOpcodes']],
    [OFFLINE, Status.PORT_OFFLINE, ['inquiry', 'requestSense']],
    [OPTIMIZED, Status.OK, []],
    [NON_OPTIMIZED, Status.OK, []],
  ] as const

  test.each(refusals)('in state %i', async (state, status, through) => {
    const d = await disk()
    d.device.usePortGroups(new OwnPortGroup({ id: 3, state, preferred: false, relativePort: 1, tpgs: tpgs.IMPLICIT }))
    const outcome = (name: 'inquiry' | 'requestSense' | 'reportPortGroups' | 'modeSense6' | 'reportOpcodes' | 'testUnitReady' | 'read10') =>
      d.initiator.send(cdb[name](name === 'read10' ? { blocks: 1 } : name === 'modeSense6' ? { page: 8 } as object : {}), { dataIn: name === 'testUnitReady' ? 0 : 512 })
    const { sense } = statusRow(status)
    const refused = async (name: Parameters<typeof outcome>[0]): Promise<unknown> => {
      if (!sense || sense === 'task') return expectGood(await outcome(name))
      return expectCheck(await outcome(name), sense.key, sense.code)
    }
    for (const name of through) expectGood(await outcome(name))
    for (const name of ['testUnitReady', 'read10'] as const) await refused(name)
    const write = await d.initiator.write(0, pattern(1))
    if (sense && sense !== 'task') expectCheck(write, sense.key, sense.code)
    else expectGood(write)
  })
})
