import { stat, statfs } from 'node:fs/promises'
import { constants } from 'node:os'
import type { IoFile, Mover } from '../handler/types'
import { IO_SYNC, IoOp } from '../platform/native'
import type { Extent, Result, Space } from '../scsi'
import { Status } from '../scsi/status'
import type { Segments } from '../wire'
import { ioError } from './io-error'
import { byStorage, byWritten, extents } from './extents'
import { Flights } from './flights'
import { Moves } from './moves'
import type { Submissions } from './submissions'

const { EBADF, EOPNOTSUPP, ENOSYS, ENODEV } = constants.errno
const unsupported: ReadonlySet<number> = new Set([-EOPNOTSUPP, -ENOSYS, -ENODEV])

/** Unit of st_blocks. */
const STAT_BLOCK = 512

export interface FileFacts {
  readonly path: string
  readonly size: number
  readonly readOnly: boolean
  readonly blockDevice: boolean
  readonly granularity: number
  readonly alignment: number
  readonly canPunch: boolean
  readonly rotational: boolean | undefined
}

/** A file in an engine's slot. Made by `IoEngine.open`. */
export class EngineFile implements IoFile {
  readonly path: string
  size: number
  readonly readOnly: boolean
  readonly blockDevice: boolean
  readonly granularity: number
  readonly alignment: number
  readonly canPunch: boolean
  readonly rotational: boolean | undefined
  private closing: Promise<void> | undefined = undefined
  private truncated = false
  /** Operations that this file's file system does not have; it is asked once. */
  private readonly lacking = new Set<number>()
  private syncing: Promise<Status> | undefined = undefined
  private nextSync: Promise<Status> | undefined = undefined
  private readonly flights = new Flights()
  private readonly moves = new Moves(this.flights, (errno, write) => ioError(errno, write ? IoOp.WRITEV : IoOp.READV, this.path))

  /** Set by the engine: called when the file is closed. */
  onClosed: () => void = () => undefined

  constructor(private readonly submissions: Submissions, private readonly slot: number, facts: FileFacts) {
    this.path = facts.path
    this.size = facts.size
    this.readOnly = facts.readOnly
    this.blockDevice = facts.blockDevice
    this.granularity = facts.granularity
    this.alignment = facts.alignment
    this.canPunch = facts.canPunch
    this.rotational = facts.rotational
  }

  readv(data: Segments, offset: number): Result {
    return this.transfer(IoOp.READV, data, offset, 0)
  }

  writev(data: Segments, offset: number, sync = false): Result {
    return this.transfer(IoOp.WRITEV, data, offset, sync ? IO_SYNC : 0)
  }

  private transfer(op: number, data: Segments, offset: number, flags: number): Result {
    data.check()
    if (this.closing) return this.gone(op)
    if (data.length === 0) return Status.OK
    return this.submissions.transfer(op, this.slot, this.path, data, offset, flags, this.flights.group) as Promise<Status>
  }

  move<T>(write: boolean, data: Segments, offset: number, sync: boolean, mover: Mover<T>, subject: T, turn = 0): void {
    data.check()
    const op = write ? IoOp.WRITEV : IoOp.READV
    if (this.closing) throw ioError(EBADF, op, this.path)
    this.submissions.move(op, this.slot, data, offset, data.length, sync ? IO_SYNC : 0, this.moves.begin(write, data, mover, subject), turn)
  }

  afterBatch(fn: () => void): void {
    this.submissions.afterBatch(fn)
  }

  drained(): Promise<void> {
    return this.flights.drained()
  }

  private gone(op: number): Promise<never> {
    return Promise.reject(ioError(EBADF, op, this.path))
  }

  private command(op: number, offset = 0, length = 0, raw = false): Promise<number> {
    return this.closing ? this.gone(op) : this.submissions.command(op, this.slot, this.path, offset, length, raw)
  }

  /** One runs, one waits: a caller that comes while one runs shares the next, which begins after the caller's writes. */
  sync(): Result {
    if (this.closing) return this.gone(IoOp.DATA_SYNC)
    if (!this.syncing) return this.startSync()
    this.nextSync ??= this.syncing.then(() => this.startSync(), () => this.startSync())
    return this.nextSync
  }

  private startSync(): Promise<Status> {
    const op = this.truncated ? IoOp.SYNC : IoOp.DATA_SYNC
    this.truncated = false
    this.nextSync = undefined
    const running = this.submissions.command(op, this.slot, this.path).then(
      () => Status.OK,
      (error: unknown) => {
        this.truncated ||= op === IoOp.SYNC
        throw error
      },
    )
    this.syncing = running
    const ended = (): void => {
      if (this.syncing === running) this.syncing = undefined
    }
    running.then(ended, ended)
    return running
  }

  punch(offset: number, length: number): Result {
    return this.fallocate(IoOp.PUNCH, offset, length)
  }

  async zero(offset: number, length: number, allocate = false): Promise<Status> {
    const status = allocate ? Status.NOT_HANDLED : await this.punch(offset, length)
    return status === Status.NOT_HANDLED ? this.fallocate(IoOp.ZERO, offset, length) : status
  }

  allocate(offset: number, length: number): Result {
    return this.fallocate(IoOp.ALLOCATE, offset, length)
  }

  private fallocate(op: number, offset: number, length: number): Result {
    if (this.lacking.has(op) && !this.closing) return Status.NOT_HANDLED
    if (length === 0 && !this.closing) return Status.OK
    return this.command(op, offset, length, true).then((result) => {
      if (result >= 0) return Status.OK
      if (!unsupported.has(result)) throw ioError(-result, op, this.path)
      this.lacking.add(op)
      return Status.NOT_HANDLED
    })
  }

  extents(offset: number, length: number, written = false): Promise<readonly Extent[]> {
    return extents((op, at) => this.command(op, at, 0, true), offset, length, written ? byWritten : byStorage)
  }

  /** A block device has all of its storage. */
  async space(): Promise<Space> {
    if (this.blockDevice) return { used: this.size, available: 0 }
    const [file, system] = await Promise.all([stat(this.path), statfs(this.path)])
    const used = file.blocks * STAT_BLOCK
    return { used, available: Math.max(0, Math.min(this.size - used, system.bavail * system.bsize)) }
  }

  async truncate(size: number): Promise<void> {
    await this.command(IoOp.TRUNCATE, 0, size)
    this.truncated = true
    this.size = size
  }

  async refresh(): Promise<number> {
    return (this.size = await this.command(IoOp.SIZE))
  }

  close(): Promise<void> {
    this.closing ??= this.finish().finally(this.onClosed)
    return this.closing
  }

  private async finish(): Promise<void> {
    await Promise.allSettled([this.nextSync ?? this.syncing])
    await this.submissions.command(IoOp.CLOSE, this.slot, this.path)
  }
}
