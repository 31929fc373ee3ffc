#!/usr/bin/env node
import { CommanderError } from 'commander'
import { COMMAND_LINE } from './cli/command-line'
import { program } from './cli/program'
import { oneLine, reasonOf } from './errors'

const FAILURE = 1
const USAGE = 2
/** Errors in what was typed, as opposed to what it led to. */
const usage: ReadonlySet<string> = new Set([
  'E_SIZE', 'E_CFGSTRING', 'E_LUN_TEXT', 'E_PORTAL_ADDRESS', 'E_PORTAL_OPEN', 'E_TARGET_NAME', 'E_CHAP', 'E_NO_LUNS', 'E_FRONT_END_CHOICE',
  'E_DBUS_ADDRESS',
])

/** A flag whose value does not do, told as a setting of the command line. */
const isFlag = (e: unknown): boolean => (e as { facts?: { file?: unknown } } | undefined)?.facts?.file === COMMAND_LINE

/** The exit code of an error, which is told on stderr unless commander did. */
function codeOf(e: unknown): number {
  if (e instanceof CommanderError) return e.exitCode === 0 ? 0 : USAGE
  const { code, message } = (e ?? {}) as { code?: unknown; message?: unknown }
  const typed = typeof code === 'string' && code.startsWith('E_') && typeof message === 'string'
  process.stderr.write(`tcmu-host: ${oneLine(typed ? message : reasonOf(e))}\n`)
  if (typed) return usage.has(code) || isFlag(e) ? USAGE : FAILURE
  if (e instanceof Error) process.stderr.write(`${e.stack}\nThis is a bug of tcmu-host; please report it.\n`)
  return FAILURE
}

async function main(): Promise<void> {
  let code = 0
  // Whoever reads may leave early: `tcmu-host handlers | head`.
  process.stdout.on('error', () => process.argv[2] === 'serve' || process.exit(code))
  const root = program({ env: process.env, uid: process.getuid?.() }, (c) => {
    code = c
  })
  try {
    await root.parseAsync(process.argv)
  } catch (e) {
    code = codeOf(e)
  }
  // Handlers may hold timers and sockets of their own; what the host had is closed by now.
  process.stdout.write('', () => process.exit(code))
}

void main()
