import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { ExecConfig } from './config'
import { LastLines } from './stderr'

/** A way to a program: bytes to it and from it, and its end. */
export interface Transport {
  readonly to: Writable
  readonly from: Readable
  /** Resolves to how it ended, once there is nothing more to come. */
  readonly ended: Promise<string>
  /** Lines that it said last on standard error. */
  readonly lastLines: readonly string[]
  /** Let it end by itself, and end it when it does not. */
  leave(): Promise<void>
  /** End it at once: nothing that it was asked to do may happen later. */
  kill(): void
}

const LEAVE_MS = 2000
/** A child of its own may hold its pipes open; what it said last is waited for this long. */
const LINGER_MS = 200
/** Nothing of the host's environment reaches a program. */
const environment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' } as const

const within = (work: Promise<unknown>, ms: number): Promise<boolean> => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms, false)
  void work.then(() => {
    clearTimeout(timer)
    resolve(true)
  })
})

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It has ended by itself.
  }
}

function startProgram({ path, args }: ExecConfig, tell: (line: string) => void): Transport {
  // A group of its own: what a terminal sends to the host (Ctrl-C) is not for it, and what it has started ends with it.
  const child = spawn(path, args, { cwd: '/', env: environment, stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  const said = new LastLines(tell)
  child.stderr.setEncoding('utf8').on('data', (s: string) => said.push(s))
  for (const stream of child.stdio) stream?.on('error', () => undefined)
  const ended = new Promise<string>((resolve) => {
    const end = (how: string): void => {
      said.end()
      for (const stream of child.stdio) stream?.destroy()
      resolve(how)
    }
    child.once('error', (e) => end(e.message))
    child.once('exit', (code, signal) => {
      const how = signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`
      child.once('close', () => end(how))
      setTimeout(end, LINGER_MS, how)
    })
  })
  const leave = async (): Promise<void> => {
    child.stdin.end()
    if (await within(ended, LEAVE_MS)) return
    signalGroup(child.pid, 'SIGTERM')
    if (!(await within(ended, LEAVE_MS))) signalGroup(child.pid, 'SIGKILL')
    await ended
  }
  return { to: child.stdin, from: child.stdout, ended, lastLines: said.lines, leave, kill: () => signalGroup(child.pid, 'SIGKILL') }
}

function connectSocket({ path }: ExecConfig): Transport {
  const socket = connect({ path })
  const ended = new Promise<string>((resolve) => {
    let why = 'it closed the connection'
    socket.on('error', (e) => (why = e.message))
    socket.once('close', () => resolve(why))
  })
  const leave = async (): Promise<void> => {
    socket.end()
    if (!(await within(ended, LEAVE_MS))) socket.destroy()
    await ended
  }
  return { to: socket, from: socket, ended, lastLines: [], leave, kill: () => void socket.destroy() }
}

export type OpenTransport = (config: ExecConfig, tell: (line: string) => void) => Transport

/** Start the program, or connect to it. What goes wrong is told by `ended`. */
export const openTransport: OpenTransport = (config, tell) =>
  config.kind === 'socket' ? connectSocket(config) : startProgram(config, tell)
