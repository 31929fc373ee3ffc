import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { defineFilter, type FilterDevice } from '@tcmu/host/filter'
import { bytesOf } from './units'

interface Options {
  readonly on?: 'all' | 'read' | 'write' | 'flush' | 'unmap'
  readonly error?: string
  readonly probability?: number
  readonly after?: number
  readonly times?: number
  readonly from?: string
  readonly to?: string
  readonly file?: string
}

interface State { readonly options: Options; readonly from: number; readonly to: number; calls: number; failed: number }

/** Whether this call is one that fails: by operation, place, count, chance, and a file that has to be there. */
function strikes(state: State, operation: string, range: { offset: number; length: number } | undefined): boolean {
  const { from, to, options: { on = 'all', probability = 1, after = 0, times = Infinity, file } } = state
  if (on !== 'all' && on !== operation) return false
  if (range && (range.offset >= to || range.offset + range.length <= from)) return false
  if (state.calls++ < after || state.failed >= times) return false
  if (probability < 1 && Math.random() >= probability) return false
  return file === undefined || existsSync(file)
}

/** Faults as planned: for tests of what lies above a disk. */
export default defineFilter({
  name: 'error',
  summary: 'operations fail as planned',
  open: ({ options }: FilterDevice<Options>): State => {
    if (options.error !== undefined && !(options.error in constants.errno)) throw new Error(`${options.error} is no errno`)
    return { options, from: bytesOf(options.from, 0), to: bytesOf(options.to, Infinity), calls: 0, failed: 0 }
  },
  around: (state, operation, range, run) => {
    if (!strikes(state, operation, range)) return run()
    state.failed++
    const code = state.options.error ?? 'EIO'
    throw Object.assign(new Error(`${code}: injected into ${operation}`), { code })
  },
})
