import { isBlocks, type BlocksHandler } from '../../../handler'
import { Status, statusRow } from '../../../scsi'
import { expectGood } from '../../expect'
import type { HandlerPromise } from '../promise'
import { broken, type Opened, type Subject } from '../subject'

/** Target port group that the lock is taken for. */
const GROUP = 7
const nameOf = (answer: unknown): string => (typeof answer === 'number' ? (statusRow(answer).name as string) : JSON.stringify(answer))

async function answers(subject: Subject, what: string, call: () => unknown): Promise<void> {
  const said = (await subject.within(Promise.resolve(call()), what)) ?? Status.OK
  if (said !== Status.OK) broken(`${what} answered ${nameOf(said)} on a device that nobody else has`)
}

/** What the handler says of the lock has to be what was done to it. */
async function says(handler: BlocksHandler, { watch }: Opened, held: boolean, after: string): Promise<void> {
  const state = await handler.getLockState?.(watch.state)
  if (state !== undefined && state !== 'unknown' && (state === 'locked') !== held) broken(`after ${after}, getLockState says '${state}'`)
  const holder = await handler.getLockTag?.(watch.state)
  if (holder === undefined) return
  const tag = typeof holder === 'number' ? undefined : holder.tag
  if (held && tag !== GROUP) broken(`after lock(${GROUP}), getLockTag says ${nameOf(holder)}, not { tag: ${GROUP} }`)
  if (!held && tag === GROUP) broken(`after unlock, getLockTag says that ${GROUP} still holds it`)
}

export const locks: HandlerPromise = {
  name: 'takes its lock and gives it back, and says so',
  scope: '`lock`',
  applies: ({ handler }) => (isBlocks(handler) ? handler.lock !== undefined || 'the handler has no `lock`' : 'the handler is of shape commands'),
  async check(subject) {
    const handler = subject.handler as BlocksHandler
    const opened = await subject.open()
    const { state } = opened.watch
    const block = new Uint8Array(opened.device.blockSize).fill(0x4c)
    for (const round of ['lock', 'lock again']) {
      await answers(subject, round, () => handler.lock!(state, GROUP))
      await says(handler, opened, true, round)
      expectGood(await opened.initiator.write(0, block))
      if (!handler.unlock) return
      await answers(subject, 'unlock', () => handler.unlock!(state))
      await says(handler, opened, false, 'unlock')
    }
  },
}
