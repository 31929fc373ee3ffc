import { spawn } from 'node:child_process'

type Env = Readonly<Record<string, string | undefined>>
const NONE = (): void => undefined

/** One message for the service manager (sd_notify(3)). */
function notify(text: string): void {
  // Node.js has no datagram sockets of the Unix family.
  spawn('systemd-notify', [text], { stdio: 'ignore' }).on('error', NONE).unref()
}

/**
 * Tell the service manager that the host is alive, twice in each of its periods, for as long as the event loop turns. Does
 * nothing where no service manager asked for it. Returns what ends it.
 */
export function keepWatchdog(env: Env, pid: number, send: (text: string) => void = notify): () => void {
  const period = Number(env.WATCHDOG_USEC)
  const forUs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === pid
  if (!env.NOTIFY_SOCKET || !forUs || !(period > 0)) return NONE
  const beat = (): void => send('WATCHDOG=1')
  beat()
  const timer = setInterval(beat, period / 2000)
  timer.unref()
  return () => {
    clearInterval(timer)
    send('STOPPING=1')
  }
}

/** For units of Type=notify. */
export function tellReady(env: Env, send: (text: string) => void = notify): void {
  if (env.NOTIFY_SOCKET) send('READY=1')
}
