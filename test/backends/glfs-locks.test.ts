import { gluster, glusterLack } from './gluster'
import { describeIf } from '../lib/requires'
import { until } from '../lib/run'
import { BLOCK, fill, holds, MiB, type Served, volumes } from './glfs-lib'

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
  /** Each with a connection of its own: the log level tells them apart. */
  const pair = async (volume: string): Promise<[Served, Served]> => {
    const config = at.config('shared.img', volume)
    const implicit = { config, recovery: timing, lockMode: () => 'implicit' as const }
    const a = await at.make('shared.img', 4 * MiB, { ...implicit, name: 'a', options: { logLevel: 'info' } })
    const b = await at.make('shared.img', 4 * MiB, { ...implicit, name: 'b', options: { logLevel: 'error' } })
    return [a, b]
  }

  test('who writes takes the lock from the other, who finds out and takes it back', async () => {
    const [a, b] = await pair('fenced')
    expect(await write(a, 1)).toBe(GOOD)
    expect(a.device.lockState).toBe('writeLocked')
    expect(await write(b, 2)).toBe(GOOD)
    expect(b.device.lockState).toBe('writeLocked')
    expect((await a.disk.write(0, Buffer.alloc(8 * BLOCK, 3), { fua: 1 })).status).toBe(BUSY)
    expect(a.log.lines.join('\n')).toMatch(/glfs reports lock-lost/)
    await holds(b, 2, 0, 8 * BLOCK)
    expect(await write(a, 4)).toBe(GOOD)
    await holds(a, 4, 0, 8 * BLOCK)
    await Promise.all([a, b].map((s) => s.device.close(1000)))
  }, 60_000)

  test('on a volume without such locks nobody is kept out, and the log says so', async () => {
    const [a, b] = await pair('vol')
    expect(await write(a, 1)).toBe(GOOD)
    expect(await write(b, 2)).toBe(GOOD)
    await fill(a, 3, 0, BLOCK)
    expect(a.log.lines.join('\n')).toMatch(/its volume has no mandatory locks, so that other hosts are not kept from writing/)
  }, 60_000)
})
