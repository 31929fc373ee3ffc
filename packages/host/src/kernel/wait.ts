import { setTimeout as sleep } from 'node:timers/promises'

/** Whether `work` is done in time. Rejects when it fails before that. */
export const inTime = (work: Promise<unknown>, ms: number): Promise<boolean> => {
  const timer = new AbortController()
  return Promise.race([work.then(() => true), sleep(ms, false, timer)]).finally(() => timer.abort())
}
