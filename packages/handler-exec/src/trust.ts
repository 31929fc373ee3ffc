import { accessSync, constants, lstatSync, realpathSync, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'

export interface PathFacts {
  readonly uid: number
  readonly mode: number
}

/** What is known of the system; tests bring their own. */
export interface TrustDeps {
  readonly uid: number | undefined
  readonly lstat: (path: string) => PathFacts
}

const GROUP_OR_OTHERS_WRITE = 0o022
const OTHERS_WRITE = 0o002
const STICKY = 0o1000
const FILE_TYPE = 0o170000
const LINK = 0o120000

const above = (path: string): string[] => (path === '/' ? [] : [dirname(path), ...above(dirname(path))])

/** Whether others than root can put something else in the place of `path`. */
function replaceable(path: string, { lstat }: TrustDeps): string | undefined {
  for (const place of [path, ...above(path)]) {
    const { uid, mode } = lstat(place)
    if (uid !== 0) return `${place} is owned by uid ${uid}, not by root`
    const safe = !(mode & GROUP_OR_OTHERS_WRITE) || (mode & FILE_TYPE) === LINK || (place !== path && mode & STICKY)
    if (!safe) return `${place} can be written by others than root`
  }
  return undefined
}

/** As root a program runs only when nobody else can change it: why it is not to be, or undefined. Throws what `lstat` throws. */
export function untrusted(path: string, deps: TrustDeps = { uid: process.getuid?.(), lstat: lstatSync }): string | undefined {
  if (deps.uid !== 0) return undefined
  const wrong = replaceable(path, deps)
  return wrong && `${wrong}; the host runs as root, and runs no program that somebody else can change`
}

/** As root a socket is trusted when not just anybody can put another one in its place. */
export function untrustedSocket(path: string, deps: TrustDeps = { uid: process.getuid?.(), lstat: lstatSync }): string | undefined {
  if (deps.uid !== 0) return undefined
  const folder = dirname(path)
  return deps.lstat(folder).mode & OTHERS_WRITE ? `${folder} can be written by anybody; put the socket into a folder of its owner` : undefined
}

const mayRun = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function wrongKind(kind: 'program' | 'socket', path: string, found: Stats): string | undefined {
  if (kind === 'socket') return found.isSocket() ? undefined : `${path} is no socket`
  if (!found.isFile()) return `${path} is no file that could be run`
  return mayRun(path) ? undefined : `${path} is not executable; chmod +x it`
}

/** True, or what is wrong with what a device is to talk to. Runs nothing and never throws. */
export function checkPlace(kind: 'program' | 'socket', path: string, deps?: TrustDeps): true | string {
  try {
    const real = realpathSync(path)
    const wrong = wrongKind(kind, path, statSync(real))
    if (wrong) return wrong
    if (kind === 'socket') return untrustedSocket(path, deps) ?? untrustedSocket(real, deps) ?? true
    return untrusted(path, deps) ?? untrusted(real, deps) ?? true
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException
    return code === 'ENOENT' ? `${path} is not there${kind === 'socket' ? '; start the program that listens on it' : ''}` : `${path} cannot be looked at (${code ?? String(e)})`
  }
}
