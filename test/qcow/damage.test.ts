import { truncateSync } from 'node:fs'
import { describeIf, requires } from '../lib/requires'
import { BLOCK, fill, holds, images, KiB, MiB, poke } from './lib'


describeIf(requires.command('qemu-img', 'qemu-utils'), 'images that were damaged', () => {
  const at = images()

  describe('damage', () => {
    // A fresh image of 64 KiB clusters: header, refcount table, refcount block, L1; then L2 and data.
    const REFCOUNTS = 0x20000
    const L1 = 0x30000
    const L2 = 0x40000
    const broken: readonly (readonly [string, number, readonly number[]])[] = [
      ['an L1 entry with reserved bits', L1, [0x80, 0, 0, 0, 0, 0, 0, 1]],
      ['an L1 entry behind the end', L1, [0x80, 0, 1, 0, 0, 0, 0, 0]],
      ['an L1 entry that is the header\'s place', L1, [0x80, 0, 0, 0, 0, 3, 0, 0]],
      ['an L2 entry that is not on a boundary', L2, [0x80, 0, 0, 0, 0, 5, 2, 0]],
      ['an L2 entry behind the end', L2, [0x80, 0, 0, 0, 0x10, 0, 0, 0]],
      ['an L2 entry in the refcount table', L2, [0x80, 0, 0, 0, 0, 1, 0, 0]],
      ['an L2 entry in the L1 table', L2, [0x80, 0, 0, 0, 0, 3, 0, 0]],
      ['an L2 entry in an L2 table', L2, [0x80, 0, 0, 0, 0, 4, 0, 0]],
      ['an L2 entry with reserved bits', L2, [0x81, 0, 0, 0, 0, 5, 0, 0]],
    ]
    test.each(broken)('%s: an error, a mark, and nothing more is written', async (_name, where, bytes) => {
      const path = await at.make()
      await at.io(path, 'write -P 7 0 1M')
      poke(path, where, bytes)
      const s = await at.serve(path)
      const answer = await s.disk.write(0, Buffer.alloc(BLOCK, 1))
      expect([answer.status, answer.key]).toEqual([2, 3])
      expect((await s.disk.read({ lba: 0, blocks: 1 })).status).toBe(2)
      expect((await s.disk.write(4 * MiB / BLOCK, Buffer.alloc(BLOCK, 1))).status).toBe(2)
      await s.close()
      expect(s.log.lines.join('\n')).toMatch(/is damaged.*marked corrupt/)
      expect((await at.info(path) as unknown as { 'format-specific': { data: { corrupt: boolean } } })['format-specific'].data.corrupt).toBe(true)
      const now = at.bytes(path)
      expect(now.subarray(0x50000, 0x60000).every((b) => b === 7)).toBe(true)
      await expect(at.serve(path)).rejects.toThrow(/E_QCOW_CORRUPT/)
    })

    test('a cluster in use that is counted as free is not taken', async () => {
      const path = await at.make()
      await at.io(path, 'write -P 7 0 64k', 'write -P 8 64k 64k')
      poke(path, REFCOUNTS + 10, [0, 0])
      const s = await at.serve(path)
      for (let i = 4; i < 40; i++) await fill(s, i, i * 128 * KiB, 64 * KiB)
      await holds(s, 7, 0, 64 * KiB)
      await holds(s, 8, 64 * KiB, 64 * KiB)
      expect(s.log.lines.join('\n')).toMatch(/1 clusters are in use and not counted/)
      await s.close()
      await at.img('check', '-q', '-r', 'all', path).catch(() => undefined)
      expect((await at.check(path)).code).toBe(0)
      await at.io(path, 'read -P 7 0 64k')
    })

    test('leaks are no obstacle', async () => {
      const path = await at.make()
      truncateSync(path, 458_752)
      poke(path, REFCOUNTS + 12, [0, 1])
      expect((await at.check(path)).code).toBe(3)
      const s = await at.serve(path)
      await fill(s, 9, 0, MiB)
      await s.close()
      expect((await at.check(path)).code).toBe(3)
      await at.img('check', '-q', '-r', 'leaks', path)
      await at.io(path, 'read -P 9 0 1M')
    })

    test('a refcount table that cannot be: refused', async () => {
      const path = await at.make()
      poke(path, 0x10000, [0, 0, 1, 0, 0, 0, 0, 0])
      await expect(at.serve(path)).rejects.toThrow(/E_QCOW_DAMAGED.*refcount table/)
    })
  })
})
