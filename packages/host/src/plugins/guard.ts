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
const OTHERS_WRITE = 0o002
const STICKY = 0o1000

export interface Unsafe {
  readonly path: string
  readonly wanted: string
  readonly found: string
}

const octal = (mode: number): string => `mode ${(mode & 0o7777).toString(8).padStart(4, '0')}`

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

  /**
   * Whether what is written at some paths can be believed: for root as `check`; for others when they or root own them, and not
   * everybody may write there. Never throws.
   */
  checkRecord(...paths: readonly string[]): Unsafe | undefined {
    const { uid } = this.deps
    for (const path of paths) {
      const fault = uid === 0 ? this.check(path) : this.lookAsOther(path, uid)
      if (fault) return fault
    }
    return undefined
  }

  private lookAsOther(path: string, uid: number | undefined): Unsafe | undefined {
    const stat = this.stat(path)
    if ('wanted' in stat) return stat
    if (uid !== undefined && stat.uid !== uid && stat.uid !== 0) return { path, wanted: `owned by uid ${uid} or root`, found: `owned by uid ${stat.uid}` }
    return stat.mode & OTHERS_WRITE ? { path, wanted: 'not writable by everybody', found: octal(stat.mode) } : undefined
  }

  private stat(path: string): PathStat | Unsafe {
    try {
      return this.deps.stat(path)
    } catch (e) {
      return { path, wanted: 'a path that can be examined', found: reasonOf(e) }
    }
  }

  private look(path: string, isAbove: boolean): Unsafe | undefined {
    const stat = this.stat(path)
    if ('wanted' in stat) return stat
    const { uid, mode } = stat
    if (uid !== 0) return { path, wanted: 'owned by root', found: `owned by uid ${uid}` }
    const isLink = (mode & 0o170000) === 0o120000
    if (isLink || !(mode & GROUP_OR_OTHERS_WRITE) || (isAbove && mode & STICKY)) return undefined
    return { path, wanted: 'not writable by group or others', found: octal(mode) }
  }
}
