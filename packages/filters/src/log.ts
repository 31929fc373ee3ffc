import { type Answer, defineFilter, type FilterDevice } from '@tcmu/host/filter'

interface State { readonly name: string; readonly info: (message: string, facts?: object) => void }

/** What a callback gave, in a word. */
const word = (status: number | void): string => (status === undefined || status === 0 ? 'ok' : `status ${status}`)

/** One line of the host's log for each operation, with how long it took. */
export default defineFilter({
  name: 'log',
  summary: 'one line of the log for each operation',
  open: ({ log, name }: FilterDevice<unknown>): State => ({ name, info: (message, facts) => log.info(message, facts) }),
  around: ({ info, name }, operation, range, run) => {
    const began = performance.now()
    const say = (outcome: string): void => {
      const where = range ? ` ${range.length} bytes at ${range.offset}` : ''
      info(`${name}: ${operation}${where}: ${outcome}`, { us: Math.round((performance.now() - began) * 1000) })
    }
    const failed = (e: unknown): never => {
      say(e instanceof Error ? e.message : String(e))
      throw e
    }
    let answer: Answer
    try {
      answer = run()
    } catch (e) {
      return failed(e)
    }
    if (typeof answer !== 'object') {
      say(word(answer))
      return answer
    }
    return answer.then((status) => {
      say(word(status))
      return status
    }, failed)
  },
})
