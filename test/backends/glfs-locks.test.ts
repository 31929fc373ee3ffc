import { accessState, tpgs } from '../../packages/host/src/scsi'
import { MemoryPortGroups, portGroup } from '../../packages/host/src/testing'
import { gluster, glusterLack } from './gluster'
import { describeIf } from '../lib/requires'
import { until } from '../lib/run'
import { BLOCK, holds, MiB, type Served, volumes } from './glfs-lib'

const GOOD = 0
const BUSY = 8
const timing = { firstMs: 100, maxMs: 500, graceMs: 5000 }

/** Write until it is no longer BUSY, as initiators do; the last status. */
async function write(s: Served, value: number): Promise<number> {
  let status = BUSY
  await until(async () => (status = (await s.disk.write(0, Buffer.alloc(8 * BLOCK, value), { fua: 1 })).status) !== BUSY, 'the write is let through')
  return status
}

describeIf(glusterLack(), 'two hosts with one file', () => {
  const node = gluster(
    'vol', ['fenced', { 'locks.mandatory-locking': 'forced', 'features.enforce-mandatory-lock': 'on', 'performance.write-behind': 'off' }],
  )
  const at = volumes(node)
  /** A host with a path of its own, by a group that only it serves; the log level keeps their connections apart. */
  const host = async (volume: string, group: 1 | 2): Promise<Served> => {
    const s = await at.make('shared.img', 4 * MiB, {
      config: at.config('shared.img', volume), name: `host${group}`, recovery: timing, options: { logLevel: group === 1 ? 'info' : 'error' },
    })
    s.device.usePortGroups(new MemoryPortGroups(tpgs.IMPLICIT, [portGroup(1, { state: accessState.STANDBY }), portGroup(2, { state: accessState.STANDBY })], group))
    return s
  }
  const pair = async (volume: string): Promise<[Served, Served]> => [await host(volume, 1), await host(volume, 2)]

  test('who writes takes the lock from the other, who finds out and takes it back', async () => {
    const [a, b] = await pair('fenced')
    expect(await write(a, 1)).toBe(GOOD)
    expect(await write(b, 2)).toBe(GOOD)
    expect((await a.disk.write(0, Buffer.alloc(8 * BLOCK, 3), { fua: 1 })).status).toBe(BUSY)
    expect(a.log.lines.join('\n')).toMatch(/glfs reports lock-lost/)
    await holds(b, 2, 0, 8 * BLOCK)
    expect(await write(a, 4)).toBe(GOOD)
    await holds(a, 4, 0, 8 * BLOCK)
    await Promise.all([a, b].map((s) => s.device.close(1000)))
  })

  test('on a volume without such locks nobody is kept out, and the log says so', async () => {
    const [a, b] = await pair('vol')
    expect(await write(a, 1)).toBe(GOOD)
    expect(await write(b, 2)).toBe(GOOD)
    expect(a.log.lines.join('\n')).toMatch(/its volume has no mandatory locks, so that other hosts are not kept from writing/)
  })
})
