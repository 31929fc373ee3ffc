import { writeFileSync } from 'node:fs'
import handler from '@tcmu/handler-qcow'
import { initiatorOf, testDevice } from '../../packages/host/src/testing'
import { describeIf, requires } from '../lib/requires'
import { BLOCK, Dice, images, MiB } from './lib'
import { FragileFile, fragileIo } from './fragile-file'


const ROUNDS = Number(process.env['TCMU_QCOW_FUZZ'] ?? 120)
const SIZE = 2 * MiB
/** Nothing that an image says may make the file longer than this: it has 2 MiB of disk. */
const MOST = 64 * MiB
/** Values that are on the edge of something, as they lie in 8 bytes. */
const edges = ['0000000000000000', '0000000000000001', '8000000000000000', '8000000000010000', '8000000000000200', '4000000000000000', '7fffffffffffffff', 'ffffffffffffffff', '00fffffffffffe00', '8000000000030000', 'c000000000040000']

describeIf(requires.command('qemu-img', 'qemu-utils'), 'images with arbitrary bytes in them', () => {
  const at = images()
  const makers: readonly (readonly [string, (path: string) => Promise<void>])[] = [
    ['qcow', async (path) => { await at.img('create', '-q', '-f', 'qcow', path, String(SIZE)) }],
    ['v2', async (path) => { await at.img('create', '-q', '-f', 'qcow2', '-o', 'compat=0.10,cluster_size=4k', path, String(SIZE)) }],
    ['v3', async (path) => { await at.img('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', path, String(SIZE)) }],
    ['v3 with a snapshot', async (path) => {
      await at.img('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=64k', path, String(SIZE))
      await at.io(path, 'write -q -P 3 0 1M')
      await at.img('snapshot', '-c', 's', path)
    }],
    ['extended L2', async (path) => { await at.img('create', '-q', '-f', 'qcow2', '-o', 'extended_l2=on,cluster_size=16k', path, String(SIZE)) }],
    ['lazy, marked dirty', async (path) => { await at.img('create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on,cluster_size=4k', path, String(SIZE)) }],
    ['zlib', async (path) => compressed(path, 'zlib')],
    ['zstd', async (path) => compressed(path, 'zstd')],
  ]
  async function compressed(path: string, type: string): Promise<void> {
    const raw = at.base(`raw-${type}`, new Dice(9).bytes(SIZE))
    await at.img('convert', '-q', '-c', '-O', 'qcow2', '-o', `compression_type=${type}`, raw, path)
  }

  test.each(makers)('%s: refused, or errors, or right; it ends, and stays inside its file', async (name, make) => {
    const path = at.path()
    await make(path)
    const plain = !['zlib', 'zstd'].includes(name)
    if (plain) await at.io(path, 'write -q -P 7 0 300k', 'write -q -P 8 1M 64k')
    const original = at.bytes(path)
    if (name.startsWith('lazy')) original[79] = 1
    const dice = new Dice(21)
    let opened = 0
    for (let round = 0; round < ROUNDS; round++) {
      const file = new FragileFile(path, damaged(original, dice), dice)
      if (await use(file, dice)) opened++
      expect(file.size).toBeLessThan(MOST)
      // QEMU may find damage, but what we did must not keep it from looking.
      if (round % 40 === 0) writeFileSync(path, file.remains())
    }
    expect(opened).toBeGreaterThan(0)
    expect(opened).toBeLessThan(ROUNDS)
  })

  /** Some values of 8 bytes anew; most where tables are: in the first clusters, or where something is already. */
  function damaged(original: Buffer, dice: Dice): Buffer {
    const image = Buffer.from(original)
    for (let n = 1 + dice.below(3); n > 0; n--) {
      const where = [() => dice.below(120), () => dice.below(image.length), () => busy(image, dice)][dice.below(3)]!()
      const position = Math.min(where - (where % 4), image.length - 8)
      if (dice.below(2) === 0) image.write(edges[dice.below(edges.length)]!, Math.max(0, position), 'hex')
      else for (let i = 0; i < 4; i++) image[Math.max(0, position) + i] = dice.below(256)
    }
    return dice.below(12) === 0 ? image.subarray(0, dice.below(image.length)) : image
  }

  function busy(image: Buffer, dice: Dice): number {
    for (let tries = 0; tries < 2000; tries++) {
      const where = dice.below(image.length / 8) * 8
      if (image[where] === 0x80 || image[where + 1] === 1) return where
    }
    return 0
  }

  /** True when it could be opened. Every command ends; a refusal has a code. */
  async function use(file: FragileFile, dice: Dice): Promise<boolean> {
    const opening = testDevice(handler, { config: file.path, io: fragileIo(file), sizeBytes: 0, options: { mappingCache: 65_536, refcountCache: 65_536 } })
    const device = await opening.catch((e: NodeJS.ErrnoException) => {
      if (!/^E_(QCOW|DEVICE)_|^EIO$|^ENOSPC$|^EFBIG$|^ENOENT$/.test(String(e.code))) throw e
      return undefined
    })
    if (!device) return false
    const disk = initiatorOf(device)
    const blocks = Math.min(device.blocks, SIZE / BLOCK)
    for (let i = 0; i < 6; i++) {
      const lba = dice.below(blocks)
      const count = Math.min(1 + dice.below(200), blocks - lba)
      const answers = await Promise.all([
        disk.read({ lba, blocks: count }), disk.write(lba, dice.bytes(Math.min(count, 64) * BLOCK)), disk.unmap([{ lba, blocks: count }]).catch(() => ({ status: 2 })),
      ])
      for (const a of answers) expect([0, 2]).toContain(a.status)
    }
    expect([0, 2]).toContain((await disk.synchronizeCache()).status)
    await device.close(5000).catch((e: NodeJS.ErrnoException) => expect(String(e.code)).toMatch(/^E/))
    return true
  }
})
