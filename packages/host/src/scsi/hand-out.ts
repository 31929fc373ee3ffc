import { Segments } from '../wire/segments'
import type { BlockIo, Lun, Result } from './lun'
import type { Task } from './task'

/** What a callback is handed of a whole command that answers by promise, and may hold on to: dead with the command. */
class HandedOut implements BlockIo {
  /** Out of their reach: it serves others later. */
  readonly #task: Task
  readonly data: Segments
  readonly offset: number
  readonly length: number
  readonly fua: boolean
  constructor(task: Task) {
    this.#task = task
    this.data = Segments.view(task.data)
    this.offset = task.offset
    this.length = task.length
    this.fua = task.fua
  }
  get signal(): AbortSignal {
    return this.data.revoked ? AbortSignal.abort() : this.#task.signal
  }
}

/** The range of `task` for whoever moves it, and hears of nothing else of the command. */
export type Hand = (lun: Lun, task: Task) => BlockIo

/** The task itself: for rows of others, who have it in any case. */
export const taskItself: Hand = (_lun, task) => task

/**
 * What callbacks get that answer later may be kept as long as they like. A front end would need another task for each of these commands
 * (a twentieth of what a cached 4 KiB one costs): they get something smaller.
 */
export const onlyItsRange: Hand = (lun, task) => {
  if (lun.answersLater !== true) return task
  task.shielded = true
  return new HandedOut(task)
}

/** `result` of a callback that moved a range. */
export function noticed(lun: Lun, result: Result): Result {
  if (typeof result !== 'number') lun.answersLater = true
  return result
}
