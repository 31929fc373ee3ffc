// Shared by the commands of this folder. Node built-ins only: it runs before anything is installed.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamps = join(root, 'node_modules', '.cache', 'tcmu')

/** A failure that a person can act on: printed without a stack. */
export class Refusal extends Error {}

export const isRoot = () => process.getuid?.() === 0

/** Path of a program, or undefined. */
export function which(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((f) => join(f, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return statSync(path).isFile()
    } catch {
      return false
    }
  })
}

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`
const HEARTBEAT_MS = 10_000
const REPAINT_MS = 200
const TAIL_LINES = 40

/** One line per step with its duration; while it runs, the last line of its output (repainted, or every 10 s in a log). */
export class Progress {
  constructor(title, out = process.stdout) {
    this.title = title
    this.out = out
    this.began = performance.now()
    this.last = ''
    this.painting = Boolean(out.isTTY)
    if (!this.painting) out.write(`… ${title}\n`)
    this.timer = setInterval(() => this.tick(), this.painting ? REPAINT_MS : HEARTBEAT_MS)
  }

  tick() {
    const text = `… ${this.title} (${seconds(this.began)}) ${this.last}`
    if (!this.painting) this.out.write(`${text}\n`)
    else this.out.write(`\r\x1b[2K${text.slice(0, (this.out.columns ?? 80) - 1)}`)
  }

  done(mark = '✓', note = '') {
    clearInterval(this.timer)
    if (this.painting) this.out.write('\r\x1b[2K')
    this.out.write(`${mark} ${this.title}${note && `: ${note}`} (${seconds(this.began)})\n`)
  }
}

/** Run `work(progress)` as a step. What it returns is the note of its closing line. */
export async function step(title, work) {
  const progress = new Progress(title)
  try {
    const note = await work(progress)
    progress.done('✓', typeof note === 'string' ? note : '')
    return note
  } catch (error) {
    progress.done('✗')
    throw error
  }
}

/** Run a program to its end; its output is shown only if it fails. Rejects with a `Refusal` that ends in that output. */
export function run(command, args, { progress, env, cwd = root, hint } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const tail = []
    const take = (text) => {
      for (const line of text.split(/[\r\n]+/)) {
        if (!line.trim()) continue
        tail.push(line)
        if (tail.length > TAIL_LINES) tail.shift()
        if (progress) progress.last = line.trim()
      }
    }
    child.stdout.setEncoding('utf8').on('data', take)
    child.stderr.setEncoding('utf8').on('data', take)
    child.on('error', (error) => reject(new Refusal(`${command} could not be started: ${error.message}`)))
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(tail)
      const how = signal ? `was ended by ${signal}` : `ended with ${code}`
      const advice = hint ? `\n${hint}` : ''
      reject(new Refusal(`${tail.join('\n')}\n${[command, ...args].join(' ')} ${how}${advice}`))
    })
  })
}

/** Run a program that owns the terminal; resolves to its exit code. */
export function runAttached(command, args, { env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' })
    child.on('error', (error) => reject(new Refusal(`${command} could not be started: ${error.message}`)))
    child.on('close', (code, signal) => resolve(signal ? 1 : code))
  })
}

/** Files below `folder` (relative to the repository) whose name passes; build output and dependencies left out. */
export function filesBelow(folder, wanted) {
  const skip = new Set(['node_modules', 'dist', 'build', 'var', '.git'])
  const start = join(root, folder)
  if (!existsSync(start)) return []
  return readdirSync(start, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return skip.has(entry.name) ? [] : filesBelow(path, wanted)
    return wanted(entry.name) ? [path] : []
  })
}

/** A fingerprint of files by content, so that a fresh clone and a touched file do not count as changed. */
export function fingerprint(files, ...more) {
  const hash = createHash('sha256')
  for (const file of [...files].sort()) hash.update(file).update('\0').update(readFileSync(join(root, file))).update('\0')
  for (const text of more) hash.update(text).update('\0')
  return hash.digest('hex')
}

/** Whether the step `name` was last completed with this fingerprint. */
export function isCurrent(name, print) {
  try {
    return readFileSync(join(stamps, name), 'utf8') === print
  } catch {
    return false
  }
}

export function markCurrent(name, print) {
  mkdirSync(stamps, { recursive: true })
  writeFileSync(join(stamps, name), print)
}

export const cacheFile = (name) => {
  mkdirSync(stamps, { recursive: true })
  return join(stamps, name)
}
export const inRoot = (...parts) => join(root, ...parts)
export const shown = (path) => relative(process.cwd(), path) || '.'

/** Run a command's `main`, turning refusals into one message and exit code 1. */
export function command(main) {
  main().then(
    (code) => { process.exitCode = code ?? 0 },
    (error) => {
      process.stderr.write(`\n${error instanceof Refusal ? error.message : error.stack}\n`)
      process.exitCode = 1
    },
  )
}
