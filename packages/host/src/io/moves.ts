import type { Mover } from '../handler/types'
import { Status } from '../scsi/status'
import { noData, type Segments } from '../wire/segments'
import type { Flights } from './flights'
import type { Group, Ticket } from './submissions'

/** What is told of a transfer that failed: of the errno (positive), and of which way it went. */
export type Explain = (errno: number, write: boolean) => Status | Error

const nobody: Mover<unknown> = { moved: () => undefined }

/** One transfer whose mover waits; used again for others. */
class Move implements Ticket {
  memory: Segments = noData
  group: Group | undefined = undefined
  mover: Mover<unknown> = nobody
  subject: unknown = undefined
  write = false
  lent = false

  constructor(private readonly moves: Moves) {}

  ended(result: number): void {
    const { mover, subject, write } = this
    this.memory = noData
    this.group = undefined
    this.mover = nobody
    this.subject = undefined
    this.moves.spare.push(this)
    mover.moved(subject, result >= 0 ? Status.OK : this.moves.explain(-result, write))
  }
}

/** Transfers of one file without promises: as many objects as were ever under way at once. */
export class Moves {
  readonly spare: Move[] = []

  constructor(private readonly flights: Flights, readonly explain: Explain) {}

  begin<T>(write: boolean, data: Segments, mover: Mover<T>, subject: T): Ticket {
    const move = this.spare.pop() ?? new Move(this)
    move.memory = data.pinned
    move.group = this.flights.group
    move.mover = mover as Mover<unknown>
    move.subject = subject
    move.write = write
    return move
  }
}
