import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import type { HandlerIo, IoFile, OpenFile } from '../handler'
import { type Extent, type Space, Status } from '../scsi'
import type { Segments } from '../wire'

/** `dev.io` over node:fs, for tests that run without the host's addon. Slower, without locks, and it cannot punch holes. */
export const fileIo = (): HandlerIo => ({ open: openPlain })

async function openPlain(path: string, { readOnly = false, create = false, size = 0 }: OpenFile = {}): Promise<IoFile> {
  if (!isAbsolute(path)) throw Object.assign(new Error(`E_FILE_PATH: ${path} is not absolute`), { code: 'E_FILE_PATH' })
  const found = await stat(path).catch(() => undefined)
  if (found && !found.isFile() && !found.isBlockDevice()) throw Object.assign(new Error(`E_FILE_KIND: ${path} is no regular file or block device`), { code: 'E_FILE_KIND' })
  const make = create && !found
  const handle = await open(path, (readOnly ? constants.O_RDONLY : constants.O_RDWR) | (make ? constants.O_CREAT | constants.O_EXCL : 0), 0o600)
  try {
    if (make) await handle.truncate(size)
    return new PlainFile(path, handle, (await handle.stat()).size, readOnly, found?.isBlockDevice() ?? false)
  } catch (e) {
    await handle.close()
    throw e
  }
}

class PlainFile implements IoFile {
  readonly granularity = 4096
  readonly alignment = 1
  readonly canPunch = false
  readonly rotational = undefined
  private readonly running = new Set<Promise<unknown>>()
  private closing: Promise<void> | undefined = undefined

  constructor(readonly path: string, private readonly handle: FileHandle, public size: number, readonly readOnly: boolean, readonly blockDevice: boolean) {}

  private run<T>(work: () => Promise<T>): Promise<T> {
    if (this.closing) return Promise.reject(Object.assign(new Error(`EBADF: ${this.path} is closed`), { code: 'EBADF' }))
    const running = work()
    const ended = (): void => void this.running.delete(running)
    this.running.add(running)
    running.then(ended, ended)
    return running
  }

  /** While it runs, the command cannot be completed. */
  private pinned(data: Segments, work: () => Promise<void>): Promise<Status> {
    const { pinned } = data
    pinned.pins++
    return this.run(work).then(() => Status.OK).finally(() => void pinned.pins--)
  }

  readv(data: Segments, offset: number): Promise<Status> {
    return this.pinned(data, async () => {
      const bytes = Buffer.alloc(data.length)
      for (let at = 0; at < bytes.length;) {
        const { bytesRead } = await this.handle.read(bytes, at, bytes.length - at, offset + at)
        if (bytesRead === 0) break
        at += bytesRead
      }
      data.set(bytes)
    })
  }

  writev(data: Segments, offset: number, sync = false): Promise<Status> {
    return this.pinned(data, async () => {
      const bytes = data.toBuffer()
      for (let at = 0; at < bytes.length;) at += (await this.handle.write(bytes, at, bytes.length - at, offset + at)).bytesWritten
      this.size = Math.max(this.size, offset + bytes.length)
      if (sync) await this.handle.datasync()
    })
  }

  sync(): Promise<Status> {
    return this.run(() => this.handle.datasync()).then(() => Status.OK)
  }

  punch(): Status {
    return Status.NOT_HANDLED
  }

  async zero(): Promise<Status> {
    return Status.NOT_HANDLED
  }

  allocate(): Status {
    return Status.NOT_HANDLED
  }

  async extents(offset: number, length: number): Promise<readonly Extent[]> {
    return [{ offset, length, state: 'mapped' }]
  }

  async space(): Promise<Space> {
    return { used: this.size, available: 0 }
  }

  truncate(size: number): Promise<void> {
    return this.run(async () => {
      await this.handle.truncate(size)
      this.size = size
    })
  }

  refresh(): Promise<number> {
    return this.run(async () => (this.size = (await this.handle.stat()).size))
  }

  async drained(): Promise<void> {
    await Promise.allSettled(this.running)
  }

  close(): Promise<void> {
    this.closing ??= Promise.allSettled(this.running).then(() => this.handle.close())
    return this.closing
  }
}
