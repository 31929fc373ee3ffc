import rbd from '@tcmu/handler-rbd'
import { Status } from '@tcmu/host/handler'
import { FixedSense, senseKey } from '../../packages/host/src/scsi/sense'
import { sam } from '../../packages/host/src/scsi/status'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { initiatorOf, LogLines, testDevice, type TestDeviceOptions } from '../../packages/host/src/testing/harness'
import { describeIf } from '../lib/requires'
import { until } from '../lib/run'
import { ceph, cluster } from './ceph'

const MiB = 2 ** 20
let io: IoEngine
beforeAll(() => void (io = createIoEngine()))
afterAll(() => io.close())

describeIf(ceph(), 'a device on an image of Ceph', () => {
  const made = cluster({ keys: true })
  const open = (config: string, more: TestDeviceOptions = {}) => testDevice(rbd, { config, io, sizeBytes: 0, ...more })

  test('grows with the image, and the image with it; neither is cut off from here', async () => {
    const device = await open(await made.it.image('sized', '16M'))
    await made.it.rbd('resize', '--size', '20M', 'rbd/sized')
    await until(() => device.blocks * device.blockSize === 20 * MiB, 'the size that Ceph gave it')
    expect(await device.reconfigure({ kind: 'size', sizeBytes: 24 * MiB })).toBe(Status.OK)
    expect(await made.it.rbd('info', 'rbd/sized')).toMatch(/size 24 MiB/)
    await expect(Promise.resolve(device.reconfigure({ kind: 'size', sizeBytes: 16 * MiB }))).rejects.toThrow(/E_RBD_SIZE: rbd\/sized has 25165824 bytes, and is never cut off/)
    expect(device.blocks * device.blockSize).toBe(24 * MiB)
    await device.close(1000)
  })

  test('who may only read gets a device that is read-only, and is told so', async () => {
    await made.it.image('shown', '16M')
    const log = new LogLines()
    const device = await open(`${made.it.config('rbd/shown')};id=reader`, { log })
    expect(log.lines.join('\n')).toMatch(/rbd\/shown cannot be opened for writing: test is read-only/)
    expect(device.readOnly).toBe(true)
    await device.close(1000)
  })

  test('a user without a key is refused by name', async () => {
    await made.it.image('closed', '16M')
    await expect(open(`${made.it.config('rbd/closed')};id=nobody`)).rejects.toThrow(/client\.nobody/)
  })

  test('an option that nothing is known of, or that would give up slow OSDs, is said', async () => {
    const log = new LogLines()
    const device = await open(`${await made.it.image('warned', '16M')};id=tcmu;colour=red;osd_op_timeout=2`, { log })
    expect(log.lines.join('\n')).toMatch(/rbd\/warned: nothing is known of the options colour/)
    expect(log.lines.join('\n')).toMatch(/osd_op_timeout=2 would give up OSDs that are only slow; 9 s are used/)
    await device.close(1000)
  })

  test('it compares up to what the library can, and the host the rest; the place of a difference is told', async () => {
    const device = await open(`${await made.it.image('compared', '16M')};id=tcmu`, { blockSize: 4096 })
    const initiator = initiatorOf(device)
    await initiator.write(3, Buffer.alloc(4096, 1))
    const pair = (from: number, to: number): Buffer => Buffer.concat([Buffer.alloc(4096, from), Buffer.alloc(4096, to)])
    expect((await initiator.compareAndWrite(3, pair(1, 2))).status).toBe(0)
    const differs = Buffer.concat([Buffer.alloc(700, 2), Buffer.alloc(4096 - 700, 3), Buffer.alloc(4096, 9)])
    const answer = await initiator.compareAndWrite(3, differs)
    expect([answer.status, answer.key, FixedSense.decode(answer.sense!).information]).toEqual([sam.CHECK_CONDITION, senseKey.MISCOMPARE, 700])
    await device.close(1000)
  })
})
