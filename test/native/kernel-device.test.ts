import { closeSync, readSync, writeSync } from 'node:fs'
import { openDevice } from '../../packages/host/src/device'
import { TcmuFrontEnd } from '../../packages/host/src/kernel/front-end'
import { loadNative } from '../../packages/host/src/platform'
import { FakeKernel, Initiator, KernelTree, LogLines, NetlinkPeer, ramHandler, throughRing } from '../../packages/host/src/testing'

/** The fake kernel on the other side of a memfd and two eventfds: real mappings, real doorbells. */
const native = loadNative()
const RING = 4096
const DATA = 1 << 20
const POLL_MS = 1

test('a device is served over shared memory, and everything is let go of at its removal', async () => {
  const mem = native.memfd(RING + DATA)
  const [wake, kick] = [native.eventfd(), native.eventfd()]
  const peer = new native.UioMap(mem, RING + DATA, native.eventfd(), native.eventfd(), 8)
  const kernel = new FakeKernel({ ringBytes: RING, dataBytes: DATA, memory: peer.memory })
  kernel.onWake(() => void writeSync(wake, new BigUint64Array([1n])))
  const doorbell = setInterval(() => {
    try {
      readSync(kick, new BigUint64Array(1))
      kernel.kick()
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EAGAIN') clearInterval(doorbell)
    }
  }, POLL_MS)

  const tree = new KernelTree()
  const netlink = new NetlinkPeer()
  const log = new LogLines()
  const disk = { minor: 0, device: 'disk', cfgstring: 'ram/', mapBytes: RING + DATA }
  const front = new TcmuFrontEnd({
    parts: {
      roots: tree.roots, log, map: (_, size) => new native.UioMap(mem, size, wake, kick, 8),
      open: (spec, serial) => openDevice(spec, { handler: ramHandler, io: { open: () => Promise.reject(new Error('none')) }, log, serial }),
    },
    knows: (subtype) => subtype === 'ram', netlink: () => netlink, log,
  })
  await front.start()
  expect(await netlink.event('added', tree.add(disk), 0)).toBe(0)
  const initiator = new Initiator(throughRing(kernel))
  await Promise.all(Array.from({ length: 200 }, (_, lba) => initiator.write(lba, Buffer.alloc(512, lba))))
  const answers = await Promise.all(Array.from({ length: 200 }, (_, lba) => initiator.read({ lba, blocks: 1 })))
  expect(answers.map((a) => a.data[100])).toEqual(Array.from({ length: 200 }, (_, lba) => lba % 256))
  kernel.assertIdle()
  expect(await netlink.event('removed', tree.name(disk), 0)).toBe(0)
  clearInterval(doorbell)
  expect(() => writeSync(wake, new BigUint64Array([1n]))).toThrow(/EBADF/)
  expect(log.lines.filter((l) => !l.startsWith('info'))).toEqual([])
  await front.stop(100)
  kernel.close()
  peer.close()
  closeSync(mem)
  tree.close()
})
