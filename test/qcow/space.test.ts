import { truncateSync, writeFileSync } from 'node:fs'
import handler from '@tcmu/handler-qcow'
import { Status } from '../../packages/host/src/scsi'
import { initiatorOf, testDevice } from '../../packages/host/src/testing'
import { describeIf, requires } from '../lib/requires'
import { FragileFile, fragileIo } from './fragile-file'
import { BLOCK, Dice, fill, holds, images, KiB, MiB, poke } from './lib'

const good = { status: 0 }

describeIf(requires.command('qemu-img', 'qemu-utils'), 'space in images', () => {
  const at = images()

  test('a large sparse image of small clusters: its refcount table grows many times', async () => {
    const path = at.path()
    await at.img('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', path, '4G')
    const s = await at.serve(path)
    const written: number[] = []
    for (let i = 0; i < 640; i++) {
      const lba = ((i * 2_654_435) % 65_000) * 128
      written.push(lba)
      expect(await s.disk.write(lba, Buffer.alloc(64 * KiB, 1 + (i % 255)))).toMatchObject(good)
    }
    for (const [i, lba] of written.entries()) await holds(s, 1 + (i % 255), lba * BLOCK, 64 * KiB)
    await s.close()
    expect(await at.check(path)).toMatchObject({ code: 0 })
    await at.io(path, ...written.slice(0, 40).map((lba, i) => `read -P ${1 + i} ${lba * BLOCK} 64k`))
  })

  test('what is unmapped gives its storage back, and is used again', async () => {
    const path = await at.make()
    const s = await at.serve(path)
    await fill(s, 5, 0, 4 * MiB)
    await s.disk.synchronizeCache()
    const size = at.size(path)
    for (let round = 0; round < 4; round++) {
      expect(await s.disk.unmap([{ lba: 0, blocks: 4 * MiB / BLOCK }])).toMatchObject(good)
      await s.disk.synchronizeCache()
      await holds(s, 0, 0, 4 * MiB)
      await fill(s, 6, 0, 4 * MiB)
      await s.disk.synchronizeCache()
    }
    expect(at.size(path)).toBeLessThanOrEqual(size + 4 * MiB + 256 * KiB)
    await s.close()
    expect((await at.check(path)).code).toBe(0)
  })

  test('GET LBA STATUS: data, preallocated zeroes, nothing, what a backing file has', async () => {
    const base = at.base('sparse', Buffer.alloc(0))
    truncateSync(base, 8 * MiB)
    poke(base, 6 * MiB, [1])
    const path = await at.make('-b', base, '-F', 'raw')
    await at.io(path, 'write 0 64k', 'write 1M 64k', 'write -z 1M 64k', 'write -z -u 2M 64k')
    const s = await at.serve(path)
    const found = await s.device.ops.extents!({ offset: 0, length: 8 * MiB, signal: new AbortController().signal })
    const state = (offset: number): string => found.find((e) => e.offset <= offset && offset < e.offset + e.length)!.state
    expect([0, 512 * KiB, MiB, 2 * MiB, 5 * MiB, 6 * MiB].map(state)).toEqual(['mapped', 'deallocated', 'anchored', 'deallocated', 'deallocated', 'mapped'])
    await s.close()
  })

  test('on a block device: free clusters are found, and when there are none writes fail and the rest is right', async () => {
    const path = await at.make('-o', 'cluster_size=4k')
    await at.io(path, 'write -P 7 0 300k')
    const dice = new Dice(8)
    // What a block device had before is no zeroes.
    const device = Buffer.alloc(4 * MiB, 0xdd)
    at.bytes(path).copy(device)
    const file = new FragileFile(path, device, dice, true)
    const served = initiatorOf(await testDevice(handler, { config: path, io: fragileIo(file), sizeBytes: 0 }))
    let full = 0
    for (let lba = 1024; lba < 15_000; lba += 512) {
      const answer = await served.write(lba, Buffer.alloc(100 * BLOCK, 5))
      if (answer.status !== 0) full++
      else expect((await served.read({ lba, blocks: 104 })).data.equals(Buffer.concat([Buffer.alloc(100 * BLOCK, 5), Buffer.alloc(4 * BLOCK)]))).toBe(true)
    }
    expect(full).toBe(0)
    for (let lba = 0; lba < 16_384; lba += 128) if ((await served.write(lba, Buffer.alloc(128 * BLOCK, 6))).status !== 0) full++
    expect(full).toBeGreaterThan(10)
    expect((await served.unmap([{ lba: 0, blocks: 8192 }])).status).toBe(0)
    expect((await served.synchronizeCache()).status).toBe(0)
    expect((await served.write(0, Buffer.alloc(1024 * BLOCK, 9))).status).toBe(0)
    expect((await served.synchronizeCache()).status).toBe(0)
    writeFileSync(path, file.remains())
    expect([0, 3]).toContain((await at.check(path)).code)
    await at.io(path, 'read -P 9 0 512k', 'read -P 0 512k 1M')
  })

  describe('growing', () => {
    test.each([
      ['', '8M', 64 * MiB], ['cluster_size=512', '1M', 40 * MiB], ['compat=0.10,cluster_size=4k', '8M', 3 * 1024 * MiB],
      ['extended_l2=on,cluster_size=16k', '1000448', 512 * MiB], ['lazy_refcounts=on,cluster_size=1k', '3M', 64 * MiB],
    ])('-o %s from %s to %d', async (options, from, to) => {
      const path = at.path()
      await at.img('create', '-q', '-f', 'qcow2', ...(options ? ['-o', options] : []), path, from)
      await at.io(path, 'write -P 5 0 900k')
      const s = await at.serve(path)
      await fill(s, 6, 512 * KiB, 128 * KiB)
      expect(await s.device.reconfigure({ kind: 'size', sizeBytes: to })).toBe(0)
      await s.disk.testUnitReady()
      await fill(s, 7, to - MiB, MiB)
      await holds(s, 0, to - 3 * MiB, MiB)
      await s.close()
      expect(await at.check(path)).toMatchObject({ code: 0 })
      expect((await at.info(path))['virtual-size']).toBe(to)
      await at.io(path, 'read -P 5 0 512k', 'read -P 6 512k 128k', `read -P 7 ${to - MiB} 1M`)
    })

    test('a longer backing file does not show', async () => {
      const path = at.path()
      await at.img('create', '-q', '-f', 'qcow2', '-b', at.base('long', Buffer.alloc(8 * MiB, 9)), '-F', 'raw', path, '1000448')
      const s = await at.serve(path)
      expect(await s.device.reconfigure({ kind: 'size', sizeBytes: 6 * MiB })).toBe(0)
      await s.disk.testUnitReady()
      await holds(s, 9, 0, 1000448)
      await holds(s, 0, 1000448, MiB)
      await holds(s, 0, 5 * MiB, MiB)
      await s.close()
      expect(await at.check(path)).toMatchObject({ code: 0 })
      await at.io(path, 'read -P 9 0 1000448', `read -P 0 1000448 ${6 * MiB - 1000448}`)
    })

    test('what cannot be is refused, and changes nothing', async () => {
      const path = await at.make('-o', 'compat=0.10')
      await at.img('snapshot', '-c', 's', path)
      const v1 = at.path()
      await at.img('create', '-q', '-f', 'qcow', v1, '8M')
      for (const [image, sizeBytes, message] of [[path, 16 * MiB, /snapshots/], [path, 4 * MiB, /never cut off/], [v1, 16 * MiB, undefined]] as const) {
        const s = await at.serve(image)
        const asked = s.device.reconfigure({ kind: 'size', sizeBytes })
        await (message ? expect(asked).rejects.toThrow(message) : expect(asked).resolves.toBe(Status.NOT_HANDLED))
        expect(s.device.blocks).toBe(8 * MiB / BLOCK)
        await s.close()
      }
    })
  })
})
