import { createHost, type Host } from '../host'
import { reasonOf } from '../errors'
import type { Logger } from '../log'
import { raiseFiles } from './daemon'
import { followConfig } from './follow'
import { keepWatchdog, tellReady } from './watchdog'
import { chooseFrontEnd, type ServeFlags, serveOptions, type Surroundings } from './options'

/** How long commands under way may take to end once a signal came. */
export const DRAIN_MS = 10_000
/** Past the drain: something does not let go, and the process ends all the same. */
const STUCK_MS = 5000
const signals = ['SIGINT', 'SIGTERM'] as const

/** Resolves at the first signal; the second one ends the process at once. */
export function firstSignal(log: Logger): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let seen = false
    for (const name of signals) {
      process.on(name, () => {
        if (seen) {
          log.warn(`${name} again: ending at once`)
          process.exit(1)
        }
        seen = true
        resolve(name)
      })
    }
  })
}

/** Faults of a handler that nobody caught: a promise without a taker is logged; an exception ends the host in order. */
export function catchFaults(log: Logger, stop: (why: string) => void): void {
  process.on('unhandledRejection', (e) => log.error({ stack: (e as Error | undefined)?.stack }, `a promise was rejected and nobody was there for it: ${reasonOf(e)}`))
  process.on('uncaughtException', (e) => {
    log.fatal({ stack: e.stack }, `an exception that nobody caught: ${reasonOf(e)}`)
    stop('uncaught exception')
  })

}

async function stopWithin(host: Host, log: Logger): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const stuck = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), DRAIN_MS + STUCK_MS)))
  const stopped = await Promise.race([host.stop(DRAIN_MS).then(() => true), stuck])
  clearTimeout(timer)
  if (!stopped) log.error(`not everything closed within ${(DRAIN_MS + STUCK_MS) / 1000} s; ending all the same`)
  return stopped
}

/** Serve until a signal. Resolves to the exit code. */
export async function serve(flags: ServeFlags, at: Surroundings): Promise<number> {
  if (flags.nofile !== undefined) raiseFiles(flags.nofile)
  const choice = await chooseFrontEnd(flags, at)
  const chosen = { ...flags, frontend: choice.frontend }
  const { hostLog, config, ...options } = serveOptions(chosen, at)
  const { log } = options
  const host = createHost({ ...options, log })
  const unfollow = followConfig(chosen, at, config, hostLog, (next) => host.portGroup?.change(next.portGroup?.state))
  const unwatched = keepWatchdog(at.env, process.pid)
  process.on('SIGHUP', () => hostLog.reopen())
  const signalled = firstSignal(log)
  let faulted: (why: string) => void = () => undefined
  const fault = new Promise<string>((resolve) => (faulted = resolve))
  catchFaults(log, faulted)
  log.info(`front end: ${choice.frontend} (${choice.why})`)
  const first = await Promise.race([host.start().then(() => undefined), signalled, fault])
  if (first === undefined) {
    process.stdout.write(`${['ready', ...host.urls].join(' ')}\n`)
    tellReady(at.env)
  }
  const why = first ?? (await Promise.race([signalled, fault]))
  log.info(`${why}: stopping`)
  unfollow()
  unwatched()
  const clean = await stopWithin(host, log)
  hostLog.flush()
  return clean && (why === 'SIGINT' || why === 'SIGTERM') ? 0 : 1
}
