import { type AfterMove, type DirectMedium, Status, type Task } from '@tcmu/host/scsi'
import type { Awaiting } from './journal'
import type { Zone } from './zone'

/** How something ended; an error is explained to the initiator by the host. */
export type Outcome = Status | Error

/** Whoever ends writes: told when the data of one is in the file, or is not. */
export interface WritesEnd {
  ended(write: ZoneWrite, outcome: Outcome): void
}

/** One write within a zone, from its acceptance until it is answered. */
export class ZoneWrite implements AfterMove, Awaiting {
  state: 'under way' | 'written' | 'lost' = 'under way'
  private task: Task | undefined = undefined
  private medium: DirectMedium | undefined = undefined
  private tell: ((outcome: Outcome) => void) | undefined = undefined

  /** LBAs [start, end); `advances`: it moves the write pointer, and is one of the zone's `appends`. */
  constructor(private readonly writes: WritesEnd, readonly zone: Zone, readonly start: number, readonly end: number, readonly advances: boolean) {}

  /** The host has moved its data, and leaves the task to us. */
  moved(task: Task, outcome: Outcome, medium: DirectMedium): void {
    this.task = task
    this.medium = medium
    this.writes.ended(this, outcome)
  }

  /** Its data has been written in another way; resolves when the write is to be answered. */
  written(outcome: Outcome): Promise<Status> {
    return new Promise((resolve, reject) => {
      this.tell = (o) => (typeof o === 'number' ? resolve(o) : reject(o))
      this.writes.ended(this, outcome)
    })
  }

  /** Answer it, once. Nobody hears of a write whose command has ended with an error of its own. */
  answer(outcome: Outcome): void {
    if (this.task) this.medium!.end(this.task, outcome)
    else this.tell?.(outcome)
  }

  recorded(outcome: Outcome): void {
    this.answer(outcome)
  }
}
