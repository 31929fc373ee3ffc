import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isBlocks } from '../../../handler'
import { expectGood } from '../../expect'
import type { HandlerPromise } from '../promise'
import { broken, movesBlocks } from '../subject'

const OPENINGS = 20
/** What Node and the test runner may have open in between. */
const SPARE_FDS = 5
const openFds = (): number => {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}

export const opensAndCloses: HandlerPromise = {
  name: 'opens and closes again and again, and leaves nothing open',
  scope: 'all',
  applies: () => true,
  async check(subject) {
    await subject.close(await subject.open())
    const before = openFds()
    for (let i = 0; i < OPENINGS; i++) {
      const opened = await subject.within(subject.open(), `opening for the ${i + 2}. time`)
      expectGood(await opened.initiator.inquiry())
      await subject.close(opened)
    }
    const left = openFds() - before
    if (left > SPARE_FDS) broken(`${OPENINGS} openings left ${left} file descriptors open: close in \`close\` what \`open\` opened`)
  },
}

const UNDER_WAY = 32

export const closesWhenIdle: HandlerPromise = {
  name: 'is closed when its commands are over, and every one of them is answered',
  scope: 'blocks',
  applies: movesBlocks,
  async check(subject) {
    const opened = await subject.open()
    const { device, initiator, watch } = opened
    const block = new Uint8Array(device.blockSize).fill(0x5a)
    const answers = Array.from({ length: UNDER_WAY }, (_, i) => initiator.write(i % device.blocks, block))
    const closed = subject.close(opened)
    for (const answer of await subject.within(Promise.all(answers), 'writes under way at close')) expectGood(answer)
    await closed
    if (watch.runningAtClose) broken(`\`close\` was called while ${watch.runningAtClose} callbacks had not settled`)
    await sleep(20)
    if (watch.afterClose) broken(`${watch.afterClose} callbacks were called after \`close\``)
  },
}

export const resizes: HandlerPromise = {
  name: 'grows when it says it can',
  scope: 'blocks with `reconfigure`',
  applies: (c) => movesBlocks(c) === true && (c.handler.reconfigure ? true : 'the handler has no `reconfigure`') || 'the handler is of shape commands',
  async check(subject) {
    const opened = await subject.open()
    const { device, initiator } = opened
    const before = device.blocks
    const block = new Uint8Array(device.blockSize).fill(0x77)
    expectGood(await initiator.write(0, block))
    const status = await device.reconfigure({ kind: 'size', sizeBytes: 2 * before * device.blockSize })
    if (status !== 0 || device.blocks !== 2 * before) return
    // The attention that announces the new size comes first.
    await initiator.testUnitReady()
    expectGood(await initiator.write(2 * before - 1, block))
    const { data } = expectGood(await initiator.read({ lba: 2 * before - 1, blocks: 1 }))
    if (Buffer.compare(data, block) !== 0) broken('after growing, the new last block does not read back what was written to it')
    if (Buffer.compare(expectGood(await initiator.read({ lba: 0, blocks: 1 })).data, block) !== 0) broken('growing changed block 0')
  },
}

export const apart: HandlerPromise = {
  name: 'keeps two devices apart',
  scope: 'blocks',
  applies: (c) => movesBlocks(c) === true ? typeof c.config === 'function' || 'give `config` as a function that makes a fresh medium' : 'the handler is of shape commands',
  async check(subject) {
    const config = await subject.another()
    const [a, b] = [await subject.open(), await subject.open({ config })]
    const block = (n: number): Uint8Array => new Uint8Array(a.device.blockSize).fill(n)
    expectGood(await a.initiator.write(0, block(1)))
    expectGood(await b.initiator.write(0, block(2)))
    const { data } = expectGood(await a.initiator.read({ lba: 0, blocks: 1 }))
    if (data[0] !== 1) broken('what was written to one device is read from another: keep state in what `open` returns')
  },
}

const nonsense = ['\0', '../..', 'x'.repeat(4000), '%s%n', '/dev/null/x']

export const refusesBadConfigs: HandlerPromise = {
  name: 'says in a sentence what is wrong with a configuration',
  scope: '`checkConfig`',
  applies: (c) => c.handler.checkConfig !== undefined || 'the handler has no `checkConfig`',
  async check(subject) {
    const { conformance, config, handler } = subject
    const ask = async (text: string): Promise<unknown> => {
      try {
        return await subject.within(Promise.resolve(handler.checkConfig!(text, conformance.options)), `checkConfig(${JSON.stringify(text.slice(0, 40))})`)
      } catch (e) {
        return broken(`checkConfig(${JSON.stringify(text.slice(0, 40))}) threw ${String(e)}: return the sentence instead`)
      }
    }
    const good = await ask(config)
    if (good !== true) broken(`checkConfig refuses the configuration of this test: ${String(good)}`)
    for (const text of [...nonsense, ...(conformance.badConfigs ?? [])]) {
      const verdict = await ask(text)
      const refused = typeof verdict === 'string' && verdict.trim().length > 0
      if (verdict !== true && !refused) broken(`checkConfig(${JSON.stringify(text.slice(0, 40))}) answered ${String(verdict)}, neither true nor a sentence`)
      if (verdict === true && conformance.badConfigs?.includes(text)) broken(`checkConfig takes ${JSON.stringify(text)}, which must be refused`)
    }
  },
}

/** So long nobody else's commands are answered (inline placement). */
const MOST_MS = 1000

export const sharesTheLoop: HandlerPromise = {
  name: 'gives the event loop back',
  scope: 'blocks',
  applies: (c) => isBlocks(c.handler) || 'the handler is of shape commands',
  async check(subject) {
    const { device, initiator } = await subject.open()
    const block = new Uint8Array(device.blockSize)
    let longest = 0
    let last = performance.now()
    const tick = setInterval(() => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
    }, 5)
    try {
      for (let i = 0; i < 16; i++) expectGood(await subject.within(initiator.write(i % device.blocks, block), 'a write', 60_000))
      for (let i = 0; i < 16; i++) expectGood(await subject.within(initiator.read({ lba: i % device.blocks, blocks: 1 }), 'a read', 60_000))
      await sleep(10)
    } finally {
      clearInterval(tick)
    }
    if (longest > MOST_MS) broken(`one callback held the event loop for ${longest.toFixed(0)} ms: other devices of this process stand still meanwhile`)
  },
}
