import { writeFileSync } from 'node:fs'
import handler from '@tcmu/handler-qcow'
import { initiatorOf, testDevice } from '../../packages/host/src/testing'
import { describeIf, requires } from '../lib/requires'
import { batch, type Command, SLOT, valueOf } from './batches'
import { FragileFile, fragileIo } from './fragile-file'
import { BLOCK, Dice, images, KiB, MiB } from './lib'


const ROUNDS = Number(process.env['TCMU_QCOW_LOSSES'] ?? 8)
const SIZE = 4 * MiB
const SLOTS = SIZE / SLOT
const PER = SLOT / BLOCK

describeIf(requires.command('qemu-img', 'qemu-utils'), 'the power goes at any moment', () => {
  const at = images()

  test.each([
    ['clusters of 4k', 'cluster_size=4k', 4 * KiB], ['clusters of 512 bytes', 'cluster_size=512', 512], ['clusters of 64k', 'cluster_size=64k', 64 * KiB],
    ['version 2', 'compat=0.10,cluster_size=8k', 8 * KiB], ['extended L2', 'extended_l2=on,cluster_size=32k', 32 * KiB],
    ['snapshot', 'cluster_size=4k', 4 * KiB],
  ])('%s: no damage, and everything flushed', async (name, options, cluster) => {
    const path = at.path()
    await at.img('create', '-q', '-f', 'qcow2', '-o', options, path, String(SIZE))
    const slots = new Uint8Array(SLOTS)
    if (name === 'snapshot') {
      await at.io(path, `write -q -P 9 0 ${SIZE / 2}`)
      await at.img('snapshot', '-c', 's', path)
      slots.fill(9, 0, SLOTS / 2)
    }
    const dice = new Dice(3)
    for (let round = 0; round < ROUNDS; round++) {
      const seed = dice.below(1e6)
      const file = new FragileFile(path, at.bytes(path), dice)
      const flushed = await work(file, seed, Math.max(1, cluster / SLOT), 40 + dice.below(700))
      writeFileSync(path, file.remains())
      const { code, text } = await at.check(path)
      expect([0, 3, text]).toContain(code)
      if (code === 3) await at.img('check', '-q', '-r', 'leaks', path)
      await survivors(path, slots, seed, flushed, Math.max(1, cluster / SLOT))
    }
  })

  /** Work through batches until the power goes; the last one that was flushed. */
  async function work(file: FragileFile, seed: number, unit: number, operations: number): Promise<number> {
    const device = await testDevice(handler, { config: file.path, io: fragileIo(file), sizeBytes: 0, options: { writeBackSeconds: 0.1, mappingCache: 65_536, refcountCache: 65_536 } })
    const disk = initiatorOf(device)
    const commands: Readonly<Record<Command['kind'], (c: Command) => Promise<{ status: number }>>> = {
      write: (c) => disk.write(c.first * PER, Buffer.alloc(c.count * SLOT, c.fill)),
      zero: (c) => disk.writeSame({ lba: c.first * PER, blocks: c.count * PER }, new Uint8Array(BLOCK)),
      unmap: (c) => disk.unmap([{ lba: c.first * PER, blocks: c.count * PER }]),
    }
    let flushed = -1
    file.dieAfter(operations)
    const run = async (): Promise<void> => {
      for (let n = 0; ; n++) {
        await Promise.all(batch(seed, n, SLOTS, unit).map((c) => commands[c.kind](c)))
        await disk.synchronizeCache()
        flushed = n
      }
    }
    void run()
    while (!file.isDead) await new Promise((resolve) => setImmediate(resolve))
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    return flushed
  }

  async function survivors(path: string, slots: Uint8Array, seed: number, last: number, unit: number): Promise<void> {
    for (let n = 0; n <= last; n++) for (const c of batch(seed, n, SLOTS, unit)) slots.fill(valueOf(c), c.first, c.first + c.count)
    const later = new Map(batch(seed, last + 1, SLOTS, unit).flatMap((c) => Array.from({ length: c.count }, (_, i) => [c.first + i, valueOf(c)] as const)))
    const raw = at.path()
    await at.img('convert', '-q', '-O', 'raw', path, raw)
    const found = at.bytes(raw)
    for (let s = 0; s < SLOTS; s++) {
      const allowed = [slots[s]!, ...(later.has(s) ? [later.get(s)!] : [])]
      const piece = found.subarray(s * SLOT, (s + 1) * SLOT)
      const wrong = piece.findIndex((b) => !allowed.includes(b))
      if (wrong >= 0) throw new Error(`slot ${s}: byte ${wrong} is ${piece[wrong]}, not ${allowed.join(' or ')} (batch ${last} was flushed)`)
      slots[s] = piece[0]!
      // A torn slot is made whole, so that the next round knows what is there.
      if (piece.some((b) => b !== piece[0])) await at.io(path, `write -q -P ${piece[0]!} ${s * SLOT} ${SLOT}`)
    }
  }
})
