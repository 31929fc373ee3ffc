import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, defineFilter, type FilterDevice, Status } from '@tcmu/host/filter'
import { milliseconds } from './units'

interface Options { readonly times?: number; readonly delay?: string; readonly longest?: string }
interface State { readonly times: number; readonly delay: number; readonly longest: number; readonly say: (message: string) => void }

/** Statuses of a backend that may work the next time. */
const passing: ReadonlySet<unknown> = new Set([Status.BUSY, Status.NO_RESOURCE, Status.TIMEOUT, Status.NOT_READY, Status.RD_ERR, Status.WR_ERR, Status.HW_ERR])
/** What the handler means when it throws these is not that it failed. */
const final: ReadonlySet<unknown> = new Set(['ABORT_ERR', 'EROFS', 'EPERM', 'EACCES', 'ENOSPC', 'EDQUOT'])

async function persist(state: State, operation: string, signal: AbortSignal | undefined, run: () => Answer): Promise<void | Status> {
  for (let n = 0, pause = state.delay; ; n++, pause = Math.min(state.longest, pause * 2)) {
    const last = n >= state.times
    try {
      const status = await run()
      if (last || !passing.has(status)) return status
      state.say(`${operation} gave status ${status as number}; again in ${pause} ms`)
    } catch (e) {
      if (last || signal?.aborted || final.has((e as { code?: unknown }).code)) throw e
      state.say(`${operation} failed (${e instanceof Error ? e.message : String(e)}); again in ${pause} ms`)
    }
    await sleep(pause, undefined, signal && { signal })
  }
}

/** What fails is tried again, each time after a pause twice as long. */
export default defineFilter({
  name: 'retry',
  summary: 'what fails is tried again, each time after a longer pause',
  open: ({ options: { times = 5, delay = '100ms', longest = '5s' }, log, name }: FilterDevice<Options>): State =>
    ({ times, delay: milliseconds(delay), longest: milliseconds(longest), say: (message) => log.warn(`${name}: ${message}`) }),
  // One that was done although it failed would miscompare the next time.
  around: (state, operation, range, run) => operation === 'compareAndWrite' ? run() : persist(state, operation, range?.signal, run),
})
