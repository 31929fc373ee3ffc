import { type BlockIo, type Change, type DeviceInfo, type DeviceProperties, type Extent, type IoImage, Status, TcmuError } from '@tcmu/host/handler'
import type { NativeRbd } from '@tcmu/native/rbd'
import { type Access, answerOf, type News } from './answers'
import { type Facts, factsOf } from './facts'
import { library } from './library'
import * as locks from './lock'
import { type Place, placeOf, type RbdOptions, specOf } from './place'
import { register } from './service'
import { codeOf, openSession, type Session } from './session'
import { spaceOf } from './space'

type Device = DeviceInfo<RbdOptions>

/** librbd 16 compares this much at most. */
const SECTOR = 512

/** One image that is open, and the client of the cluster that has it open. */
export class Disk {
  readonly image: IoImage
  /** Longest COMPARE AND WRITE of the library, as far as is known. */
  private compareLimit = Infinity
  /** The lock was taken by name: writes without it fail from then on. */
  private locking = false
  private told: News | undefined = undefined
  private sizeBytes: number

  constructor(private readonly dev: Device, rbd: NativeRbd, readonly place: Place, readonly session: Session, readonly facts: Facts) {
    this.sizeBytes = facts.sizeBytes
    this.image = dev.io.image!(rbd, session.native, specOf(place), (errno, access) => this.answer(errno, access))
  }

  private answer(errno: number, access: Access): Status {
    const { status, news } = answerOf(errno, access)
    if (news && this.told !== news) this.tell(news)
    return status
  }

  /** Before the command that found out ends. One who shares the image by ALUA takes the lock again; else it is opened anew. */
  private tell(news: News): void {
    this.told = news
    const name = specOf(this.place)
    const why = news === 'timed-out'
      ? `${name}: the cluster did not answer for ${this.session.opTimeout} s`
      : `${name}: the cluster has shut this client out; another host has the image, or an administrator did it`
    this.dev.log.warn(why)
    this.dev.report(news === 'shut-out' && this.locking ? 'lock-lost' : 'connection-lost', why)
  }

  read(io: BlockIo) {
    return this.image.readv(io.data, io.offset)
  }
  write(io: BlockIo) {
    return this.image.writev(io.data, io.offset)
  }
  flush() {
    return this.image.flush()
  }
  /** Exact to the sector, unlike discards, which leave what is less than their granularity. */
  zero(offset: number, length: number) {
    return this.image.zero(offset, length)
  }
  writeSame(io: BlockIo) {
    const zeroes = io.data.compare(Buffer.alloc(io.data.length)) === -1
    return zeroes ? this.zero(io.offset, io.length) : this.image.writeSame(io.data, io.offset, io.length)
  }

  /** What the library does not compare in one go the host does. */
  async compareAndWrite(io: BlockIo): Promise<Status> {
    if (io.length > this.compareLimit) return Status.NOT_HANDLED
    const status = await this.image.compareAndWrite(io.data, io.offset)
    if (status !== Status.INVALID_CDB || io.length <= SECTOR) return status
    this.compareLimit = SECTOR
    return Status.NOT_HANDLED
  }

  async extents(offset: number, length: number): Promise<readonly Extent[]> {
    const numbers = (await this.session.native.call('extents', String(offset), String(length))).map(Number)
    const found: Extent[] = []
    let at = offset
    const add = (to: number, state: Extent['state']): void => {
      if (to > at) found.push({ offset: at, length: to - at, state })
      at = Math.max(at, to)
    }
    for (let i = 0; i < numbers.length; i += 2) {
      add(Math.min(numbers[i]!, offset + length), 'deallocated')
      add(Math.min(numbers[i]! + numbers[i + 1]!, offset + length), 'mapped')
    }
    add(offset + length, 'deallocated')
    return found
  }

  space() {
    return spaceOf(this.session.native, this.place.pool)
  }

  /** Somebody changed the image: perhaps its size. */
  async refresh(): Promise<void> {
    const [text] = await this.session.native.call('size')
    const size = wholeBlocks(Number(text), this.dev)
    if (size === this.sizeBytes || size === 0) return
    this.dev.log.info(`${specOf(this.place)} has ${size} bytes now, ${this.sizeBytes} before`)
    this.sizeBytes = size
    this.dev.resized(size)
  }

  async reconfigure(change: Change): Promise<Status> {
    if (change.kind !== 'size') return Status.NOT_HANDLED
    const [text] = await this.session.native.call('size')
    const size = Number(text)
    if (change.sizeBytes < wholeBlocks(size, this.dev)) {
      throw new TcmuError('E_RBD_SIZE', `${specOf(this.place)} has ${size} bytes, and is never cut off; if nothing is lost, rbd resize --allow-shrink --size ${change.sizeBytes}B ${specOf(this.place)}`, { size })
    }
    const before = this.sizeBytes
    // The library tells of our own change too, before it is done.
    this.sizeBytes = change.sizeBytes
    try {
      if (change.sizeBytes > size) await this.session.native.call('resize', String(change.sizeBytes))
    } catch (error) {
      this.sizeBytes = before
      throw error
    }
    return Status.OK
  }

  async lock(tag: number | undefined): Promise<Status> {
    if (!this.facts.exclusiveLock) throw new TcmuError('E_RBD_LOCK', `${specOf(this.place)} has no exclusive lock to take; rbd feature enable ${specOf(this.place)} exclusive-lock`)
    this.locking = true
    const status = await locks.lock(this.session.native, tag)
    if (status === Status.OK) this.told = undefined
    return status
  }

  async close(): Promise<void> {
    await this.image.close()
    await this.session.native.close()
  }
}

const wholeBlocks = (bytes: number, { blockSize }: Device): number => bytes - (bytes % blockSize)

function checkSize(dev: Device, place: Place, size: number): void {
  const usable = wholeBlocks(size, dev)
  if (dev.reopen || dev.sizeBytes === 0 || usable === dev.sizeBytes) return
  throw new TcmuError('E_RBD_SIZE', `${specOf(place)} has ${size} bytes, and ${dev.name} is to have ${dev.sizeBytes}; give the LUN size=${usable}, or change the image: rbd resize --size ${dev.sizeBytes}B ${specOf(place)}`, { size, sizeBytes: dev.sizeBytes })
}

function propertiesOf(dev: Device, { readOnly }: Session, facts: Facts): DeviceProperties {
  return {
    writeCache: false,
    unmappedReadsZero: true,
    unmapGranularityBlocks: Math.max(1, Math.floor(facts.discardGranularity / dev.blockSize)),
    optimalTransferBlocks: Math.max(1, Math.floor(facts.objectBytes / dev.blockSize)),
    ...(readOnly && { readOnly: true }),
    ...(facts.solidState !== undefined && { solidState: facts.solidState }),
    ...(!facts.fastDiff && { lacking: ['extents', 'space'] as const }),
  }
}

function announce(dev: Device, disk: Disk): void {
  const { place, session, facts } = disk
  const usable = wholeBlocks(facts.sizeBytes, dev)
  if (usable !== dev.sizeBytes) dev.resized(usable)
  dev.declare(propertiesOf(dev, session, facts))
  if (place.unknown.length > 0) dev.log.warn(`${specOf(place)}: nothing is known of the options ${place.unknown.join(', ')}`)
  if (place.osdOpTimeout !== undefined && place.osdOpTimeout !== session.opTimeout) {
    dev.log.warn(`${specOf(place)}: osd_op_timeout=${place.osdOpTimeout} would give up OSDs that are only slow; ${session.opTimeout} s are used`)
  }
  if (session.readOnly && place.snapshot === '' && !dev.options?.readOnly) dev.log.warn(`${specOf(place)} cannot be opened for writing: ${dev.name} is read-only`)
  if (!facts.exclusiveLock) dev.log.info(`${specOf(place)} has no exclusive lock: no failover between hosts; rbd feature enable ${specOf(place)} exclusive-lock`)
}

/** Rejects with E_CONFIG_REFUSED, E_RBD_LIBRARY, E_RBD_OPEN or E_RBD_SIZE. */
export async function openDisk(dev: Device): Promise<Disk> {
  const place = placeOf(dev.config)
  if ('wrong' in place) throw new TcmuError('E_RBD_CONFIG', `${dev.name}: ${place.wrong}`)
  const rbd = library()
  let disk: Disk | undefined
  const changed = (): void => void disk?.refresh().catch((error: unknown) => dev.log.warn(`${specOf(place)}: its size cannot be read (${codeOf(error)})`))
  const session = await openSession(rbd, place, dev.options?.readOnly === true, changed)
  try {
    const facts = await factsOf(session.native, place)
    checkSize(dev, place, facts.sizeBytes)
    if (place.snapshot === '') await session.native.call('watch')
    await register(session.native, place, facts.imageId).catch((error: unknown) => dev.log.warn(`${specOf(place)}: the cluster does not list this service (${codeOf(error)})`))
    disk = new Disk(dev, rbd, place, session, facts)
    announce(dev, disk)
    return disk
  } catch (error) {
    await session.native.close()
    throw error
  }
}
