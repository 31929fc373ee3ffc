import { setTimeout as sleep } from 'node:timers/promises'
import type { HandlerIo, IoFile } from '../../../handler'
import { isBlocks } from '../../../handler'
import { sam, senseKey } from '../../../scsi'
import { describeAnswer, type ScsiAnswer } from '../../answer'
import { expectGood } from '../../expect'
import { fileIo } from '../../file-io'
import type { HandlerPromise } from '../promise'
import { broken, movesBlocks } from '../subject'

/** The errno that every transfer of these files fails with, while it is set. */
interface Weather {
  errno: string | undefined
  opened: number
}

/** `dev.io` whose files fail when the weather is bad. */
function moody(inner: HandlerIo, weather: Weather): HandlerIo {
  const stormy = (file: IoFile): IoFile =>
    new Proxy(file, {
      get(target, member) {
        if (member === 'move') return undefined
        const value: unknown = Reflect.get(target, member, target)
        if (typeof value !== 'function') return value
        if (weather.errno === undefined || member === 'close') return (value as (...a: unknown[]) => unknown).bind(target)
        const { errno } = weather
        return () => Promise.reject(Object.assign(new Error(`${errno}: injected into ${String(member)}`), { code: errno }))
      },
    })
  return {
    ...inner,
    open: async (path, options) => {
      weather.opened++
      return stormy(await inner.open(path, options))
    },
  }
}

/** What an initiator may be told of each; anything else hides what happened. */
const told: readonly { errno: string; write: readonly number[]; read: readonly number[] }[] = [
  { errno: 'EIO', write: [senseKey.MEDIUM_ERROR, senseKey.HARDWARE_ERROR], read: [senseKey.MEDIUM_ERROR, senseKey.HARDWARE_ERROR] },
  { errno: 'ENOSPC', write: [senseKey.DATA_PROTECT], read: [senseKey.DATA_PROTECT, senseKey.MEDIUM_ERROR, senseKey.HARDWARE_ERROR] },
]

function honest(answer: ScsiAnswer, keys: readonly number[], what: string): void {
  if (answer.status === sam.CHECK_CONDITION && keys.includes(answer.key)) return
  broken(`${what}, and the initiator got ${describeAnswer(answer)}: let the error go through, the host turns its errno \`code\` into sense data`)
}

export const passesFailuresOn: HandlerPromise = {
  name: 'passes failures of its files on, and works again when they are over',
  scope: 'blocks over files of `dev.io`',
  applies: movesBlocks,
  async check(subject) {
    const weather: Weather = { errno: undefined, opened: 0 }
    const { device, initiator } = await subject.open({ io: moody(subject.conformance.io ?? fileIo(), weather) })
    const block = new Uint8Array(device.blockSize).fill(0x66)
    expectGood(await initiator.write(0, block))
    expectGood(await initiator.synchronizeCache())
    // Some open their files when they are first needed.
    if (!weather.opened) return
    for (const { errno, write, read } of told) {
      weather.errno = errno
      // A handler may have cached the block; what it says it has written it has to have.
      const wrote = await subject.within(initiator.write(0, block, { fua: 1 }), `a write over ${errno}`)
      honest(wrote, write, `its file failed with ${errno} on a write with FUA`)
      const got = await subject.within(initiator.read({ lba: 0, blocks: 1 }), `a read over ${errno}`)
      if (got.status !== sam.GOOD) honest(got, read, `its file failed with ${errno} on a read`)
      else if (Buffer.compare(got.data, block) !== 0) broken(`its file failed with ${errno} on a read, and the handler answered GOOD with other bytes`)
      weather.errno = undefined
    }
    expectGood(await subject.within(initiator.write(0, block), 'a write when the failures were over'))
    if (Buffer.compare(expectGood(await initiator.read({ lba: 0, blocks: 1 })).data, block) !== 0) broken('a failed write left the block unusable')
  },
}

export const letsGo: HandlerPromise = {
  name: 'lets go of aborted commands',
  scope: 'all',
  applies: () => true,
  async check(subject) {
    const opened = await subject.open()
    const { device, initiator, watch } = opened
    const aborting = opened.seeing((task) => void setImmediate(() => task.abort()))
    const moves = isBlocks(subject.handler)
    const block = new Uint8Array(device.blockSize)
    const work = Array.from({ length: 24 }, (_, i) => {
      if (!moves) return aborting.testUnitReady()
      return i % 2 ? aborting.read({ lba: i % device.blocks, blocks: 1 }) : aborting.write(i % device.blocks, block)
    })
    await subject.within(Promise.all(work), 'aborted commands')
    await sleep(10)
    if (device.inflight || watch.running) broken(`${Math.max(device.inflight, watch.running)} aborted commands are still under way`)
    if (moves) expectGood(await subject.within(initiator.read({ lba: 0, blocks: 1 }), 'a read after aborted commands'))
    else await subject.within(initiator.testUnitReady(), 'a command after aborted commands')
  },
}
