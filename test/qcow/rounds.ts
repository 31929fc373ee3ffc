import { BLOCK, type Dice, type Images, KiB, type Served } from './lib'
import type { Made, Recipe } from './recipes'

/** Longest command, in blocks. */
const LONGEST = 600

interface Range { readonly lba: number; readonly blocks: number }

/** Random operations on an image, compared with a model: ours, and QEMU's in turn. */
export class Rounds {
  private served: Served | undefined = undefined
  readonly done: string[] = []

  constructor(private readonly at: Images, private readonly recipe: Recipe, private readonly made: Made, private readonly dice: Dice) {}

  private get model(): Buffer {
    return this.made.model
  }
  private get blocks(): number {
    return this.model.length / BLOCK
  }

  private range(): Range {
    const lba = this.dice.below(this.blocks)
    return { lba, blocks: Math.min(1 + this.dice.below(this.dice.below(4) === 0 ? LONGEST : 24), this.blocks - lba) }
  }

  private async open(): Promise<Served> {
    return (this.served ??= await this.at.serve(this.made.path, { blockSize: this.recipe.blockSize ?? BLOCK }))
  }

  async close(): Promise<void> {
    await this.served?.close()
    this.served = undefined
  }

  private readonly steps: readonly (readonly [weight: number, name: string, step: () => Promise<void>])[] = [
    [8, 'write', () => this.write()],
    [4, 'crowd', () => this.crowd()],
    [4, 'read', () => this.read()],
    [2, 'zero', () => this.zero(0)],
    [1, 'zero and unmap', () => this.zero(1)],
    [3, 'unmap', () => this.unmap()],
    [2, 'flush', () => this.flush()],
    [1, 'reopen', () => this.close()],
    [1, 'QEMU', () => this.qemu()],
  ]

  async run(count: number): Promise<void> {
    const total = this.steps.reduce((sum, [w]) => sum + w, 0)
    for (let n = 0; n < count; n++) {
      let pick = this.dice.below(total)
      const [, name, step] = this.steps.find(([w]) => (pick -= w) < 0)!
      this.done.push(name)
      await step()
    }
    await this.compare()
    await this.close()
  }

  private good(answer: { status: number }): void {
    if (answer.status !== 0) throw new Error(`round ${this.done.length} (${this.done.at(-1)}): ${JSON.stringify(answer)}`)
  }

  private async write(): Promise<void> {
    const { disk } = await this.open()
    const { lba, blocks } = this.range()
    const data = this.dice.bytes(blocks * BLOCK)
    this.good(await disk.write(lba, data, { fua: this.dice.below(20) === 0 ? 1 : 0 }))
    data.copy(this.model, lba * BLOCK)
  }

  /** Many at once, neighbours in the same clusters. */
  private async crowd(): Promise<void> {
    const { disk } = await this.open()
    let lba = this.dice.below(this.blocks)
    const work: Promise<void>[] = []
    for (let i = 0; i < 24 && lba < this.blocks; i++) {
      const at = lba
      const data = this.dice.bytes(Math.min(1 + this.dice.below(16), this.blocks - lba) * BLOCK)
      work.push(disk.write(at, data).then((a) => this.good(a)))
      data.copy(this.model, at * BLOCK)
      lba += data.length / BLOCK + this.dice.below(8)
    }
    await Promise.all(work)
  }

  private async same(lba: number, blocks: number): Promise<void> {
    const { disk } = await this.open()
    const answer = await disk.read({ lba, blocks })
    this.good(answer)
    const wanted = this.model.subarray(lba * BLOCK, (lba + blocks) * BLOCK)
    const differs = Buffer.compare(answer.data, wanted)
    if (differs !== 0) {
      const i = wanted.findIndex((b, k) => b !== answer.data[k])
      throw new Error(`round ${this.done.length} (${this.done.slice(-6).join(', ')}): byte ${lba * BLOCK + i} is ${answer.data[i]}, not ${wanted[i]}`)
    }
  }

  private async read(): Promise<void> {
    const { lba, blocks } = this.range()
    await this.same(lba, blocks)
  }

  private async compare(): Promise<void> {
    for (let lba = 0; lba < this.blocks; lba += 1024) await this.same(lba, Math.min(1024, this.blocks - lba))
  }

  private async zero(unmap: number): Promise<void> {
    const { disk, device } = await this.open()
    const { lba, blocks } = this.range()
    this.good(await disk.writeSame({ lba, blocks }, new Uint8Array(BLOCK), { unmap: device.abilities.unmap === 'none' ? 0 : unmap }))
    this.model.fill(0, lba * BLOCK, (lba + blocks) * BLOCK)
  }

  /** What was unmapped reads as zeroes, or as before. */
  private async unmap(): Promise<void> {
    const { disk, device } = await this.open()
    if (device.abilities.unmap === 'none') return
    const { lba, blocks } = this.range()
    this.good(await disk.unmap([{ lba, blocks }]))
    const { data } = await disk.read({ lba, blocks })
    for (let i = 0; i < blocks; i++) {
      const now = Buffer.from(data.buffer, data.byteOffset + i * BLOCK, BLOCK)
      if (now.every((b) => b === 0)) this.model.fill(0, (lba + i) * BLOCK, (lba + i + 1) * BLOCK)
    }
    await this.same(lba, blocks)
  }

  private async flush(): Promise<void> {
    const { disk } = await this.open()
    this.good(await disk.synchronizeCache())
  }

  /** QEMU looks at what we wrote, and writes. */
  private async qemu(): Promise<void> {
    await this.close()
    await this.at.verify(this.made.path, this.made.format, this.model)
    const commands: string[] = []
    for (let i = 0; i < 6; i++) {
      const { lba, blocks } = this.range()
      const pattern = 1 + this.dice.below(255)
      const zero = this.dice.below(3) === 0 && this.made.format === 'qcow2'
      commands.push(zero ? `write -q -z ${this.dice.below(2) ? '-u ' : ''}${lba * BLOCK} ${blocks * BLOCK}` : `write -q -P ${pattern} ${lba * BLOCK} ${blocks * BLOCK}`)
      this.model.fill(zero ? 0 : pattern, lba * BLOCK, (lba + blocks) * BLOCK)
    }
    if (this.made.format === 'qcow2' && this.model.length % (64 * KiB) === 0 && this.dice.below(3) === 0 && !this.recipe.name.includes('data file') && !this.recipe.name.includes('extended')) await this.compress(commands)
    await this.at.io(this.made.path, ...commands)
  }

  /** QEMU compresses whole clusters, and only where none is. */
  private async compress(commands: string[]): Promise<void> {
    const info = JSON.parse(await this.at.img('info', '--output=json', this.made.path)) as { 'cluster-size': number; 'format-specific': { data: { 'refcount-bits': number } } }
    const size = info['cluster-size']
    // Compressed clusters share; a count of one bit cannot say so.
    if (info['format-specific'].data['refcount-bits'] === 1) return
    const cluster = this.dice.below(this.model.length / size)
    commands.push(`discard -q ${cluster * size} ${size}`, `write -q -c -P 77 ${cluster * size} ${size}`)
    this.model.fill(77, cluster * size, (cluster + 1) * size)
  }
}
