import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describeIf, requires } from '../lib/requires'
import { pause } from '../lib/run'
import { batch, SLOT, valueOf } from './batches'
import { Dice, images, KiB, MiB } from './lib'


const ROUNDS = Number(process.env['TCMU_QCOW_KILLS'] ?? 10)
const SIZE = 32 * MiB
const SLOTS = SIZE / SLOT
/** More than anybody gets through before the kill. */
const MOST_BATCHES = 400

interface Flavour { readonly name: string; readonly options: string; readonly cluster: number; readonly snapshot?: true; readonly lazy?: true; readonly backed?: true }
const flavours: readonly Flavour[] = [
  { name: 'v3, clusters of 64k', options: '', cluster: 64 * KiB },
  { name: 'v3, clusters of 4k', options: 'cluster_size=4k', cluster: 4 * KiB },
  { name: 'v3, clusters of 512 bytes: the refcount table grows', options: 'cluster_size=512', cluster: 512 },
  { name: 'v3 with a snapshot, over a backing file', options: 'cluster_size=16k', cluster: 16 * KiB, snapshot: true, backed: true },
  { name: 'lazy refcounts', options: 'lazy_refcounts=on,cluster_size=8k', cluster: 8 * KiB, lazy: true },
]

/** A process that works through batches; killed after a while. Resolves to the last batch that was flushed. */
function killed(path: string, seed: number, unit: number, afterMs: number): Promise<number> {
  const batches = `${path}.batches`
  writeFileSync(batches, JSON.stringify({ slot: SLOT, batches: Array.from({ length: MOST_BATCHES }, (_, n) => batch(seed, n, SLOTS, unit)) }))
  const script = [resolve(__dirname, 'kill-child.cjs'), path, batches]
  return new Promise((done, failed) => {
    const child: ChildProcess = spawn(process.execPath, script, { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let complaints = ''
    child.stderr!.setEncoding('utf8').on('data', (s: string) => (complaints += s))
    child.stdout!.setEncoding('utf8').on('data', (s: string) => {
      if (out === '' && s !== '') void pause(afterMs).then(() => child.kill('SIGKILL'))
      out += s
    })
    child.on('close', (code, signal) => {
      if (signal !== 'SIGKILL') return failed(new Error(`the process ended with ${code}: ${complaints}`))
      const lines = out.split('\n').slice(0, -1)
      return done(lines.length > 1 ? Number(lines[lines.length - 1]) : -1)
    })
  })
}

describeIf(requires.command('qemu-img', 'qemu-utils'), 'kill -9 under load', () => {
  const at = images()

  test.each(flavours.map((f) => [f.name, f] as const))('%s', async (_name, flavour) => {
    const path = at.path()
    const dice = new Dice(11)
    let slots: Uint8Array = new Uint8Array(SLOTS)
    const base = flavour.backed ? ['-b', at.base(`base-${flavour.name}`, Buffer.alloc(SIZE, 0x7b)), '-F', 'raw'] : []
    if (flavour.backed) slots.fill(0x7b)
    await at.img('create', '-q', '-f', 'qcow2', ...(flavour.options ? ['-o', flavour.options] : []), ...base, path, String(SIZE))
    if (flavour.snapshot) {
      await at.io(path, `write -q -P 9 0 ${SIZE / 2}`)
      await at.img('snapshot', '-c', 's', path)
      slots.fill(9, 0, SLOTS / 2)
    }
    const unit = Math.max(1, flavour.cluster / SLOT)
    for (let round = 0; round < ROUNDS; round++) {
      const seed = dice.below(1e6)
      const last = await killed(path, seed, unit, 20 + dice.below(500))
      await letGo(path)
      if (flavour.lazy) await repaired(path)
      const { code, text } = await at.check(path)
      expect([0, 3, text]).toContain(code)
      if (code === 3) {
        await at.img('check', '-q', '-r', 'leaks', path)
        expect(await at.check(path)).toMatchObject({ code: 0 })
      }
      slots = await survivors(path, slots, seed, last, unit)
    }
    if (flavour.snapshot) await snapshotIntact(path)
  })

  /** The kernel lets go of the files of an io_uring, locks included, a moment after its process is gone. */
  async function letGo(path: string): Promise<void> {
    for (let tries = 250; tries > 0 && (await at.check(path)).text.includes('Failed to get shared "write" lock'); tries--) await pause(20)
  }

  /** QEMU repairs a copy, we repair the image by opening it. */
  async function repaired(path: string): Promise<void> {
    const copy = at.path()
    copyFileSync(path, copy)
    await at.img('check', '-q', '-r', 'all', copy).catch(() => undefined)
    expect(await at.check(copy)).toMatchObject({ code: 0 })
    rmSync(copy)
    await (await at.serve(path)).close()
    expect(await at.check(path)).toMatchObject({ code: 0 })
  }

  /** What is there now: everything flushed; of the batch after that, any part. */
  async function survivors(path: string, before: Uint8Array, seed: number, last: number, unit: number): Promise<Uint8Array> {
    const flushed = Uint8Array.from(before)
    for (let n = 0; n <= last; n++) for (const c of batch(seed, n, SLOTS, unit)) flushed.fill(valueOf(c), c.first, c.first + c.count)
    const later = new Map(batch(seed, last + 1, SLOTS, unit).flatMap((c) => Array.from({ length: c.count }, (_, i) => [c.first + i, valueOf(c)] as const)))
    const raw = at.path()
    await at.img('convert', '-q', '-O', 'raw', path, raw)
    const found = at.bytes(raw)
    rmSync(raw)
    for (let s = 0; s < SLOTS; s++) {
      const piece = found.subarray(s * SLOT, (s + 1) * SLOT)
      const allowed = later.has(s) ? [flushed[s]!, later.get(s)!] : [flushed[s]!]
      const wrong = piece.findIndex((b) => !allowed.includes(b))
      if (wrong >= 0) throw new Error(`slot ${s}: byte ${wrong} is ${piece[wrong]}, not ${allowed.join(' or ')} (batch ${last} was flushed)`)
      flushed[s] = piece[0]!
      // A write that nobody flushed may be there in part. The slot is made whole, so that the next round knows what is there.
      if (piece.some((b) => b !== piece[0])) await at.io(path, `write -q -P ${piece[0]!} ${s * SLOT} ${SLOT}`)
    }
    return flushed
  }

  async function snapshotIntact(path: string): Promise<void> {
    await at.img('snapshot', '-a', 's', path)
    const raw = at.path()
    await at.img('convert', '-q', '-O', 'raw', path, raw)
    const found = at.bytes(raw)
    expect(found.subarray(0, SIZE / 2).every((b) => b === 9)).toBe(true)
    expect(found.subarray(SIZE / 2).every((b) => b === 0x7b)).toBe(true)
  }
})
