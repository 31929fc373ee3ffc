import { createHash } from 'node:crypto'
import { type BigIntStats, closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, readSync, realpathSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { quote, reasonOf } from '../errors'
import type { PathGuard } from './guard'

/** Of one handler with all it depends on; what is larger is no handler. */
export const MAX_FILES = 20_000
export const MAX_BYTES = 512 * 2 ** 20
const CHUNK = 2 ** 20

/** Why no digest is made of a folder. */
export class Unfit extends Error {
  constructor(readonly code: 'E_HANDLER_FILES' | 'E_HANDLER_UNSAFE_PATH', readonly field: string, readonly wanted: string, readonly found: string) {
    super(`${field}: wanted ${wanted}, found ${found}`)
  }
}

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('base64')
/** As npm and browsers write it (Subresource Integrity). */
export const integrity = (text: string): string => `sha256-${sha256(text)}`

/** One folder, everything below it. */
export interface Tree {
  /** By path inside, sorted: SHA-256 in base64 of a file, `-> TARGET` of a link. */
  readonly files: ReadonlyMap<string, string>
  readonly digest: string
}

/** Contents by path, for as long as nothing of a file's inode changes: a second look costs an lstat a file. */
export class KnownFiles {
  private readonly known = new Map<string, { readonly stamp: string; readonly hash: string }>()

  hash(path: string, stat: BigIntStats): string {
    // The time of the last change of an inode cannot be set by whoever changes the file.
    const stamp = `${stat.dev}:${stat.ino}:${stat.size}:${stat.ctimeNs}`
    const before = this.known.get(path)
    if (before?.stamp === stamp) return before.hash
    const hash = hashFile(path)
    this.known.set(path, { stamp, hash })
    return hash
  }
}

function hashFile(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const hash = createHash('sha256')
    const chunk = Buffer.allocUnsafe(CHUNK)
    for (let n = readSync(fd, chunk); n > 0; n = readSync(fd, chunk)) hash.update(chunk.subarray(0, n))
    return hash.digest('base64')
  } finally {
    closeSync(fd)
  }
}

/** Whether `path` is where a package of `node_modules` lies: what is linked there is a package of its own. */
function isPackagePlace(path: string): boolean {
  const above = dirname(path)
  return basename(above) === 'node_modules' || (basename(above).startsWith('@') && basename(dirname(above)) === 'node_modules')
}

/** Reads folders to make digests of them, within the bounds of one handler. */
export class TreeReader {
  count = 0
  bytes = 0
  /** Files that hold machine code. */
  readonly native: string[] = []
  /** Packages that links in `node_modules` folders lead to, outside of what was read. */
  readonly linked = new Set<string>()

  constructor(private readonly guard: PathGuard, private readonly known = new KnownFiles()) {}

  /** `folder` has its links resolved. Throws Unfit. */
  read(folder: string): Tree {
    const files = new Map<string, string>()
    this.walk(folder, '', files)
    const sorted = new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    return { files: sorted, digest: integrity([...sorted].map(([path, hash]) => `${JSON.stringify(path)} ${JSON.stringify(hash)}\n`).join('')) }
  }

  private walk(folder: string, inside: string, files: Map<string, string>): void {
    this.checkOwner(join(folder, inside))
    for (const name of this.trying(inside, () => readdirSync(join(folder, inside)))) {
      const path = inside === '' ? name : `${inside}/${name}`
      this.entry(folder, path, files)
    }
  }

  private entry(folder: string, path: string, files: Map<string, string>): void {
    const full = join(folder, path)
    const stat = this.trying(path, () => lstatSync(full, { bigint: true }))
    if (stat.isDirectory()) return this.walk(folder, path, files)
    if (++this.count > MAX_FILES) throw new Unfit('E_HANDLER_FILES', 'files', `at most ${MAX_FILES} of them`, 'more')
    this.checkOwner(full)
    if (stat.isSymbolicLink()) files.set(path, `-> ${this.linkTarget(folder, path)}`)
    else if (stat.isFile()) files.set(path, this.fileHash(path, full, stat))
    else throw new Unfit('E_HANDLER_FILES', path, 'a file, a folder or a link', 'a special file')
  }

  private fileHash(path: string, full: string, stat: BigIntStats): string {
    this.bytes += Number(stat.size)
    if (this.bytes > MAX_BYTES) throw new Unfit('E_HANDLER_FILES', 'files', `at most ${MAX_BYTES} bytes`, 'more')
    if (/\.node$|\.so(\.\d+)*$/.test(path)) this.native.push(full)
    return this.trying(path, () => this.known.hash(full, stat))
  }

  /** What a link says. Files that it leads to outside of the folder would be code that no digest is of. */
  private linkTarget(folder: string, path: string): string {
    const full = join(folder, path)
    const target = this.trying(path, () => readlinkSync(full))
    let real: string | undefined
    try {
      real = realpathSync(full)
    } catch {
      // A dead link: what it says is all there is of it.
    }
    if (real === undefined || real === folder || real.startsWith(folder + sep)) return target
    if (!isPackagePlace(full)) throw new Unfit('E_HANDLER_FILES', path, 'links that stay inside the package', quote(target))
    this.linked.add(real)
    return target
  }

  private checkOwner(path: string): void {
    const unsafe = this.guard.check(path)
    if (unsafe) throw new Unfit('E_HANDLER_UNSAFE_PATH', unsafe.path, unsafe.wanted, unsafe.found)
  }

  private trying<T>(path: string, work: () => T): T {
    try {
      return work()
    } catch (e) {
      throw new Unfit('E_HANDLER_FILES', path || '.', 'something that can be read', reasonOf(e))
    }
  }
}
