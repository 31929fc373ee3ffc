// Run by kill.test.ts: works through batches, says when each is flushed, until it is killed: node test/lib/ts.cjs kill-child.ts PATH SEED SLOTS UNIT
import handler from '../../packages/handler-qcow/src'
import { createIoEngine } from '../../packages/host/src/io'
import { initiatorOf, testDevice } from '../../packages/host/src/testing'
import { batch, type Command, SLOT } from './batches'

const PER = SLOT / 512

export async function main(path: string, ...numbers: string[]): Promise<void> {
  const [seed, slots, unit] = numbers.map(Number) as [number, number, number]
  const device = await testDevice(handler, { config: path, io: createIoEngine(), sizeBytes: 0, options: { writeBackSeconds: 0.1, mappingCache: 65_536, refcountCache: 65_536 } })
  const disk = initiatorOf(device)
  const commands: Readonly<Record<Command['kind'], (c: Command) => Promise<{ status: number }>>> = {
    write: (c) => disk.write(c.first * PER, Buffer.alloc(c.count * SLOT, c.fill)),
    zero: (c) => disk.writeSame({ lba: c.first * PER, blocks: c.count * PER }, new Uint8Array(512)),
    unmap: (c) => disk.unmap([{ lba: c.first * PER, blocks: c.count * PER }]),
  }
  process.stdout.write('open\n')
  for (let n = 0; ; n++) {
    const answers = await Promise.all(batch(seed, n, slots, unit).map((c) => commands[c.kind](c)))
    if (answers.some((a) => a.status !== 0) || (await disk.synchronizeCache()).status !== 0) throw new Error(`batch ${n} failed`)
    process.stdout.write(`${n}\n`)
  }
}
