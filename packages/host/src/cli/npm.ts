import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { reasonOf, tcmuError } from '../errors'
import { withProgress } from './progress'

/**
 * Nothing of a package runs while it is installed; npm brings no second host along; a folder is copied, not linked; nothing is
 * cloned with Git, whose packages prepare themselves by running code.
 */
export const NPM_FLAGS = ['--ignore-scripts', '--legacy-peer-deps', '--install-links', '--allow-git=none', '--no-audit', '--no-fund', '--loglevel=error'] as const
const MAX_SAID = 64 * 1024
const OTHERS_CANNOT_WRITE = 0o022

interface Ended {
  readonly code: number | NodeJS.Signals | null
  readonly said: string
}

/** root loads nothing that others may write. */
function spawnNpm(args: readonly string[]): ChildProcessByStdio<null, null, Readable> {
  const umask = process.umask(OTHERS_CANNOT_WRITE)
  try {
    return spawn('npm', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  } finally {
    process.umask(umask)
  }
}

function runNpm(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawnNpm(args)
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-MAX_SAID)))
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code: signal ?? code, said }))
  })
}

/** The lines of npm that say what happened; the rest is about its log files. */
const faultIn = (said: string): string =>
  said.split('\n').map((l) => l.replace(/^npm (error|ERR!) ?/, '').trim()).filter((l) => l !== '' && !/complete log of this run|debug-0\.log/.test(l)).slice(0, 6).join('; ')

/** Run npm in a handler root, without a shell. Rejects with E_NPM. */
export async function npm(verb: 'install' | 'uninstall' | 'update', specs: readonly string[], root: string): Promise<void> {
  const what = [verb, ...specs].join(' ')
  let ended: Ended
  try {
    ended = await withProgress(`npm ${what}`, () => runNpm([verb, '--prefix', root, ...NPM_FLAGS, '--', ...specs]))
  } catch (e) {
    const missing = (e as NodeJS.ErrnoException).code === 'ENOENT'
    throw tcmuError('E_NPM', { what, root, reason: missing ? 'there is no npm on the PATH; install it (Debian: apt-get install npm)' : reasonOf(e) }, { cause: e })
  }
  if (ended.code !== 0) throw tcmuError('E_NPM', { what, root, reason: `it ended with ${ended.code}: ${faultIn(ended.said) || 'it said nothing'}` })
}
