import { constants } from 'node:os'
import type { ImageAnswer, IoImage, Mover } from '../handler/types'
import { IO_SYNC, IoOp, type NativeSession } from '../platform/native'
import type { Result } from '../scsi'
import { Status } from '../scsi/status'
import type { Segments } from '../wire'
import { Flights } from './flights'
import { ioError } from './io-error'
import { Moves } from './moves'
import { type Answer, type Submissions } from './submissions'

const { EBADF } = constants.errno

/** An image or file of a storage library, in a slot of its engine. */
export class EngineImage implements IoImage {
  private readonly flights = new Flights()
  private readonly moves: Moves
  private readonly reads: Answer
  private readonly writes: Answer
  private readonly flushes: Answer
  private closing: Promise<void> | undefined = undefined

  constructor(private readonly submissions: Submissions<NativeSession>, private readonly slot: number, private readonly name: string, answer: ImageAnswer) {
    this.moves = new Moves(this.flights, (errno, write) => answer(errno, write ? 'write' : 'read'))
    this.reads = (result) => answer(-result, 'read')
    this.writes = (result) => answer(-result, 'write')
    this.flushes = (result) => answer(-result, 'none')
  }

  readv(data: Segments, offset: number): Result {
    return this.transfer(IoOp.READV, data, offset, data.length, this.reads)
  }

  writev(data: Segments, offset: number, sync = false): Result {
    return this.transfer(IoOp.WRITEV, data, offset, data.length, this.writes, sync ? IO_SYNC : 0)
  }

  move<T>(write: boolean, data: Segments, offset: number, sync: boolean, mover: Mover<T>, subject: T, turn = 0): void {
    data.check()
    const op = write ? IoOp.WRITEV : IoOp.READV
    if (this.closing) throw ioError(EBADF, op, this.name)
    this.submissions.move(op, this.slot, data, offset, data.length, sync ? IO_SYNC : 0, this.moves.begin(write, data, mover, subject), turn)
  }

  writeSame(data: Segments, offset: number, length: number): Result {
    return this.transfer(IoOp.WRITE_SAME, data, offset, length, this.writes)
  }

  compareAndWrite(data: Segments, offset: number): Result {
    return this.transfer(IoOp.COMPARE_AND_WRITE, data, offset, data.length, this.writes)
  }

  flush(): Result {
    return this.ask(IoOp.DATA_SYNC, 0, 0, this.flushes)
  }

  discard(offset: number, length: number): Result {
    return this.ask(IoOp.PUNCH, offset, length, this.writes)
  }

  zero(offset: number, length: number, allocate = false): Result {
    return this.ask(IoOp.ZERO, offset, length, this.writes, allocate ? IO_SYNC : 0)
  }

  private transfer(op: number, data: Segments, offset: number, length: number, answer: Answer, flags = 0): Result {
    data.check()
    if (this.closing) return answer(-EBADF) as Status
    if (data.length === 0) return Status.OK
    return this.submissions.transfer(op, this.slot, this.name, data, offset, flags, this.flights.group, answer, length) as Promise<Status>
  }

  private ask(op: number, offset: number, length: number, answer: Answer, flags = 0): Result {
    if (this.closing) return answer(-EBADF) as Status
    return this.submissions.ask(op, this.slot, this.name, offset, length, flags, this.flights.group, answer) as Promise<Status>
  }

  drained(): Promise<void> {
    return this.flights.drained()
  }

  close(): Promise<void> {
    this.closing ??= this.submissions.command(IoOp.CLOSE, this.slot, this.name).then(() => undefined)
    return this.closing
  }
}
