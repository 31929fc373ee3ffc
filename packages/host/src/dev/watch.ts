import { createHash } from 'node:crypto'
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join, relative } from 'node:path'

/** What Node.js loads, apart from the extension of a package's own entry. */
const extensions: readonly string[] = ['.js', '.cjs', '.mjs', '.json', '.node', '.wasm']
/** Of a package with more, the first are looked at. */
const MOST_FILES = 2000
const MOST_DEPTH = 12
export const POLL_MS = 200

interface Seen {
  /** Changes whenever somebody writes or replaces the file. */
  readonly stamp: string
  readonly digest: string
}
type Snapshot = ReadonlyMap<string, Seen>

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

/** Other packages and hidden folders are not the author's code. */
const isOwn = (name: string): boolean => !name.startsWith('.') && name !== 'node_modules'

function seenAt(path: string, before: Seen | undefined): Seen | undefined {
  try {
    const { mtimeMs, ctimeMs, size, ino } = statSync(path)
    const stamp = `${mtimeMs} ${ctimeMs} ${size} ${ino}`
    return stamp === before?.stamp ? before : { stamp, digest: createHash('sha256').update(readFileSync(path)).digest('base64') }
  } catch {
    return undefined
  }
}

const differs = (a: Snapshot, b: Snapshot): string[] => [...new Set([...a.keys(), ...b.keys()])].filter((path) => a.get(path)?.digest !== b.get(path)?.digest)

/**
 * Reports when the code of a package is other than it was, once it has been the same for a period. It looks instead of
 * waiting for events: editors replace files, builds replace folders, and file systems of containers tell nothing.
 */
export class CodeWatch {
  private readonly wanted: ReadonlySet<string>
  private known: Snapshot
  private last: Snapshot
  private timer: NodeJS.Timeout | undefined

  /** `changed` gets paths relative to the folder, sorted; it must not throw. */
  constructor(private readonly folder: string, private readonly changed: (files: readonly string[]) => void, entry = '', private readonly pollMs = POLL_MS) {
    this.wanted = new Set([...extensions, extname(entry)].filter((e) => e !== ''))
    this.known = this.last = this.scan(new Map())
  }

  start(): this {
    this.timer = setInterval(() => this.look(), this.pollMs)
    return this
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private look(): void {
    const now = this.scan(this.last)
    const still = differs(now, this.last).length === 0
    this.last = now
    const files = differs(now, this.known)
    if (!still || files.length === 0) return
    this.known = now
    this.changed(files.sort())
  }

  private scan(before: Snapshot): Snapshot {
    const found = new Map<string, Seen>()
    const walk = (folder: string, depth: number): void => {
      for (const entry of entriesOf(folder)) {
        if (!isOwn(entry.name) || found.size >= MOST_FILES) continue
        const path = join(folder, entry.name)
        if (entry.isDirectory()) {
          if (depth < MOST_DEPTH) walk(path, depth + 1)
        } else if (this.wanted.has(extname(entry.name))) {
          const name = relative(this.folder, path)
          const seen = seenAt(path, before.get(name))
          if (seen) found.set(name, seen)
        }
      }
    }
    walk(this.folder, 0)
    return found
  }
}
