import type { Mover } from '@tcmu/host/handler'
import { zoneCondition as c } from '../../../packages/host/src/scsi'
import { expectGood, expectWriteError } from '../../../packages/host/src/testing'
import { pattern, zonedBench } from './lib'

const bench = zonedBench()
const ZONE = 2048
let n = 0
const fresh = (): string => `model-HM/zsize-1/conv-2/open-4@${bench.path(`failing-${n++}`)}`

interface Unit { medium: { write(io: unknown): unknown }; file: { move(...args: unknown[]): void } }
const eio = (): Error => Object.assign(new Error('EIO'), { code: 'EIO' })
/** Ways in which the data of a write reaches the file, and what makes the second one fail; undone by what it returns. */
const ways: Readonly<Record<string, { fua: number; spoil(unit: Unit): () => void }>> = {
  'by the medium': {
    fua: 1,
    spoil(unit) {
      const { write } = unit.medium
      let calls = 0
      unit.medium.write = (io) => (calls++ === 1 ? Promise.reject(eio()) : write.call(unit.medium, io))
      return () => void (unit.medium.write = write)
    },
  },
  'moved by the host': {
    fua: 0,
    spoil({ file }) {
      const { move } = file
      let calls = 0
      file.move = (write, data, offset, sync, mover, subject) => {
        const second = calls++ === 1
        move.call(file, write, data, offset, sync, { moved: (s: unknown, outcome: unknown) => (mover as Mover<unknown>).moved(s, (second ? eio() : outcome) as never) }, subject)
      }
      return () => void (file.move = move)
    },
  },
}
test.each(Object.keys(ways))('a write that fails takes those behind it along, and the pointer goes back: %s', async (name) => {
  const { fua, spoil } = ways[name]!
  const d = await bench.open(fresh())
  const z = 4 * ZONE
  expectGood(await d.disk.write(z, pattern(8, 1)))
  const mend = spoil((d.device as unknown as { parts: { backend: { state: Unit } } }).parts.backend.state)
  const answers = await Promise.all([8, 16, 24, 32].map((at) => d.disk.write(z + at, pattern(8, at), { fua })))
  mend()
  expectGood(answers[0]!)
  for (const answer of answers.slice(1)) expectWriteError(answer)
  expect((await d.zones())[4]).toMatchObject({ writePointer: z + 16, condition: c.IMPLICIT_OPEN })
  expectGood(await d.disk.write(z + 16, pattern(8, 99)))
  expect((await d.disk.read({ lba: z, blocks: 32 })).data).toEqual(Buffer.concat([pattern(8, 1), pattern(8, 8), pattern(8, 99), Buffer.alloc(4096)]))
})
