import { lstatSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { reasonOf } from '../errors'

export interface PathStat {
  readonly uid: number
  /** st_mode. */
  readonly mode: number
}

/** What the guard knows of the system; tests bring their own. */
export interface GuardDeps {
  /** Who runs the host; undefined where there are no users. */
  readonly uid: number | undefined
  readonly stat: (path: string) => PathStat
}

const GROUP_OR_OTHERS_WRITE = 0o022
const STICKY = 0o1000

export interface Unsafe {
  readonly path: string
  readonly wanted: string
  readonly found: string
}

/**
 * Whether code may be loaded from a path: when the host runs as root, root owns it and everything above it, and nobody
 * else may write there. In a folder above, the sticky bit is enough: what root owns there cannot be replaced.
 */
export class PathGuard {
  private readonly known = new Map<string, Unsafe | undefined>()

  constructor(private readonly deps: GuardDeps = { uid: process.getuid?.(), stat: lstatSync }) {}

  /** The first thing wrong with `path` or a folder above it. Never throws. */
  check(path: string): Unsafe | undefined {
    if (this.deps.uid !== 0) return undefined
    const start = resolve(path)
    const own = this.look(start, false)
    if (own) return own
    for (let above = dirname(start), below = start; above !== below; below = above, above = dirname(above)) {
      if (!this.known.has(above)) this.known.set(above, this.look(above, true))
      const fault = this.known.get(above)
      if (fault) return fault
    }
    return undefined
  }

  private look(path: string, isAbove: boolean): Unsafe | undefined {
    let stat: PathStat
    try {
      stat = this.deps.stat(path)
    } catch (e) {
      return { path, wanted: 'a path that can be examined', found: reasonOf(e) }
    }
    const { uid, mode } = stat
    const octal = `mode ${(mode & 0o7777).toString(8).padStart(4, '0')}`
    if (uid !== 0) return { path, wanted: 'owned by root', found: `owned by uid ${uid}` }
    const isLink = (mode & 0o170000) === 0o120000
    if (isLink || !(mode & GROUP_OR_OTHERS_WRITE) || (isAbove && mode & STICKY)) return undefined
    return { path, wanted: 'not writable by group or others', found: octal }
  }
}
