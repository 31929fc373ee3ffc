import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { accessState, association, tpgs } from '../scsi'
import { KernelTree, LogLines, type TreeDevice } from '../testing'
import { memberLines, readGroups } from './alua'
import { KernelPortGroups } from './port-groups'
import { portOf, PortSwitch } from './ports'

const disk: TreeDevice = { minor: 0, device: 'disk', cfgstring: 'lock/' }
const HERE = 'iscsi/iqn.2026-11.test:here/tpgt_1/lun_0'
const THERE = 'iscsi/iqn.2026-11.test:here/tpgt_2/lun_0'
const trees: KernelTree[] = []
const tree = (): KernelTree => {
  const t = new KernelTree()
  trees.push(t)
  t.add(disk)
  return t
}
afterEach(() => {
  for (const t of trees.splice(0)) t.close()
})
const settle = (ms = 10): Promise<void> => new Promise((r) => setTimeout(r, ms))

describe('groups in configfs', () => {
  test('everything of a group and its ports', async () => {
    const t = tree()
    const tpg = t.addPort(HERE, { enabled: 1, relativePort: 7, protocol: 5 })
    t.addPort('loopback/naa.5001405000000001/tpgt_1/lun_3', { relativePort: 9 })
    t.addGroup(disk, 'b', {
      id: 20, state: 2, status: 'Altered by Explicit STPG', type: 'Explicit', preferred: 1, transitionSeconds: 4, lacks: ['offline', 'lba_dependent'],
      members: ['iSCSI/iqn.2026-11.test:here/tpgt_1/lun_0', 'loopback/naa.5001405000000001/tpgt_1/lun_3'],
    })
    t.addGroup(disk, 'a', { id: 3, type: 'None' })
    const [a, b, ...more] = await readGroups(t.roots, t.folder(disk))
    expect(more).toEqual([])
    expect(a).toMatchObject({ id: 3, kind: tpgs.IMPLICIT, state: 0, ports: [], members: [], cause: 0, preferred: false })
    expect(b).toMatchObject({ name: 'b', id: 20, state: accessState.STANDBY, cause: 1, kind: tpgs.EXPLICIT, preferred: true, transitionSeconds: 4, ports: [7, 9] })
    expect([...b!.supported].sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 15])
    expect(b!.members).toEqual([
      { tpg, wwn: 'iqn.2026-11.test:here', tag: 1, enabled: true, relativePort: 7, protocol: 5 },
      expect.objectContaining({ wwn: 'naa.5001405000000001', tag: 1, enabled: true, relativePort: 9, protocol: 6 }),
    ])
  })

  test.each([['None', tpgs.IMPLICIT], ['Implicit', tpgs.IMPLICIT], ['Explicit', tpgs.EXPLICIT], ['Implicit and Explicit', tpgs.BOTH], ['odd', tpgs.IMPLICIT]])(
    'access type %s', async (type, kind) => {
      const t = tree()
      t.addGroup(disk, 'g', { id: 1, type })
      expect((await readGroups(t.roots, t.folder(disk)))[0]!.kind).toBe(kind)
    })

  test('the default group, one without a number and one with an odd state are none', async () => {
    const t = tree()
    for (const [name, id, state] of [['unnumbered', '', '0'], ['odd', '5', '9'], ['worse', '6', 'x']] as const) {
      t.addGroup(disk, name, { id: 1 })
      writeFileSync(join(t.folder(disk), 'alua', name, 'tg_pt_gp_id'), id)
      writeFileSync(join(t.folder(disk), 'alua', name, 'alua_access_state'), state)
    }
    expect(await readGroups(t.roots, t.folder(disk))).toEqual([])
    rmSync(join(t.folder(disk), 'alua'), { recursive: true })
    expect(await readGroups(t.roots, t.folder(disk))).toEqual([])
  })

  test('lines that name no port are left out', async () => {
    const t = tree()
    for (const line of ['', 'iscsi', 'iscsi/x/tpgt_1', 'iscsi/../tpgt_1/lun_0', '../x/tpgt_1/lun_0', './x/tpgt_1/lun_0', 'iscsi/x/tpgt_1/lun_0/more', 'iscsi/x/tpgt_/lun_0']) {
      expect(await portOf(t.roots, line)).toBeUndefined()
    }
    expect(await portOf(t.roots, 'iscsi/x/tpgt_1/lun_0')).toMatchObject({ enabled: true, relativePort: undefined })
  })

  test('whatever `members` says, lines come out of it without their ends', () => {
    fc.assert(fc.property(fc.string(), (text) => memberLines(text).every((l) => l !== '' && !/[\n\0]/.test(l))))
  })
})

describe('groups of a device', () => {
  const groups = (t: KernelTree, log = new LogLines()) => {
    let now = 10_000
    const g = new KernelPortGroups(t.roots, t.folder(disk), log, () => now)
    return { g, log, later: (ms: number) => (now += ms) }
  }

  test('are read when they are asked for, not more than once a second', async () => {
    const t = tree()
    const { g, later } = groups(t)
    let changes = 0
    g.watch(() => changes++)
    expect([g.tpgs, g.own]).toEqual([tpgs.NONE, undefined])
    await g.refresh()
    expect(changes).toBe(0)
    t.addPort(HERE, { enabled: 1 })
    t.addGroup(disk, 'g', { id: 4, members: [HERE] })
    expect(g.refresh()).toBeUndefined()
    later(1001)
    await g.refresh()
    expect([g.tpgs, g.own, changes]).toEqual([tpgs.BOTH, 4, 1])
    expect(g.identity.designators).toHaveLength(4)
    expect(g.identity.designators!.map((d) => d.association)).toEqual([association.TARGET_PORT, association.TARGET_PORT, association.TARGET_PORT, association.TARGET_DEVICE])
  })

  test('ours is the first with a port that is switched on', async () => {
    const t = tree()
    t.addPort(HERE, { enabled: 0 })
    t.addPort(THERE, { enabled: 1 })
    t.addGroup(disk, 'a', { id: 1, members: [HERE], type: 'Implicit' })
    t.addGroup(disk, 'b', { id: 2, members: [THERE], type: 'Explicit' })
    const { g } = groups(t)
    await g.refresh()
    expect([g.own, g.tpgs]).toEqual([2, tpgs.EXPLICIT])
  })

  test('a state is written with its cause, and known at once', async () => {
    const t = tree()
    t.addPort(HERE, { enabled: 1 })
    t.addGroup(disk, 'g', { id: 4, members: [HERE] })
    const { g } = groups(t)
    await g.refresh()
    expect(await g.setState(4, accessState.STANDBY, 1)).toBe(true)
    expect([t.read(disk, 'alua/g/alua_access_state'), t.read(disk, 'alua/g/alua_access_status')]).toEqual(['2', '1'])
    expect(g.groups[0]).toMatchObject({ state: 2, cause: 1 })
    expect(await g.setState(5, accessState.STANDBY, 1)).toBe(false)
    rmSync(join(t.folder(disk), 'alua/g/alua_access_state'))
    expect(await g.setState(4, accessState.OPTIMIZED, 1)).toBe(false)
  })

  test('frozen, nothing is touched', async () => {
    const t = tree()
    t.addGroup(disk, 'g', { id: 4 })
    const { g } = groups(t)
    await g.refresh()
    g.freeze()
    rmSync(t.folder(disk), { recursive: true })
    expect(g.refresh()).toBeUndefined()
    expect(await g.setState(4, accessState.STANDBY, 1)).toBe(false)
    expect(g.groups).toHaveLength(1)
  })

  test('a portal group is expendable only where the groups know of another one', async () => {
    const t = tree()
    const tpg = t.addPort(HERE, { enabled: 1 })
    t.addGroup(disk, 'a', { id: 1, members: [HERE] })
    const { g, later } = groups(t)
    await g.refresh()
    expect(g.expendable).toBeUndefined()
    t.addPort(THERE, { enabled: 0 })
    t.addGroup(disk, 'b', { id: 2, members: [THERE] })
    later(2000)
    await g.refresh()
    expect(g.expendable).toBe(tpg)
    writeFileSync(join(tpg, 'enable'), '0')
    later(2000)
    await g.refresh()
    expect(g.expendable).not.toBe(tpg)
  })
})

describe('a portal group that is switched off', () => {
  const enable = (tpg: string): string => readFileSync(join(tpg, 'enable'), 'latin1')

  test('comes back with the last of its devices', async () => {
    const t = tree()
    const tpg = t.addPort(HERE, { enabled: 1 })
    const log = new LogLines()
    const s = new PortSwitch(log)
    const [a, b] = [{}, {}]
    s.off(tpg, a)
    s.off(tpg, b)
    for (let i = 0; i < 200 && enable(tpg) !== '0'; i++) await settle()
    expect(enable(tpg)).toBe('0')
    await s.on(a)
    expect(enable(tpg)).toBe('0')
    await s.on(b)
    expect(enable(tpg)).toBe('1')
    await s.on(b)
    expect(log.lines).toEqual([expect.stringContaining('is switched off until'), expect.stringContaining('is switched on again')])
  })

  test('one that does not let itself be written is told of', async () => {
    const t = tree()
    const tpg = t.addPort(HERE, { enabled: 1 })
    const log = new LogLines()
    rmSync(join(tpg, 'enable'))
    writeFileSync(join(t.roots.configfs, 'file'), '')
    const s = new PortSwitch(log)
    s.off(join(t.roots.configfs, 'file'), {})
    for (let i = 0; i < 200 && log.lines.length < 2; i++) await settle()
    expect(log.lines.at(-1)).toMatch(/file\/enable: 0 was not taken: ENOTDIR/)
  })
})
