import { setTimeout as sleep } from 'node:timers/promises'
import { expectGood, expectLbaOutOfRange } from '../../expect'
import { cdb } from '../../cdb'
import type { InitiatorTask } from '../../initiator'
import { Random } from '../../random'
import type { HandlerPromise } from '../promise'
import { broken, movesBlocks } from '../subject'

const SEED = 20_011
const firstDifference = (a: Uint8Array, b: Uint8Array): number => a.findIndex((byte, i) => byte !== b[i])
/** Part of the medium that a promise writes to: small enough to keep a copy of. */
const windowOf = (blocks: number): number => Math.min(blocks, 512)

export const readsBack: HandlerPromise = {
  name: 'reads back what was written, whatever pieces the data comes in',
  scope: 'blocks',
  applies: movesBlocks,
  async check(subject) {
    const opened = await subject.open()
    const { device } = opened
    const { blockSize } = device
    const random = new Random(SEED)
    const span = windowOf(device.blocks)
    const model = Buffer.alloc(span * blockSize)
    const initiators = [1 << 20, blockSize, 4096, 1000, 7].map((most) => opened.pieces(most, SEED))
    expectGood(await initiators[0]!.write(0, model))
    for (let round = 0; round < 60; round++) {
      const initiator = initiators[round % initiators.length]!
      const lba = random.below(span)
      const blocks = 1 + random.below(Math.min(span - lba, 16))
      const data = random.bytes(blocks * blockSize)
      expectGood(await initiator.write(lba, data))
      model.set(data, lba * blockSize)
      const from = random.below(span)
      const { data: read } = expectGood(await initiator.read({ lba: from, blocks: Math.min(span - from, 24) }))
      const wanted = model.subarray(from * blockSize, from * blockSize + read.length)
      const at = firstDifference(read, wanted)
      if (at >= 0) broken(`byte ${from * blockSize + at} of the medium reads ${read[at]} where ${wanted[at]} was written: \`io.data\` is one piece of io.length bytes, however it lies in memory`)
    }
  },
}

export const ends: HandlerPromise = {
  name: 'handles no blocks, the last block, and nothing beyond',
  scope: 'blocks',
  applies: movesBlocks,
  async check(subject) {
    const { device, initiator, watch } = await subject.open()
    const { blocks, blockSize } = device
    const block = new Uint8Array(blockSize).fill(0xc3)
    expectGood(await initiator.send(cdb.write16({ lba: 0, blocks: 0 }), {}))
    expectGood(await initiator.send(cdb.read16({ lba: blocks - 1, blocks: 0 }), {}))
    expectGood(await initiator.write(blocks - 1, block))
    const { data } = expectGood(await initiator.read({ lba: blocks - 1, blocks: 1 }))
    if (Buffer.compare(data, block) !== 0) broken('the last block does not read back what was written to it')
    const calls = watch.called.length
    expectLbaOutOfRange(await initiator.read({ lba: blocks, blocks: 1 }))
    expectLbaOutOfRange(await initiator.write(blocks - 1, new Uint8Array(2 * blockSize)))
    if (watch.called.length !== calls) broken('a command beyond the last block reached the handler')
  },
}

const WRITERS = 64

export const overlaps: HandlerPromise = {
  name: 'takes many writes at once, next to and over each other, and mixes no blocks',
  scope: 'blocks',
  applies: movesBlocks,
  async check(subject) {
    const { device, initiator } = await subject.open()
    const { blockSize } = device
    const span = Math.min(device.blocks, 32)
    const random = new Random(SEED)
    const writers = Array.from({ length: WRITERS }, (_, i) => {
      const lba = random.below(span)
      return { lba, blocks: 1 + random.below(span - lba), byte: i + 1 }
    })
    expectGood(await initiator.write(0, new Uint8Array(span * blockSize)))
    const neighbours = Array.from({ length: span }, (_, lba) => initiator.write(lba, new Uint8Array(blockSize).fill(lba + 1)))
    for (const answer of await subject.within(Promise.all(neighbours), 'writes next to each other')) expectGood(answer)
    const side = expectGood(await initiator.read({ lba: 0, blocks: span })).data
    for (let lba = 0; lba < span; lba++) {
      if (side[lba * blockSize] !== lba + 1) broken(`block ${lba} was written while its neighbours were, and reads ${side[lba * blockSize]}, not ${lba + 1}: read, change and write back larger units one at a time`)
    }
    const answers = writers.map((w) => initiator.write(w.lba, new Uint8Array(w.blocks * blockSize).fill(w.byte)))
    for (const answer of await subject.within(Promise.all(answers), 'overlapping writes')) expectGood(answer)
    const { data } = expectGood(await initiator.read({ lba: 0, blocks: span }))
    for (let lba = 0; lba < span; lba++) {
      const block = data.subarray(lba * blockSize, (lba + 1) * blockSize)
      const byte = block[0]!
      const wrote = writers.some((w) => w.byte === byte && lba >= w.lba && lba < w.lba + w.blocks)
      const untouched = byte === lba + 1 && !writers.some((w) => lba >= w.lba && lba < w.lba + w.blocks)
      if (!wrote && !untouched) broken(`block ${lba} reads ${byte}, which none of the writes to it wrote`)
      if (block.some((b) => b !== byte)) broken(`block ${lba} is part one write's and part another's`)
    }
  },
}

export const survives: HandlerPromise = {
  name: 'has what was written and flushed when it is opened again',
  scope: 'blocks, not volatile',
  applies: (c) => c.volatile ? 'the medium is volatile' : movesBlocks(c),
  async check(subject) {
    const first = await subject.open()
    const { blockSize, blocks } = first.device
    const data = new Random(SEED).bytes(Math.min(blocks, 64) * blockSize)
    expectGood(await first.initiator.write(0, data))
    expectGood(await first.initiator.synchronizeCache())
    const last = new Uint8Array(blockSize).fill(0x99)
    expectGood(await first.initiator.write(blocks - 1, last, { fua: 1 }))
    await subject.close(first)
    const again = await subject.open()
    if (again.device.blocks !== blocks) broken(`opened again, the device has ${again.device.blocks} blocks instead of ${blocks}`)
    const at = firstDifference(expectGood(await again.initiator.read({ lba: 0, blocks: data.length / blockSize })).data, data)
    if (at >= 0) broken(`byte ${at} was written and flushed, and reads differently after the device was opened again`)
    const end = expectGood(await again.initiator.read({ lba: blocks - 1, blocks: 1 })).data
    if (Buffer.compare(end, last) !== 0) broken('a write with FUA was acknowledged and is gone after the device was opened again')
  },
}

export const leavesDataAlone: HandlerPromise = {
  name: 'leaves the data of a command alone once it has answered',
  scope: 'all',
  applies: () => true,
  async check(subject) {
    const opened = await subject.open()
    const { device } = opened
    const touched: InitiatorTask[] = []
    const initiator = opened.seeing((task) => {
      if (task.data.length > 0) task.data.lateUse = () => void touched.push(task)
    })
    await initiator.inquiry()
    const block = new Uint8Array(device.blockSize).fill(0x3c)
    for (let i = 0; i < 16 && device.blocks > 0; i++) {
      await initiator.write(i % device.blocks, block)
      await initiator.read({ lba: i % device.blocks, blocks: 1 })
    }
    await sleep(60)
    const [task] = touched
    if (task) broken(`the data of ${task.row?.name ?? 'a command'} was used after it was answered: settle when all is done`)
  },
}
