import { spawn } from 'node:child_process'
import { copyFileSync, openSync, closeSync, truncateSync, writeSync } from 'node:fs'
import { describeIf, requires } from '../lib/requires'
import { pause, run } from '../lib/run'
import { BLOCK, Dice, images, KiB, MiB, type Served } from './lib'

jest.setTimeout(300_000)

function poke(path: string, at: number, bytes: readonly number[]): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, Uint8Array.from(bytes), 0, bytes.length, at)
  closeSync(fd)
}
const INCOMPATIBLE = 72
const AUTOCLEAR = 88
const good = { status: 0 }

describeIf(requires.command('qemu-img', 'qemu-utils'), 'images as QEMU makes and breaks them', () => {
  const at = images()
  const make = async (...options: string[]): Promise<string> => {
    const path = at.path()
    await at.img('create', '-q', '-f', 'qcow2', ...options, path, '8M')
    return path
  }
  const info = async (path: string): Promise<Record<string, never>> => JSON.parse(await at.img('info', '--output=json', path)) as Record<string, never>
  const fill = async (s: Served, value: number, from: number, length: number): Promise<void> =>
    expect(await s.disk.write(from / BLOCK, Buffer.alloc(length, value))).toMatchObject(good)
  const holds = async (s: Served, value: number, from: number, length: number): Promise<void> => {
    const { data, status } = await s.disk.read({ lba: from / BLOCK, blocks: length / BLOCK })
    expect(status).toBe(0)
    expect(Buffer.from(data).every((b) => b === value)).toBe(true)
  }

  describe('locks', () => {
    test('while we serve an image QEMU is refused, also as its backing file for writing', async () => {
      const path = await make()
      const s = await at.serve(path)
      for (const args of [['-c', 'read 0 4k'], ['-r', '-c', 'read 0 4k']]) {
        expect(await run('qemu-io', ['-f', 'qcow2', ...args, path])).toMatchObject({ code: 1, text: expect.stringMatching(/Failed to get .*lock/) as string })
      }
      await s.close()
      await at.io(path, 'read 0 4k')
    })

    test.each([['writes', [], {}], ['reads', ['-r'], {}]] as const)('while QEMU %s an image we are refused, and say so', async (_what, flags) => {
      const path = await make()
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
      const path = await make()
      const s = await at.serve(path)
      await expect(at.serve(path)).rejects.toThrow(/E_FILE_LOCKED/)
      await s.close()
      const readers = [await at.serve(path, { options: { readOnly: true } }), await at.serve(path, { options: { readOnly: true } })]
      for (const r of readers) await r.close()
    })

    test('an overlay keeps others from writing its backing file', async () => {
      const base = await make()
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
      const path = await make()
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
      const path = await make()
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
      const path = await make()
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
      const marked = await make()
      await at.io(marked, 'write -P 7 0 64k')
      poke(marked, INCOMPATIBLE, [0, 0, 0, 0, 0, 0, 0, 1])
      const left = await make('-o', 'lazy_refcounts=on')
      await run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 7 0 64k', '-c', 'write -P 9 4M 300k', '-c', 'flush', '-c', 'abort', left])
      expect((await at.check(left)).code).toBe(2)
      for (const path of [marked, left]) {
        const s = await at.serve(path)
        expect(s.log.lines.join()).toMatch(/counts were made anew/)
        await holds(s, 7, 0, 64 * KiB)
        await fill(s, 8, 2 * MiB, 64 * KiB)
        await s.close()
        expect((await at.check(path)).code).toBe(0)
        expect((await info(path))['dirty-flag']).toBe(false)
        await at.io(path, 'read -P 7 0 64k', 'read -P 8 2M 64k')
      }
      await at.io(left, 'read -P 9 4M 300k')
    })

    test('lazy refcounts: the image is marked dirty while it is written, and not after', async () => {
      const path = await make('-o', 'lazy_refcounts=on')
      const s = await at.serve(path)
      await fill(s, 7, 0, 64 * KiB)
      await s.disk.synchronizeCache()
      const copy = at.path()
      copyFileSync(path, copy)
      await s.close()
      expect((await info(copy))['dirty-flag']).toBe(true)
      expect((await info(path))['dirty-flag']).toBe(false)
      expect((await at.check(path)).code).toBe(0)
    })

    test('an unknown autoclear bit is cleared; bitmaps are no longer taken as true', async () => {
      const path = await make()
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
      const path = await make()
      const before = at.bytes(path).subarray(104, 65536)
      const s = await at.serve(path)
      await fill(s, 3, MiB, 64 * KiB)
      await s.close()
      expect(at.bytes(path).subarray(104, 65536).equals(before)).toBe(true)
    })
  })

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
      const path = await make()
      await at.io(path, 'write -P 7 0 1M')
      poke(path, where, bytes)
      const s = await at.serve(path)
      const answer = await s.disk.write(0, Buffer.alloc(BLOCK, 1))
      expect([answer.status, answer.key]).toEqual([2, 3])
      expect((await s.disk.read({ lba: 0, blocks: 1 })).status).toBe(2)
      expect((await s.disk.write(4 * MiB / BLOCK, Buffer.alloc(BLOCK, 1))).status).toBe(2)
      await s.close()
      expect(s.log.lines.join('\n')).toMatch(/is damaged.*marked corrupt/)
      expect((await info(path) as { 'format-specific': { data: { corrupt: boolean } } })['format-specific'].data.corrupt).toBe(true)
      const now = at.bytes(path)
      expect(now.subarray(0x50000, 0x60000).every((b) => b === 7)).toBe(true)
      await expect(at.serve(path)).rejects.toThrow(/E_QCOW_CORRUPT/)
    })

    test('a cluster in use that is counted as free is not taken', async () => {
      const path = await make()
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
      const path = await make()
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
      const path = await make()
      poke(path, 0x10000, [0, 0, 1, 0, 0, 0, 0, 0])
      await expect(at.serve(path)).rejects.toThrow(/E_QCOW_DAMAGED.*refcount table/)
    })
  })

  describe('snapshots', () => {
    test.each(['compat=0.10', 'cluster_size=4k', 'refcount_bits=8', 'extended_l2=on'])('%s: going back to one finds what it had', async (options) => {
      const path = await make('-o', options)
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
    const path = await make()
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
    const path = await make('-b', base, '-F', 'raw')
    await at.io(path, 'write 0 64k', 'write 1M 64k', 'write -z 1M 64k', 'write -z -u 2M 64k')
    const s = await at.serve(path)
    const found = await s.device.ops.extents!({ offset: 0, length: 8 * MiB, signal: new AbortController().signal })
    const state = (offset: number): string => found.find((e) => e.offset <= offset && offset < e.offset + e.length)!.state
    expect([0, 512 * KiB, MiB, 2 * MiB, 5 * MiB, 6 * MiB].map(state)).toEqual(['mapped', 'deallocated', 'anchored', 'deallocated', 'deallocated', 'mapped'])
    await s.close()
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
      expect((await info(path))['virtual-size']).toBe(to)
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
      const path = await make('-o', 'compat=0.10')
      await at.img('snapshot', '-c', 's', path)
      const v1 = at.path()
      await at.img('create', '-q', '-f', 'qcow', v1, '8M')
      for (const [image, sizeBytes, message] of [[path, 16 * MiB, /snapshots/], [path, 4 * MiB, /never cut off/], [v1, 16 * MiB, /version 1/]] as const) {
        const s = await at.serve(image)
        await expect(s.device.reconfigure({ kind: 'size', sizeBytes })).rejects.toThrow(message)
        expect(s.device.blocks).toBe(8 * MiB / BLOCK)
        await s.close()
      }
    })
  })
})
