import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/**
 * How many times longer than usual something may take before a test calls it hung. A machine that others share runs at a third of
 * its speed for minutes; what a test says of time is written with the time that it promises, not with one of these limits.
 */
export const PATIENCE = 4

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** stdout, then stderr. */
  readonly text: string
}

/** Run a program to its end, or kill it after `timeoutMs` (default four) and reject. */
export function run(command: string, args: readonly string[], options: { timeoutMs?: number; env?: NodeJS.ProcessEnv; cwd?: string; input?: string } = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: { ...process.env, ...options.env }, stdio: ['pipe', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, options.timeoutMs ?? PATIENCE * 60_000)
    child.stdout.setEncoding('utf8').on('data', (s: string) => (stdout += s))
    child.stderr.setEncoding('utf8').on('data', (s: string) => (stderr += s))
    child.stdin.on('error', () => undefined).end(options.input ?? '')
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const text = stdout + stderr
      if (late) reject(new Error(`${command} ${args.join(' ')} did not end in time:\n${text}`))
      else resolve({ code, signal, stdout, stderr, text })
    })
  })
}

/** The same, and it must end well. */
export async function runOk(command: string, args: readonly string[], options: Parameters<typeof run>[2] = {}): Promise<Ended> {
  const ended = await run(command, args, options)
  if (ended.code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${ended.code ?? ended.signal}:\n${ended.text}`)
  return ended
}

/** qemu-io with commands in order; every command must succeed, pattern verification included. */
export async function qemuIo(url: string, commands: readonly string[], more: readonly string[] = []): Promise<string> {
  const ended = await runOk('qemu-io', ['-f', 'raw', ...more, ...commands.flatMap((c) => ['-c', c]), url])
  if (/failed|error/i.test(ended.text)) throw new Error(`qemu-io ${commands.join('; ')}:\n${ended.text}`)
  return ended.text
}

/** Resident memory of a process in KiB. */
export function rssKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1])
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Wait until `holds`, looking every few milliseconds; rejects when it does not in `PATIENCE` times `usualMs`. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, usualMs = 10_000): Promise<void> {
  const timeoutMs = PATIENCE * usualMs
  const end = performance.now() + timeoutMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`)
    await pause(10)
  }
}

/** State of every thread of a process, as proc(5) has it: `T` is stopped. */
const threadStates = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/task`).map((tid) => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8'))![1]!)

/** Stop a process. The signal stops its threads when one of them has run once more, which takes milliseconds on a busy machine: wait for that. */
export async function stopProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  await until(() => threadStates(pid).every((state) => state === 'T'), `the stop of ${pid}`)
}
