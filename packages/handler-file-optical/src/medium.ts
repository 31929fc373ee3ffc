import { type BlockIo, type HandlerIo, type IoFile, type Result, Status, TcmuError } from '@tcmu/host/handler'
import { type Profile, profileOf } from './profiles'

/** Of every disc, whatever block size the device was made with. */
export const BLOCK = 2048

/** The image is not there: an empty drive when nobody has asked for it by name. */
export const isMissing = (error: unknown): boolean => missing.has((error as { code?: unknown } | undefined)?.code)
const missing: ReadonlySet<unknown> = new Set(['ENOENT', 'E_FILE_FOLDER', 'ENOMEDIUM', 'E_OPTICAL_EMPTY'])

/** A disc: an image file, open for reading. */
export class Medium {
  readonly blocks: number
  /** Of the image when it was put in; the last block may be longer. */
  readonly bytes: number
  private closing: Promise<void> | undefined

  private constructor(private readonly file: IoFile, readonly profile: Profile) {
    this.bytes = file.size
    this.blocks = Math.ceil(file.size / BLOCK)
  }

  /** Rejects as `io.open` does, or with E_OPTICAL_EMPTY or E_OPTICAL_SIZE; nothing stays open then. */
  static async open(io: HandlerIo, path: string): Promise<Medium> {
    const file = await io.open(path, { readOnly: true })
    try {
      return new Medium(file, fitting(file))
    } catch (e) {
      await file.close()
      throw e
    }
  }

  get path(): string {
    return this.file.path
  }

  /**
   * Fill `data` from the image. What follows its last byte within the last block is zero. An image that was cut off since it
   * was put in has no such bytes: that is an error of the medium and not a stretch of zeroes.
   */
  read({ data, offset }: BlockIo): Result {
    if (this.closing) return Status.MEDIUM_NOT_PRESENT
    const end = Math.min(offset + data.length, this.bytes)
    const done = this.file.readv(data, offset)
    return typeof done === 'number' ? this.complete(done, end) : done.then((status) => this.complete(status, end))
  }

  private async complete(status: Status, end: number): Promise<Status> {
    if (status !== Status.OK || this.closing) return status
    return (await this.file.refresh()) < end ? Status.RD_ERR : Status.OK
  }

  /** Reads under way end first; later ones find no medium. */
  close(): Promise<void> {
    return (this.closing ??= this.file.close())
  }
}

function fitting(file: IoFile): Profile {
  if (file.size === 0) throw new TcmuError('E_OPTICAL_EMPTY', `${file.path} is empty; a disc has at least one block of ${BLOCK} bytes`, { path: file.path })
  const profile = profileOf(Math.ceil(file.size / BLOCK))
  if (profile) return profile
  throw new TcmuError('E_OPTICAL_SIZE', `${file.path} has ${file.size} bytes; no disc has more than 2^32 - 1 blocks of ${BLOCK}`, { path: file.path })
}
