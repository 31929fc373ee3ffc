import { loadNative } from '../platform'

type Env = Readonly<Record<string, string | undefined>>
type Send = (socket: string, text: string) => void
const NONE = (): void => undefined

/** One message for the service manager (sd_notify(3)), on the socket that it named. */
export function notify(socket: string, text: string): void {
  try {
    loadNative().sendDatagram(socket, text)
  } catch {
    // Without the addon nothing is served either, and that is said elsewhere.
  }
}

/**
 * Tell the service manager that the host is alive, twice in each of its periods, for as long as the event loop turns. Does
 * nothing where no service manager asked for it. Returns what ends it.
 */
export function keepWatchdog(env: Env, pid: number, send: Send = notify): () => void {
  const { NOTIFY_SOCKET: socket } = env
  const period = Number(env.WATCHDOG_USEC)
  const forUs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === pid
  if (!socket || !forUs || !(period > 0)) return NONE
  const beat = (): void => send(socket, 'WATCHDOG=1')
  beat()
  const timer = setInterval(beat, period / 2000)
  timer.unref()
  return () => {
    clearInterval(timer)
    send(socket, 'STOPPING=1')
  }
}

/** For units of Type=notify. */
export function tellReady(env: Env, send: Send = notify): void {
  if (env.NOTIFY_SOCKET) send(env.NOTIFY_SOCKET, 'READY=1')
}
