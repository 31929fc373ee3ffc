import { gluster, glusterLack } from './gluster'
import { describeIf } from '../lib/requires'
import { pause, until } from '../lib/run'
import { BLOCK, fill, holds, MiB, type Served, volumes } from './glfs-lib'

const GOOD = 0
const BUSY = 8
const CHECK = 2
/** MEDIUM ERROR, WRITE ERROR (0C/00). */
const writeError = expect.objectContaining({ 2: 3, 12: 0x0c, 13: 0 }) as Uint8Array
const timing = { firstMs: 100, maxMs: 500, graceMs: 5000 }
const SLOT = 16 * BLOCK

/** Commands at a depth of eight, each slot's value checked when it is read; BUSY is asked again, as initiators do. */
class Hammer {
  private readonly values = new Uint8Array(64)
  private stopped = false
  private readonly workers: Promise<void>[]
  busy = 0
  done = 0

  constructor(private readonly s: Served) {
    this.workers = Array.from({ length: 8 }, (_, i) => this.work(i * 8))
  }

  private async work(first: number): Promise<void> {
    for (let n = 0; !this.stopped; n++) {
      const slot = first + (n % 8)
      const value = 1 + (n % 200)
      await this.good(() => this.s.disk.write(slot * SLOT / BLOCK, Buffer.alloc(SLOT, value), { fua: 1 }))
      this.values[slot] = value
      const { data } = await this.good(() => this.s.disk.read({ lba: slot * SLOT / BLOCK, blocks: SLOT / BLOCK }))
      if (Buffer.from(data).some((b) => b !== value)) throw new Error(`slot ${slot} does not hold ${value}`)
    }
  }

  private async good<T extends { status: number }>(command: () => Promise<T>): Promise<T> {
    for (;;) {
      const answer = await command()
      if (answer.status === GOOD) return (this.done++, answer)
      if (answer.status !== BUSY) throw new Error(`status ${answer.status}: ${JSON.stringify(answer)}`)
      this.busy++
      await pause(50)
    }
  }

  async more(commands: number): Promise<void> {
    const from = this.done
    await Promise.race([until(() => this.done >= from + commands, `${commands} more commands`, 30_000), Promise.all(this.workers)])
  }

  async stop(): Promise<void> {
    this.stopped = true
    await Promise.all(this.workers)
    for (let slot = 0; slot < 64; slot++) if (this.values[slot]) await holds(this.s, this.values[slot]!, slot * SLOT, SLOT)
  }
}

describeIf(glusterLack(), 'a brick is lost under load', () => {
  const node = gluster('vol')
  const at = volumes(node)

  test('stopped for a short time: commands wait, nothing fails', async () => {
    const s = await at.make('short.img', 4 * MiB, { recovery: timing })
    const hammer = new Hammer(s)
    await hammer.more(100)
    await node().pauseBrick('vol')
    await pause(500)
    node().resumeBrick('vol')
    await hammer.more(100)
    await hammer.stop()
    expect(hammer.busy).toBe(0)
    expect(s.device.state).toBe('running')
  })

  test.each([
    ['stopped for longer than the ping time-out', () => node().pauseBrick('vol'), async () => node().resumeBrick('vol')],
    ['killed and started again', () => node().killBrick('vol'), () => node().startBrick('vol')],
  ] as const)('%s: BUSY, and I/O goes on by itself', async (_name, lose, bringBack) => {
    const s = await at.make('long.img', 4 * MiB, { recovery: timing })
    const hammer = new Hammer(s)
    await hammer.more(100)
    await lose()
    await until(() => s.device.state === 'recovering', 'the loss is noticed', 20_000)
    expect(await s.disk.read({ lba: 0, blocks: 1 })).toMatchObject({ status: BUSY })
    await until(() => s.log.lines.some((l) => /does not open: E_GLFS_/.test(l)), 'the log says why', 30_000)
    await bringBack()
    await until(() => s.device.state === 'running', 'the device is open again', 30_000)
    await hammer.more(100)
    await hammer.stop()
    expect(hammer.busy).toBeGreaterThan(0)
  })

  test('what was acknowledged and not flushed may be gone: the next flush says so, once', async () => {
    const s = await at.make('behind.img', 4 * MiB, { recovery: timing })
    await fill(s, 1, 0, MiB)
    expect(await s.disk.synchronizeCache()).toMatchObject({ status: GOOD })
    await node().pauseBrick('vol')
    // Out of the client's memory: the brick has seen nothing of it.
    await fill(s, 2, 0, BLOCK)
    await node().killBrick('vol')
    await until(async () => (await s.disk.read({ lba: 100, blocks: 1 })).status === BUSY, 'the loss is noticed', 20_000)
    await node().startBrick('vol')
    await until(() => s.device.state === 'running', 'the device is open again', 30_000)
    expect(await s.disk.synchronizeCache()).toMatchObject({ status: CHECK, sense: writeError })
    expect(await s.disk.synchronizeCache()).toMatchObject({ status: GOOD })
    await holds(s, 1, MiB / 2, MiB / 2)
  })

  test('a write with FUA is not acknowledged out of memory', async () => {
    const s = await at.make('fua.img', 4 * MiB, { recovery: timing })
    await node().pauseBrick('vol')
    await fill(s, 1, 0, BLOCK)
    let acknowledged = false
    const write = s.disk.write(8, Buffer.alloc(BLOCK, 2), { fua: 1 }).then((a) => ((acknowledged = true), a))
    await pause(500)
    expect(acknowledged).toBe(false)
    node().resumeBrick('vol')
    expect(await write).toMatchObject({ status: GOOD })
  })

  test('a device whose brick does not answer closes all the same', async () => {
    const s = await at.make('hung.img', 4 * MiB, { recovery: timing })
    await node().pauseBrick('vol')
    const reads = Array.from({ length: 8 }, (_, i) => s.disk.read({ lba: i, blocks: 1 }))
    const began = performance.now()
    await s.device.close(500)
    await Promise.all(reads)
    expect(performance.now() - began).toBeLessThan(15_000)
    node().resumeBrick('vol')
  })
})
