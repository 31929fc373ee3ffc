import { hostname } from 'node:os'
import rbd from '@tcmu/handler-rbd'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { testDevice } from '../../packages/host/src/testing'
import { initiatorOf } from '../../packages/host/src/testing/harness'
import { accessState, tpgs } from '../../packages/host/src/scsi'
import { MemoryPortGroups, portGroup } from '../../packages/host/src/testing'
import { describeIf } from '../lib/requires'
import { until } from '../lib/run'
import { cephWithManager, cluster } from './ceph'

const MiB = 2 ** 20

let io: IoEngine
beforeAll(() => void (io = createIoEngine()))
afterAll(() => io.close())

interface Daemon { readonly metadata: Readonly<Record<string, string>> }
interface ServiceMap { readonly services: Readonly<Record<string, { readonly daemons: Readonly<Record<string, Daemon>> }>> }

describeIf(cephWithManager(), 'a cluster with a manager', () => {
  const made = cluster({ manager: true })
  const open = async (config: string) => testDevice(rbd, { config, io, sizeBytes: 0 })

  test('lists the image as a service, and whether it has the lock', async () => {
    const device = await open(await made.it.image('listed', '16M'))
    device.usePortGroups(new MemoryPortGroups(tpgs.EXPLICIT, [portGroup(1, { state: accessState.STANDBY })]))
    const name = `${hostname()}:rbd/listed`
    const listed = async (): Promise<Daemon | undefined> => (JSON.parse(await made.it.ceph('service', 'dump', '--format', 'json')) as ServiceMap).services['tcmu-runner']?.daemons[name]
    await until(async () => (await listed()) !== undefined, 'the service to be listed', 30_000)
    expect((await listed())!.metadata).toMatchObject({ pool_name: 'rbd', image_name: 'listed', daemon_type: 'portal', daemon_prefix: hostname(), image_id: expect.stringMatching(/^[0-9a-f]+$/) as string })
    expect(await made.it.ceph('-s')).toMatch(/tcmu-runner: +1 portal active/)
    const status = async (): Promise<unknown> => (JSON.parse(await made.it.ceph('service', 'status', '--format', 'json')) as Record<string, Record<string, { status: unknown }>>)['tcmu-runner']?.[name]?.status
    await until(async () => (await status()) !== undefined, 'its status', 30_000)
    expect(await status()).toEqual({ lock_owner: 'false' })
    await device.portGroups!.request([{ id: 1, state: accessState.OPTIMIZED }])
    await until(async () => JSON.stringify(await status()) === '{"lock_owner":"true"}', 'its status to change', 30_000)
    await device.close(1000)
    await until(async () => (await listed()) === undefined, 'the service to be gone', 90_000)
  })

  test('says how much is left of the pool', async () => {
    const device = await open(await made.it.image('counted', '64M'))
    const space = () => Promise.resolve(device.ops.space!())
    expect(await space()).toEqual({ used: 0, available: 64 * MiB })
    await initiatorOf(device).write(0, Buffer.alloc(MiB, 1))
    // By whole objects, of 4 MiB.
    expect(await space()).toEqual({ used: 4 * MiB, available: 60 * MiB })
    await made.it.ceph('osd', 'pool', 'set-quota', 'rbd', 'max_bytes', String(24 * MiB))
    await until(async () => (await space()).available < 24 * MiB, 'the quota to be seen', 30_000)
    expect((await space()).available).toBeGreaterThan(16 * MiB)
    await device.close(1000)
  })
})
