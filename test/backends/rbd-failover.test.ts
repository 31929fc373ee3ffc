import rbd from '@tcmu/handler-rbd'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { accessState, tpgs } from '../../packages/host/src/scsi'
import { PortGroupDescriptor, SetPortGroupsHeader, StateDescriptor } from '../../packages/host/src/scsi/commands/tpg'
import { cdb, expectGood, LogLines, MemoryPortGroups, portGroup, testDevice } from '../../packages/host/src/testing'
import { initiatorOf } from '../../packages/host/src/testing/harness'
import { sam } from '../../packages/host/src/scsi/status'
import { describeIf } from '../lib/requires'
import { pause, until } from '../lib/run'
import { ceph, cluster } from './ceph'

const { OPTIMIZED, STANDBY } = accessState
const BLOCKS = 64

let io: IoEngine
beforeAll(() => void (io = createIoEngine()))
afterAll(() => io.close())

describeIf(ceph(), 'two hosts and one image of Ceph', () => {
  const made = cluster()

  /** A host with a path of its own to the image, by a group that only it serves. */
  async function host(config: string, group: number, kind: number = tpgs.BOTH) {
    const log = new LogLines()
    const device = await testDevice(rbd, { config, io, sizeBytes: 0, log, recovery: { firstMs: 100, maxMs: 500, graceMs: 1000 } })
    const groups = new MemoryPortGroups(kind, [portGroup(1, { state: STANDBY }), portGroup(2, { state: STANDBY })], group)
    device.usePortGroups(groups)
    const it = initiatorOf(device)
    const set = (state: number) => {
      const list = Buffer.concat([SetPortGroupsHeader.encode({}), StateDescriptor.encode({ id: group, state })])
      return it.send(cdb.setPortGroups({ listLength: list.length }), { dataOut: list })
    }
    const states = async () => {
      const { data } = expectGood(await it.send(cdb.reportPortGroups(), { dataIn: 4096 }))
      return [PortGroupDescriptor.decode(data, 4), PortGroupDescriptor.decode(data, 16)].map((g) => g.state)
    }
    return { device, groups, it, log, set, states, close: () => device.close(2000) }
  }
  const block = (byte: number): Buffer => Buffer.alloc(512, byte)

  test('the one that is made active writes, the other is in standby; both know which', async () => {
    const config = await made.it.image('explicit', '16M')
    const [a, b] = [await host(config, 1), await host(config, 2)]
    expect(await a.states()).toEqual([STANDBY, STANDBY])
    expectGood(await a.set(OPTIMIZED))
    expectGood(await a.it.write(0, block(1)))
    expect((await b.it.write(0, block(2))).status).toBe(sam.CHECK_CONDITION)
    expect([await a.states(), await b.states()]).toEqual([[OPTIMIZED, STANDBY], [OPTIMIZED, STANDBY]])
    expectGood(await b.set(OPTIMIZED))
    expectGood(await b.it.write(0, block(2)))
    expect(await b.states()).toEqual([STANDBY, OPTIMIZED])
    expect((await a.it.write(0, block(3))).status).not.toBe(sam.GOOD)
    // The one that was shut out finds its way back.
    await until(async () => (await a.states()).join() === [STANDBY, OPTIMIZED].join(), 'a to see who has it')
    expectGood(await a.set(OPTIMIZED))
    expectGood(await a.it.write(1, block(4)))
    expect(Buffer.from(expectGood(await a.it.read({ lba: 0, blocks: 1 })).data).equals(block(2))).toBe(true)
    await Promise.all([a.close(), b.close()])
  })

  test('giving the lock back leaves nobody active', async () => {
    const a = await host(await made.it.image('given', '16M'), 1)
    expectGood(await a.set(OPTIMIZED))
    expectGood(await a.set(STANDBY))
    expect(await a.states()).toEqual([STANDBY, STANDBY])
    expect((await a.it.write(0, block(1))).status).toBe(sam.CHECK_CONDITION)
    await a.close()
  })

  test('nothing of the old owner lands once the new one has the lock', async () => {
    const config = await made.it.image('fenced', '16M')
    for (let round = 1; round <= 5; round++) {
      const [a, b] = [await host(config, 1), await host(config, 2)]
      expectGood(await a.set(OPTIMIZED))
      let stop = false
      const writing = Array.from({ length: 16 }, async (_, worker) => {
        const answers: number[] = []
        for (let i = 0; !stop && i < 5000; i++) answers.push((await a.it.write((worker + 16 * i) % BLOCKS, block(round))).status)
        return answers
      })
      await pause(50 * round)
      expectGood(await b.set(OPTIMIZED))
      for (let lba = 0; lba < BLOCKS; lba++) expectGood(await b.it.write(lba, block(100 + round)))
      await pause(200)
      stop = true
      const answers = (await Promise.all(writing)).flat()
      expect(answers).toContain(sam.GOOD)
      expect(answers.at(-1)).not.toBe(sam.GOOD)
      const { data } = expectGood(await b.it.read({ lba: 0, blocks: BLOCKS }))
      expect([...new Set(data)]).toEqual([100 + round])
      await Promise.all([a.close(), b.close()])
    }
  })

  test('where the lock moves by itself, the one that writes takes it', async () => {
    const config = await made.it.image('implicit', '16M')
    const [a, b] = [await host(config, 1, tpgs.IMPLICIT), await host(config, 2, tpgs.IMPLICIT)]
    const write = async (of: typeof a, lba: number, byte: number): Promise<void> => {
      await until(async () => (await of.it.write(lba, block(byte))).status === sam.GOOD, 'the write')
    }
    await write(a, 0, 1)
    await write(b, 0, 2)
    await write(a, 1, 3)
    await until(async () => (await b.it.read({ lba: 0, blocks: 2 })).status === sam.GOOD, 'the read')
    expect(Buffer.from(expectGood(await b.it.read({ lba: 0, blocks: 2 })).data).equals(Buffer.concat([block(2), block(3)]))).toBe(true)
    await Promise.all([a.close(), b.close()])
  })

  test('a host without a lock of its own that an administrator shuts out opens the image again', async () => {
    const log = new LogLines()
    const device = await testDevice(rbd, { config: await made.it.image('listed', '16M'), io, sizeBytes: 0, log, recovery: { firstMs: 100, maxMs: 500, graceMs: 1000 } })
    const it = initiatorOf(device)
    expectGood(await it.write(0, block(1)))
    const client = /"address":"([^"]+)"|watcher=([0-9.:/]+)/.exec(await made.it.rbd('status', 'rbd/listed'))
    await made.it.ceph('osd', 'blocklist', 'add', client![1] ?? client![2]!)
    await until(async () => (await it.write(1, block(2))).status !== sam.GOOD, 'being shut out')
    await until(async () => (await it.write(1, block(2))).status === sam.GOOD, 'being let in again', 30_000)
    expect(log.lines.join('\n')).toMatch(/the cluster has shut this client out.*\n.*\n?.*is open again after/)
    expect(Buffer.from(expectGood(await it.read({ lba: 0, blocks: 1 })).data).equals(block(1))).toBe(true)
    await device.close(2000)
  })
})
