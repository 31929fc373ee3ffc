import { defineFilter, type FilterDevice, type Answer } from '@tcmu/host/filter'
import { milliseconds } from './units'

interface Options { readonly every?: string }
interface Row { operations: number; bytes: number; errors: number; totalMs: number; mostMs: number }
const row = (): Row => ({ operations: 0, bytes: 0, errors: 0, totalMs: 0, mostMs: 0 })

const line = (name: string, r: Row): string =>
  `${name} ${r.operations} (${r.bytes} bytes, ${r.errors} failed, mean ${(r.totalMs / Math.max(1, r.operations)).toFixed(3)} ms, longest ${r.mostMs.toFixed(3)} ms)`

/** Counts by operation, into the log: when the device closes, and every so often. */
export default defineFilter({
  name: 'stats',
  summary: 'counts of operations, bytes, errors and times, into the log',
  open: ({ options, log, name }: FilterDevice<Options>) => {
    const rows = new Map<string, Row>()
    const tell = (): void => log.info(`${name}: ${[...rows].map(([operation, r]) => line(operation, r)).join(', ') || 'nothing was asked of it'}`)
    const every = milliseconds(options.every)
    return { rows, tell, timer: every > 0 ? setInterval(tell, every).unref() : undefined }
  },
  close: ({ tell, timer }) => {
    clearInterval(timer)
    tell()
  },
  around: ({ rows }, operation, range, run) => {
    const began = performance.now()
    let r = rows.get(operation)
    if (!r) rows.set(operation, (r = row()))
    const counted = r
    const over = (failed: boolean): void => {
      const ms = performance.now() - began
      counted.operations++
      counted.bytes += range?.length ?? 0
      if (failed) counted.errors++
      counted.totalMs += ms
      counted.mostMs = Math.max(counted.mostMs, ms)
    }
    const bad = (status: unknown): boolean => status !== undefined && status !== 0
    let answer: Answer
    try {
      answer = run()
    } catch (e) {
      over(true)
      throw e
    }
    if (typeof answer !== 'object') {
      over(bad(answer))
      return answer
    }
    return answer.then((status) => {
      over(bad(status))
      return status
    }, (e: unknown) => {
      over(true)
      throw e
    })
  },
})
