import { setTimeout as sleep } from 'node:timers/promises'
import { defineFilter, type FilterDevice } from '@tcmu/host/filter'
import { Bucket } from './bucket'

interface Options { readonly iops?: number; readonly bytes?: number; readonly burst?: number }
interface State { readonly operations: Bucket | undefined; readonly bytes: Bucket | undefined }
const count = { type: 'integer', minimum: 1 } as const

/** Token buckets for operations and bytes a second. */
export default defineFilter({
  name: 'rate',
  summary: 'at most so many operations, or bytes, a second',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      iops: { ...count, description: 'Operations a second.' },
      bytes: { ...count, description: 'Bytes a second, read and written together.' },
      burst: { ...count, description: 'Tenths of a second that may be saved up; 1 when left out.' },
    },
  },
  open: ({ options: { iops, bytes, burst = 1 } }: FilterDevice<Options>): State => {
    const bucket = (rate: number | undefined): Bucket | undefined => rate === undefined ? undefined : new Bucket(rate, Math.max(1, (rate * burst) / 10))
    return { operations: bucket(iops), bytes: bucket(bytes) }
  },
  around: (state, operation, range, run) => {
    const moves = operation === 'read' || operation === 'write'
    const ms = Math.max(state.operations?.take(1) ?? 0, (moves && state.bytes?.take(range!.length)) || 0)
    return ms < 1 ? run() : sleep(ms, undefined, range && { signal: range.signal }).then(run)
  },
})
