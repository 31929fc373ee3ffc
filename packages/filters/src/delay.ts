import { setTimeout as sleep } from 'node:timers/promises'
import { defineFilter, type FilterDevice } from '@tcmu/host/filter'
import { milliseconds } from './units'

interface Options { readonly all?: string; readonly read?: string; readonly write?: string; readonly flush?: string; readonly unmap?: string }

/** Each operation begins later. */
export default defineFilter({
  name: 'delay',
  summary: 'each operation takes longer',
  open: ({ options }: FilterDevice<Options>) => ({
    all: milliseconds(options.all),
    by: new Map(Object.entries(options).filter(([k]) => k !== 'all').map(([k, v]) => [k, milliseconds(v as string)])),
  }),
  around: (state, operation, range, run) => {
    const ms = state.by.get(operation) ?? state.all
    if (ms === 0) return run()
    return sleep(ms, undefined, range && { signal: range.signal }).then(run)
  },
})
