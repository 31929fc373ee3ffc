import { spawn } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { describeIf, requires } from '../lib/requires'
import { pause, run } from '../lib/run'
import { BLOCK, Dice, fill, holds, images, KiB, MiB, poke } from './lib'


const INCOMPATIBLE = 72
const AUTOCLEAR = 88
const good = { status: 0 }

describeIf(requires.command('qemu-img', 'qemu-utils'), 'images as QEMU makes and breaks them', () => {
  const at = images()

  describe('locks', () => {
    test('while we serve an image QEMU is refused, also as its backing file for writing', async () => {
      const path = await at.make()
      const s = await at.serve(path)
      for (const args of [['-c', 'read 0 4k'], ['-r', '-c', 'read 0 4k']]) {
        expect(await run('qemu-io', ['-f', 'qcow2', ...args, path])).toMatchObject({ code: 1, text: expect.stringMatching(/Failed to get .*lock/) as string })
      }
      await s.close()
      await at.io(path, 'read 0 4k')
    })

    test.each([['writes', []], ['reads', ['-r']]])('while QEMU %s an image we are refused, and say so', async (_what, flags) => {
      const path = await at.make()
      const child = spawn('qemu-io', ['-f', 'qcow2', ...flags, path], { stdio: ['pipe', 'pipe', 'ignore'] })
      child.stdin.write('read 0 4k\n')
      await new Promise((resolve) => child.stdout.once('data', resolve))
      await pause(50)
      await expect(at.serve(path)).rejects.toThrow(/E_FILE_LOCKED/)
      if (flags.length > 0) await (await at.serve(path, { options: { readOnly: true } })).close()
      child.stdin.end('quit\n')
      await new Promise((resolve) => child.on('close', resolve))
      await (await at.serve(path)).close()
    })

    test('two LUNs on one image: the second is refused; two readers are not', async () => {
      const path = await at.make()
      const s = await at.serve(path)
      await expect(at.serve(path)).rejects.toThrow(/E_FILE_LOCKED/)
      await s.close()
      const readers = [await at.serve(path, { options: { readOnly: true } }), await at.serve(path, { options: { readOnly: true } })]
      for (const r of readers) await r.close()
    })

    test('an overlay keeps others from writing its backing file', async () => {
      const base = await at.make()
      const top = at.path()
      await at.img('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', top)
      const s = await at.serve(top)
      await expect(at.serve(base)).rejects.toThrow(/E_FILE_LOCKED/)
      expect(await run('qemu-io', ['-f', 'qcow2', '-c', 'write 0 4k', base])).toMatchObject({ code: 1 })
      await s.close()
    })
  })

  describe('refused', () => {
    const secret = ['--object', 'secret,id=s0,data=pw']
    test.each([
      ['AES in qcow2', ['-f', 'qcow2', ...secret, '-o', 'encrypt.format=aes,encrypt.key-secret=s0'], /E_QCOW_ENCRYPTED.*AES/],
      ['AES in qcow', ['-f', 'qcow', ...secret, '-o', 'encrypt.format=aes,encrypt.key-secret=s0'], /E_QCOW_ENCRYPTED.*AES/],
      ['a raw file', ['-f', 'raw'], /E_QCOW_FORMAT.*does not begin as one/],
      ['another format', ['-f', 'vmdk'], /E_QCOW_FORMAT/],
    ])('%s', async (_name, options, message) => {
      const path = at.path()
      await at.img('create', '-q', ...options, path, '1M')
      await expect(at.serve(path)).rejects.toThrow(message)
    })

    test('LUKS', async () => {
      const path = await at.make()
      poke(path, 32, [0, 0, 0, 2])
      await expect(at.serve(path)).rejects.toThrow(/E_QCOW_ENCRYPTED.*LUKS/)
    })

    test('nothing there, a circle of backing files, one that is missing, one that is no file', async () => {
      await expect(at.serve(at.path('none'))).rejects.toThrow(/E_QCOW_MISSING.*qemu-img create/)
      const [a, b] = [at.path(), at.path()]
      await at.img('create', '-q', '-f', 'qcow2', a, '1M')
      await at.img('create', '-q', '-f', 'qcow2', '-b', a, '-F', 'qcow2', b)
      await at.img('rebase', '-q', '-u', '-b', b, '-F', 'qcow2', a)
      await expect(at.serve(b)).rejects.toThrow(/E_QCOW_CHAIN/)
      await at.img('rebase', '-q', '-u', '-b', '/nowhere/base', '-F', 'raw', a)
      await expect(at.serve(a)).rejects.toThrow(/E_QCOW_BACKING.*ENOENT/)
      await at.img('rebase', '-q', '-u', '-b', 'nbd://127.0.0.1:1/x', '-F', 'raw', a)
      await expect(at.serve(a)).rejects.toThrow(/E_QCOW_BACKING.*not a file/)
      await at.img('rebase', '-q', '-u', '-b', b, '-F', 'vmdk', a)
      await expect(at.serve(a)).rejects.toThrow(/E_QCOW_BACKING.*vmdk/)
    })

    test('an unknown incompatible bit, by number', async () => {
      const path = await at.make()
      poke(path, INCOMPATIBLE, [0, 0, 0, 0, 0x80, 0, 0, 0])
      await expect(at.serve(path)).rejects.toThrow(/E_QCOW_FEATURE.*bit 31/)
      poke(path, INCOMPATIBLE, [0x80, 0, 0, 0, 0, 0, 0, 0])
      await expect(at.serve(path)).rejects.toThrow(/E_QCOW_FEATURE.*bit 63/)
    })

    test('a size that is not the image\'s; whole blocks of it are', async () => {
      const path = at.path()
      await at.img('create', '-q', '-f', 'qcow2', path, '1000448')
      await expect(at.serve(path, { sizeBytes: MiB })).rejects.toThrow(/E_QCOW_SIZE.*1000448 bytes.*size=1000448/)
      const s = await at.serve(path, { blockSize: 4096 })
      expect(s.device.blocks).toBe(Math.floor(1000448 / 4096))
      await s.close()
    })

    test('the corrupt bit: for writing; for reading it is served', async () => {
      const path = await at.make()
      await at.io(path, 'write -P 7 0 64k')
      poke(path, INCOMPATIBLE, [0, 0, 0, 0, 0, 0, 0, 2])
      await expect(at.serve(path)).rejects.toThrow(/E_QCOW_CORRUPT/)
      const s = await at.serve(path, { options: { readOnly: true } })
      await holds(s, 7, 0, 64 * KiB)
      expect((await s.disk.write(0, Buffer.alloc(BLOCK))).status).not.toBe(0)
      await s.close()
    })
  })

  describe('marks in the header', () => {
    test('a sound image that is marked dirty, and one that QEMU left with wrong counts', async () => {
      const marked = await at.make()
      await at.io(marked, 'write -P 7 0 64k')
      poke(marked, INCOMPATIBLE, [0, 0, 0, 0, 0, 0, 0, 1])
      const left = await at.make('-o', 'lazy_refcounts=on')
      await run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 7 0 64k', '-c', 'write -P 9 4M 300k', '-c', 'flush', '-c', 'abort', left])
      expect((await at.check(left)).code).toBe(2)
      for (const path of [marked, left]) {
        const s = await at.serve(path)
        expect(s.log.lines.join()).toMatch(/counts were made anew/)
        await holds(s, 7, 0, 64 * KiB)
        await fill(s, 8, 2 * MiB, 64 * KiB)
        await s.close()
        expect((await at.check(path)).code).toBe(0)
        expect((await at.info(path))['dirty-flag']).toBe(false)
        await at.io(path, 'read -P 7 0 64k', 'read -P 8 2M 64k')
      }
      await at.io(left, 'read -P 9 4M 300k')
    })

    test('lazy refcounts: the image is marked dirty while it is written, and not after', async () => {
      const path = await at.make('-o', 'lazy_refcounts=on')
      const s = await at.serve(path)
      await fill(s, 7, 0, 64 * KiB)
      await s.disk.synchronizeCache()
      const copy = at.path()
      copyFileSync(path, copy)
      await s.close()
      expect((await at.info(copy))['dirty-flag']).toBe(true)
      expect((await at.info(path))['dirty-flag']).toBe(false)
      expect((await at.check(path)).code).toBe(0)
    })

    test('an unknown autoclear bit is cleared; bitmaps are no longer taken as true', async () => {
      const path = await at.make()
      poke(path, AUTOCLEAR, [0, 0, 0, 0, 0, 0, 0, 0x80])
      await (await at.serve(path)).close()
      expect(at.bytes(path).subarray(AUTOCLEAR, AUTOCLEAR + 8)).toEqual(Buffer.alloc(8))
      await at.img('bitmap', '--add', '-g', '64k', path, 'b0')
      expect(at.bytes(path)[AUTOCLEAR + 7]).toBe(1)
      const s = await at.serve(path)
      await fill(s, 3, 0, 64 * KiB)
      await s.close()
      expect(at.bytes(path)[AUTOCLEAR + 7]).toBe(0)
      expect([0, 3]).toContain((await at.check(path)).code)
    })

    test('header extensions and a feature table stay as they are', async () => {
      const path = await at.make()
      const before = at.bytes(path).subarray(104, 65536)
      const s = await at.serve(path)
      await fill(s, 3, MiB, 64 * KiB)
      await s.close()
      expect(at.bytes(path).subarray(104, 65536).equals(before)).toBe(true)
    })
  })

  describe('snapshots', () => {
    test.each(['compat=0.10', 'cluster_size=4k', 'refcount_bits=8', 'extended_l2=on'])('%s: going back to one finds what it had', async (options) => {
      const path = await at.make('-o', options)
      await at.io(path, 'write -P 1 0 4M')
      await at.img('snapshot', '-c', 'before', path)
      const s = await at.serve(path)
      expect(s.log.lines.join('\n')).toMatch(/1 internal snapshots/)
      const dice = new Dice(5)
      for (let i = 0; i < 60; i++) expect(await s.disk.write(dice.below(8000), dice.bytes(3 * BLOCK))).toMatchObject(good)
      expect(await s.disk.unmap([{ lba: 4096, blocks: 2048 }])).toMatchObject(good)
      await s.close()
      expect((await at.check(path)).code).toBe(0)
      await at.img('snapshot', '-a', 'before', path)
      await at.io(path, 'read -P 1 0 4M', 'read -P 0 4M 4M')
      await at.img('snapshot', '-d', 'before', path)
      expect((await at.check(path)).code).toBe(0)
    })
  })
})
