import type { ByteLocks, HandlerIo, HandlerLog, IoFile } from '@tcmu/host/handler'
import { readBytes } from './disk'
import { HEADER_BYTES, type ImageHeader, parseHeader, versionOf } from './header'
import { refuse } from './refuse'

/**
 * QEMU's scheme (file-posix): byte 100 + n is share-locked by who has permission n, byte 200 + n by who will not have
 * others have it. 0 is reading a consistent state, 1 writing, 3 resizing.
 */
const HAVE = 100
const DENY = 200
const Permission = { READ: 0, WRITE: 1, RESIZE: 3 } as const
const denied = [DENY + Permission.WRITE, DENY + Permission.RESIZE]
const others = [HAVE + Permission.WRITE, HAVE + Permission.RESIZE]
export const readerLocks: ByteLocks = { hold: [HAVE + Permission.READ, ...denied], refuse: [DENY + Permission.READ, ...others] }
export const writerLocks: ByteLocks = {
  hold: [HAVE + Permission.READ, ...others, ...denied],
  refuse: [DENY + Permission.READ, DENY + Permission.WRITE, DENY + Permission.RESIZE, ...others],
}

/** Opening for writing failed with one of these: the image can still be served for reading. */
const writeRefused: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS'])

export interface Opened {
  readonly file: IoFile
  readonly header: ImageHeader
}

export async function openImageFile(io: HandlerIo, path: string, readOnly: boolean): Promise<Opened> {
  const file = await io.open(path, { readOnly, lock: readOnly ? readerLocks : writerLocks })
  try {
    const bytes = await readBytes(file, 0, Math.min(file.size, HEADER_BYTES))
    return { file, header: parseHeader(bytes, path, file.size) }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Read-only when it may not be written, which the log says. */
export async function openTop(io: HandlerIo, path: string, readOnly: boolean, log: HandlerLog): Promise<Opened> {
  try {
    return await openImageFile(io, path, readOnly)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw refuse('E_QCOW_MISSING', { path }, error)
    if (readOnly || !writeRefused.has(code)) throw error
    const opened = await openImageFile(io, path, true).catch(() => { throw error })
    log.warn(`${path} cannot be written (${(error as Error).message}): it is served read-only`)
    return opened
  }
}

/** Whether a file begins as an image; only asked when nobody says what it is. */
export async function looksLikeImage(file: IoFile): Promise<boolean> {
  return versionOf(await readBytes(file, 0, Math.min(file.size, 8)), file.path) !== 0
}
