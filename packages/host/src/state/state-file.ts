import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import path from 'node:path'

/** Larger than anything kept: a file beyond it is none of ours. */
const MOST_BYTES = 16 * 2 ** 20
const WRITER_ONLY = 0o600
const FOLDER_MODE = 0o700

/** What is kept cannot be read; `reason` says why, in words that follow the name of the file. */
export class StateFileError extends Error {
  constructor(readonly file: string, readonly reason: string, options?: ErrorOptions) {
    super(`${file}: ${reason}`, options)
    this.name = 'StateFileError'
  }
}

interface Document {
  readonly kind: string
  readonly version: number
  /** SHA-256 of the JSON text of `data`. */
  readonly checksum: string
  readonly data: unknown
}

const checksumOf = (data: unknown): string => createHash('sha256').update(JSON.stringify(data)).digest('hex')
const missing = (e: unknown): boolean => (e as NodeJS.ErrnoException).code === 'ENOENT'

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * One JSON value on disk that outlives a loss of power: written beside the old one, synced, renamed over it, and the folder
 * synced. After a crash the old or the new value is there, and a value that was damaged since is found out by its checksum.
 */
export class StateFile {
  private last: Promise<unknown> = Promise.resolve()

  /** `kind` and `version` say what is inside; a file of another kind is refused. `mode`: who may read it, whatever the umask. */
  constructor(readonly file: string, private readonly kind: string, private readonly version: number, private readonly mode = WRITER_ONLY) {}

  /** The value, or undefined when none was ever written. Throws a StateFileError when there is one that cannot be used. */
  read(): unknown {
    const text = this.text()
    if (text === undefined) return undefined
    const found = this.parse(text)
    const { kind, version, checksum, data } = found ?? ({} as Partial<Document>)
    if (kind !== this.kind) throw new StateFileError(this.file, `it is no file of kind ${this.kind}`)
    if (version !== this.version) throw new StateFileError(this.file, `version ${String(version)} where ${this.version} is expected`)
    if (data === undefined || checksum !== checksumOf(data)) throw new StateFileError(this.file, 'its checksum is wrong: it was changed or damaged')
    return data
  }

  private text(): string | undefined {
    try {
      const bytes = readFileSync(this.file)
      if (bytes.length > MOST_BYTES) throw new StateFileError(this.file, `it has ${bytes.length} bytes, more than there can be`)
      return bytes.toString('utf8')
    } catch (e) {
      if (missing(e)) return undefined
      throw e instanceof StateFileError ? e : new StateFileError(this.file, (e as Error).message, { cause: e })
    }
  }

  private parse(text: string): Partial<Document> | null {
    try {
      return JSON.parse(text) as Partial<Document> | null
    } catch (e) {
      throw new StateFileError(this.file, `it is not JSON: ${(e as Error).message}`, { cause: e })
    }
  }

  /** Resolves when the value would outlive a loss of power. One write at a time, in order. */
  write(data: unknown): Promise<void> {
    return this.after(() => this.replace(data))
  }

  /** There is nothing to keep any more. */
  remove(): Promise<void> {
    return this.after(async () => {
      await unlink(this.file).catch((e: unknown) => (missing(e) ? undefined : Promise.reject(e as Error)))
      await syncDirectory(path.dirname(this.file)).catch((e: unknown) => (missing(e) ? undefined : Promise.reject(e as Error)))
    })
  }

  private after<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work)
    this.last = done.catch(() => undefined)
    return done
  }

  private async replace(data: unknown): Promise<void> {
    const folder = path.dirname(this.file)
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE })
    const fresh = `${this.file}.new`
    const document: Document = { kind: this.kind, version: this.version, checksum: checksumOf(data), data }
    const handle = await open(fresh, 'w', WRITER_ONLY)
    try {
      await handle.chmod(this.mode)
      await handle.writeFile(`${JSON.stringify(document, undefined, 1)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(fresh, this.file)
    await syncDirectory(folder)
  }
}
