import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { defineFilter, type FilterDevice } from '@tcmu/host/filter'

interface Options {
  readonly on?: 'all' | 'read' | 'write' | 'flush' | 'unmap'
  readonly error?: string
  readonly probability?: number
  readonly after?: number
  readonly times?: number
  readonly from?: number
  readonly to?: number
  readonly file?: string
}

interface State { readonly options: Options; calls: number; failed: number }

/** Whether this call is one that fails: by operation, place, count, chance, and a file that has to be there. */
function strikes(state: State, operation: string, range: { offset: number; length: number } | undefined): boolean {
  const { on = 'all', probability = 1, after = 0, times = Infinity, from = 0, to = Infinity, file } = state.options
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
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      on: { enum: ['all', 'read', 'write', 'flush', 'unmap'], description: 'Which operations fail; all when left out.' },
      error: { type: 'string', pattern: '^E[A-Z0-9]+$', description: 'The errno they fail with; EIO when left out.' },
      probability: { type: 'number', minimum: 0, maximum: 1, description: 'How likely each fails; 1 when left out.' },
      after: { type: 'integer', minimum: 0, description: 'So many go well first.' },
      times: { type: 'integer', minimum: 1, description: 'So many fail at most.' },
      from: { type: 'integer', minimum: 0, description: 'Only what touches bytes from here on.' },
      to: { type: 'integer', minimum: 1, description: 'Only what touches bytes before.' },
      file: { type: 'string', pattern: '^/', description: 'Only while this file is there.' },
    },
  },
  open: ({ options }: FilterDevice<Options>): State => {
    if (options.error !== undefined && !(options.error in constants.errno)) throw new Error(`${options.error} is no errno`)
    return { options, calls: 0, failed: 0 }
  },
  around: (state, operation, range, run) => {
    if (!strikes(state, operation, range)) return run()
    state.failed++
    const code = state.options.error ?? 'EIO'
    throw Object.assign(new Error(`${code}: injected into ${operation}`), { code })
  },
})
