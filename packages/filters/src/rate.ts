import { setTimeout as sleep } from 'node:timers/promises'
import { defineFilter, type FilterDevice } from '@tcmu/host/filter'
import { Bucket } from './bucket'
import { bytesOf } from './units'

interface Options { readonly iops?: number; readonly bytes?: string; readonly burst?: number }
interface State { readonly operations: Bucket | undefined; readonly bytes: Bucket | undefined }

/** Token buckets for operations and bytes a second. */
export default defineFilter({
  name: 'rate',
  summary: 'at most so many operations, or bytes, a second',
  open: ({ options: { iops, bytes, burst = 1 } }: FilterDevice<Options>): State => {
    const bucket = (rate: number | undefined): Bucket | undefined => rate === undefined ? undefined : new Bucket(rate, Math.max(1, (rate * burst) / 10))
    return { operations: bucket(iops), bytes: bucket(bytes === undefined ? undefined : bytesOf(bytes, 0)) }
  },
  around: (state, operation, range, run) => {
    const moves = operation === 'read' || operation === 'write'
    const ms = Math.max(state.operations?.take(1) ?? 0, (moves && state.bytes?.take(range!.length)) || 0)
    return ms < 1 ? run() : sleep(ms, undefined, range && { signal: range.signal }).then(run)
  },
})
