import { type BlockIo, type BlockRange, type DeviceInfo, type Extent, type IoImage, type Result, Status } from '@tcmu/host/handler'
import type { NativeGlfs, NativeSession } from '@tcmu/native/glfs'
import { answerOf, type Loss } from './answers'
import { within } from './deadline'
import { extentsOf } from './extents'
import { type Location, locationText } from './location'
import { refuse } from './refuse'

/** How long closing waits for a brick that does not answer; libgfapi itself waits up to twice `network.ping-timeout`. */
const CLOSE_MS = 5000

/** What file systems of bricks free and what they move at a time. */
export const BRICK_BLOCK = 4096

/** Kept for the next opening of a device: every write had been flushed when it was closed. */
export const CLEAN = 'clean'

const losses: Readonly<Record<Loss, string>> = { 'connection-lost': 'its bricks do not answer', 'lock-lost': 'another client has its lock' }

const errnoName = (error: unknown): string => String((error as { code?: unknown }).code)

export interface FileFacts {
  readonly location: Location
  readonly native: NativeGlfs
  readonly session: NativeSession
  readonly readOnly: boolean
  /** Of the file. */
  readonly bytes: number
  /** Writes that were acknowledged before this opening may not have reached a brick. */
  readonly lost: boolean
}

/** A device's state: a file of a volume. */
export class VolumeFile {
  readonly name: string
  readonly image: IoImage
  readonly readOnly: boolean
  private bytes: number
  private readonly session: NativeSession
  private lost: boolean
  /** Writes begun, and how many of those a flush has covered. */
  private begun = 0
  private flushed = 0
  /** Other clients are kept out by a lock that this one took. */
  private locked = false
  /** Until then the device is not there to be told of losses. */
  private opened = false
  private closing = false
  private reported = false

  constructor(private readonly dev: DeviceInfo, facts: FileFacts) {
    this.name = locationText(facts.location)
    this.session = facts.session
    this.readOnly = facts.readOnly
    this.bytes = facts.bytes
    this.lost = facts.lost
    this.image = dev.io.image!(facts.native, facts.session, this.name, (errno, access) => {
      const { status, loss } = answerOf(errno, access)
      if (loss) this.lose(loss)
      return status
    })
  }

  private lose(loss: Loss): void {
    if (!this.opened && loss === 'connection-lost') this.reported = true
    if (!this.opened || this.closing || this.reported || (loss === 'lock-lost' && !this.locked)) return
    this.reported = true
    this.locked = false
    this.dev.report(loss, `${this.name}: ${losses[loss]}`)
  }

  /**
   * The device may begin: whether its bricks can discard. Beyond the end there is nothing to lose, and a discard there makes the file
   * no larger. Rejects when they are gone; another client's lock in the way is no answer, and no loss.
   */
  async begin(): Promise<boolean> {
    const beyond = Math.ceil(this.bytes / BRICK_BLOCK) * BRICK_BLOCK
    const status = this.readOnly ? Status.NOT_HANDLED : await this.image.discard(beyond, BRICK_BLOCK)
    if (this.reported) throw Object.assign(new Error('ENOTCONN: discard'), { code: 'ENOTCONN' })
    this.opened = true
    return status !== Status.NOT_HANDLED
  }

  read({ data, offset }: BlockIo): Result {
    return this.image.readv(data, offset)
  }

  /** A write beyond the end would make the file larger. */
  write({ data, offset, length, fua }: BlockIo): Result {
    if (this.readOnly) return Status.WRITE_PROTECTED
    if (offset + length > this.bytes) return Status.RANGE
    if (!fua) this.begun++
    return this.image.writev(data, offset, fua)
  }

  /** Until then what was acknowledged may be in this process's memory (write-behind), and gone with it or with its brick. */
  async flush(): Promise<Status> {
    if (this.lost) {
      this.lost = false
      return Status.WR_ERR
    }
    const { begun } = this
    const status = await this.image.flush()
    // What failed is told here, once; libgfapi forgets it.
    if (status !== Status.BUSY) this.flushed = Math.max(this.flushed, begun)
    return status
  }

  /** For our own purposes: what fails now is told at the next flush of an initiator. */
  private async flushAside(): Promise<void> {
    if (this.lost) return
    const status = await this.flush()
    if (status !== Status.OK && status !== Status.BUSY) this.lost = true
  }

  unmap({ offset, length }: BlockRange): Result {
    if (this.readOnly) return Status.WRITE_PROTECTED
    this.begun++
    return this.image.discard(offset, length)
  }

  writeSame({ data, offset, length }: BlockIo): Result {
    if (this.readOnly) return Status.WRITE_PROTECTED
    if (offset + length > this.bytes) return Status.RANGE
    if (data.compare(new Uint8Array(data.length)) !== -1) return Status.NOT_HANDLED
    this.begun++
    return this.image.zero(offset, length)
  }

  /** Bricks do not know yet what is in this process's memory. Where a brick cannot tell, everything is mapped. */
  async extents({ offset, length }: BlockRange): Promise<readonly Extent[]> {
    await this.flushAside()
    const numbers = await this.session.call('extents', String(offset), String(length)).catch((error: unknown) => {
      if (!['EINVAL', 'EOPNOTSUPP', 'ENOSYS'].includes(errnoName(error))) throw error
      return [String(offset), String(length)]
    })
    return extentsOf(numbers.map(Number), offset, length)
  }

  async space(): Promise<{ used: number; available: number }> {
    const [[bytes, storage], [left]] = await Promise.all([this.session.call('stat'), this.session.call('space')])
    const used = Math.min(Number(storage), Number(bytes))
    return { used, available: Math.min(Number(bytes) - used, Number(left)) }
  }

  async resize(sizeBytes: number): Promise<Status> {
    if (this.readOnly) return Status.WRITE_PROTECTED
    const bytes = Number((await this.session.call('stat'))[0])
    if (sizeBytes < bytes - (bytes % this.dev.blockSize)) throw refuse('E_GLFS_RESIZE', { location: this.name, reason: `it has ${bytes} bytes, and is never cut off` })
    if (sizeBytes > bytes) await this.session.call('truncate', String(sizeBytes))
    this.bytes = Math.max(bytes, sizeBytes)
    return Status.OK
  }

  /** Volumes without mandatory locks keep nobody out: then there is nothing to take. */
  async lock(): Promise<Status> {
    try {
      await this.session.call('enforceLocks')
      await this.session.call('lock')
      this.locked = true
      return Status.OK
    } catch (error) {
      const code = errnoName(error)
      if (code !== 'EINVAL' && code !== 'EOPNOTSUPP') return code === 'EAGAIN' || code === 'EBUSY' ? Status.FENCED : Status.TIMEOUT
      this.dev.log.warn(`${this.name}: its volume has no mandatory locks, so that other hosts are not kept from writing; see the options locks.mandatory-locking and features.enforce-mandatory-lock`)
      return Status.OK
    }
  }

  async unlock(): Promise<Status> {
    if (this.locked) await this.session.call('unlock')
    this.locked = false
    return Status.OK
  }

  async lockState(): Promise<'locked' | 'unlocked' | 'unknown'> {
    if (!this.locked) return 'unknown'
    const [other] = await this.session.call('lockedByOther')
    return other ? 'unlocked' : 'locked'
  }

  /** Writes that no flush has covered. */
  private get dirty(): boolean {
    return this.lost || this.begun > this.flushed
  }

  /** What a brick does not answer to is left to the background. */
  async close(): Promise<void> {
    this.closing = true
    if (this.dirty) await within(CLOSE_MS, this.flushAside())
    if (this.dirty) this.dev.log.warn(`${this.name} is closed with writes that may not have reached a brick`)
    await within(CLOSE_MS, this.image.close())
    await within(CLOSE_MS, this.session.close())
    if (!this.dirty) this.dev.keep(CLEAN)
  }
}
