const TICK_MS = 1000
/** Where nobody watches, one line in so many ticks. */
const QUIET_TICKS = 10
const CLEAR_LINE = '\r\x1b[K'

type Out = Pick<NodeJS.WriteStream, 'isTTY' | 'write'>

/** Say on stderr that something takes its time: one line that counts on a terminal, a line now and then elsewhere. */
export async function withProgress<T>(what: string, work: () => Promise<T>, out: Out = process.stderr): Promise<T> {
  const began = performance.now()
  const seconds = (): number => Math.round((performance.now() - began) / 1000)
  let ticks = 0
  const timer = setInterval(() => {
    if (out.isTTY) out.write(`${CLEAR_LINE}${what} ... ${seconds()} s`)
    else if (++ticks % QUIET_TICKS === 0) out.write(`${what} ... ${seconds()} s\n`)
  }, TICK_MS)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    if (out.isTTY && seconds() > 0) out.write(CLEAR_LINE)
  }
}
