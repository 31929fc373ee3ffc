import { type FSWatcher, statSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

const DEBOUNCE_MS = 100
/** How often a folder that is not there is looked for. */
const RETRY_MS = 2000
/** In place of a name: whatever is in the folder. */
const ANY = '*'

export interface WatchTiming {
  readonly debounceMs?: number
  readonly retryMs?: number
}

const inodeOf = (folder: string): number | undefined => {
  try {
    return statSync(folder).ino
  } catch {
    return undefined
  }
}

/**
 * Folders are watched, files are not: editors replace files, and a watched file that was replaced says nothing more. Reports
 * once a burst of events is over; the last write of a slow writer is always followed by a report.
 */
export class ConfigWatch {
  private readonly folders = new Map<string, { readonly names: Set<string>; watcher?: FSWatcher; inode?: number }>()
  private readonly debounceMs: number
  private readonly retryMs: number
  private pause: NodeJS.Timeout | undefined
  private retry: NodeJS.Timeout | undefined

  /** `changed` must not throw. */
  constructor(files: readonly string[], private readonly changed: () => void, { debounceMs = DEBOUNCE_MS, retryMs = RETRY_MS }: WatchTiming = {}) {
    this.debounceMs = debounceMs
    this.retryMs = retryMs
    for (const file of files) {
      const entry = this.folders.get(dirname(file)) ?? { names: new Set<string>() }
      entry.names.add(basename(file))
      this.folders.set(dirname(file), entry)
    }
  }

  start(): this {
    for (const folder of this.folders.keys()) this.open(folder)
    this.retry = setInterval(() => this.check(), this.retryMs)
    this.retry.unref()
    return this
  }

  stop(): void {
    clearTimeout(this.pause)
    clearInterval(this.retry)
    for (const entry of this.folders.values()) entry.watcher?.close()
    this.folders.clear()
  }

  private open(folder: string): void {
    const entry = this.folders.get(folder)!
    try {
      entry.inode = inodeOf(folder)
      entry.watcher = watch(folder, { persistent: false }, (_, name) => {
        if (name === null || entry.names.has(name) || entry.names.has(ANY)) this.soon()
      })
      entry.watcher.on('error', () => this.close(folder))
    } catch {
      entry.watcher = undefined
    }
  }

  private close(folder: string): void {
    const entry = this.folders.get(folder)
    entry?.watcher?.close()
    if (entry) entry.watcher = undefined
  }

  /** A folder that has come, or that another one has taken the place of. */
  private check(): void {
    for (const [folder, entry] of this.folders) {
      const inode = inodeOf(folder)
      if (entry.watcher && inode === entry.inode) continue
      const before = entry.watcher
      this.close(folder)
      if (inode !== undefined) this.open(folder)
      if (before !== entry.watcher) this.soon()
    }
  }

  private soon(): void {
    clearTimeout(this.pause)
    this.pause = setTimeout(() => this.changed(), this.debounceMs)
    this.pause.unref()
  }
}
