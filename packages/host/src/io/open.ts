import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, stat, unlink } from 'node:fs/promises'
import { dirname, isAbsolute } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { tcmuError } from '../errors'
import type { ByteLocks, OpenFile } from '../handler/types'
import type { NativeCore } from '../platform/native'

const NEW_FILE_MODE = 0o600
/** A process that was killed is gone before the kernel has let go of the files that its io_uring was at. */
const LETTING_GO_MS = 1000
const PAUSE_MS = 20

/** An open file before the engine has it. */
export interface Opened {
  readonly handle: FileHandle
  readonly stat: Stats
  /** Bytes that positions and lengths must be multiples of. */
  readonly alignment: number
}

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code

const kinds: readonly (readonly [is: (s: Stats) => boolean, name: string])[] = [
  [(s) => s.isDirectory(), 'a directory'],
  [(s) => s.isSocket(), 'a socket'],
  [(s) => s.isFIFO(), 'a pipe'],
  [(s) => s.isCharacterDevice(), 'a character device'],
]

function checkKind(path: string, s: Stats): Stats {
  if (s.isFile() || s.isBlockDevice()) return s
  throw tcmuError('E_FILE_KIND', { path, kind: kinds.find(([is]) => is(s))?.[1] ?? 'something else' })
}

function checkPath(path: string): void {
  const wrong = (reason: string): Error => tcmuError('E_FILE_PATH', { path, reason })
  if (path === '') throw wrong('it is empty')
  if (path.includes('\0')) throw wrong('it contains a zero byte')
  if (!isAbsolute(path)) throw wrong('it is not absolute')
}

/** What is at `path`; undefined when nothing is and it may be made. */
async function look(path: string, create: boolean): Promise<Stats | undefined> {
  try {
    return checkKind(path, await stat(path))
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') throw tcmuError('E_FILE_FOLDER', { path, folder: dirname(path) }, { cause: error })
    if (codeOf(error) !== 'ENOENT') throw error
    const folder = await stat(dirname(path)).catch(() => undefined)
    if (!folder?.isDirectory()) throw tcmuError('E_FILE_FOLDER', { path, folder: dirname(path) }, { cause: error })
    if (!create) throw error
    return undefined
  }
}

/** Locks are advisory but for block devices, where O_EXCL also refuses one that is mounted or part of another device. */
function flagsFor(found: Stats | undefined, { readOnly, lock = true }: OpenFile): number {
  // O_NONBLOCK: a pipe that took the file's place since `look` must not hang us.
  const always = constants.O_NONBLOCK | (readOnly ? constants.O_RDONLY : constants.O_RDWR)
  if (!found) return always | constants.O_CREAT | constants.O_EXCL
  return found.isBlockDevice() && lock && !readOnly ? always | constants.O_EXCL : always
}

async function openHandle(path: string, flags: number): Promise<FileHandle> {
  try {
    return await open(path, flags, NEW_FILE_MODE)
  } catch (error) {
    if (codeOf(error) === 'EISDIR') throw tcmuError('E_FILE_KIND', { path, kind: 'a directory' }, { cause: error })
    if (codeOf(error) === 'EBUSY') throw tcmuError('E_FILE_LOCKED', { path }, { cause: error })
    throw error
  }
}

/** What is in use is tried again for a moment. */
async function onceFree<T>(attempt: () => T | Promise<T>): Promise<T> {
  for (const until = performance.now() + LETTING_GO_MS; ; await sleep(PAUSE_MS)) {
    try {
      return await attempt()
    } catch (error) {
      if (codeOf(error) !== 'E_FILE_LOCKED' || performance.now() >= until) throw error
    }
  }
}

/** Errors about a descriptor do not know its name. */
const naming = (path: string, what: string, cause: unknown): Error =>
  Object.assign(new Error(`${(cause as Error).message}: '${path}' cannot be ${what}`, { cause }), { code: codeOf(cause), path })

function takeLock(core: NativeCore, path: string, handle: FileHandle, lock: true | ByteLocks, exclusive: boolean): void {
  try {
    if (lock === true ? core.lockFile(handle.fd, exclusive) : core.lockBytes(handle.fd, lock.hold, lock.refuse) === -1) return
  } catch (error) {
    throw naming(path, 'locked', error)
  }
  throw tcmuError('E_FILE_LOCKED', { path })
}

/** Pass by the page cache from here on. */
function makeDirect(core: NativeCore, path: string, handle: FileHandle): number {
  const alignment = core.directIo(handle.fd)
  if (alignment === 0) throw tcmuError('E_FILE_DIRECT', { path })
  return alignment
}

/** Give a new file its size, and make it and its name survive a power loss. */
async function finishNew(path: string, handle: FileHandle, size: number): Promise<void> {
  try {
    await handle.truncate(size)
    await handle.sync()
    const folder = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    await unlink(path).catch(() => undefined)
    throw naming(path, `made ${size} bytes long`, error)
  }
}

/** Open, check, lock and if need be make a file; nothing stays open or behind when it rejects. */
export async function openDescriptor(core: NativeCore, path: string, options: OpenFile): Promise<Opened> {
  checkPath(path)
  const found = await look(path, options.create === true && options.readOnly !== true)
  const handle = await onceFree(() => openHandle(path, flagsFor(found, options)))
  try {
    checkKind(path, await handle.stat())
    const lock = options.lock ?? true
    if (lock) await onceFree(() => takeLock(core, path, handle, lock, options.readOnly !== true))
    if (!found) await finishNew(path, handle, options.size ?? 0)
    const alignment = options.direct ? makeDirect(core, path, handle) : 1
    return { handle, stat: await handle.stat(), alignment }
  } catch (error) {
    await handle.close()
    throw error
  }
}
