import { noData, Segments } from '../wire'
import type { LogicalUnit, Nexus } from './lun'
import { Direction, Task } from './task'

/** Data of a command that a program sends by itself: Data-Out, or room for Data-In in bytes. */
export interface AskOptions {
  readonly out?: Uint8Array
  readonly in?: number
  /** Who asks; one that has joined the unit hears its unit attentions. Left out: the program, which hears none. */
  readonly nexus?: Nexus
  readonly signal?: AbortSignal
}

/** What became of a command. */
export interface Reply {
  /** SAM status. */
  readonly status: number
  /** Empty without CHECK CONDITION. */
  readonly sense: Uint8Array
  /** Data-In that came. */
  readonly data: Buffer
  /** Bytes that were offered or expected and did not move. */
  readonly residual: number
}

const program: Nexus = Object.freeze({ name: 'the program itself' })

/** A command of one's own making. */
export class OwnTask extends Task {
  constructor(readonly nexus: Nexus, cdb: Uint8Array, private readonly done: () => void) {
    super()
    this.cdb.set(cdb)
    this.cdbLength = cdb.length
  }

  finish(): void {
    this.done()
  }
}

function replyOf(task: OwnTask): Reply {
  const { data, direction, expected, dataInLength } = task
  const moved = direction === Direction.OUT ? Math.min(task.transferLength, expected) : dataInLength
  return { status: task.status, sense: task.sense.slice(0, task.senseLength), data: data.toBuffer().subarray(0, dataInLength), residual: expected - moved }
}

/** Tell the unit when the signal fires that the command is not wanted any more; returns how to forget it. */
export function abortWith(signal: AbortSignal | undefined, unit: LogicalUnit, task: Task): () => void {
  const abort = (): void => void unit.abort((t) => t === task)
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  return () => signal?.removeEventListener('abort', abort)
}

/** Send a unit one command and wait for what becomes of it. Never rejects: whatever goes wrong is a status. */
export function ask(unit: LogicalUnit, cdb: Uint8Array, options: AskOptions = {}): Promise<Reply> {
  return new Promise((resolve) => {
    let forget = (): void => undefined
    let ended = false
    const task = new OwnTask(options.nexus ?? program, cdb, () => {
      ended = true
      forget()
      resolve(replyOf(task))
    })
    const { out } = options
    task.direction = out ? Direction.OUT : options.in ? Direction.IN : Direction.NONE
    task.expected = out?.length ?? options.in ?? 0
    const length = Math.min(task.expected, unit.transferOf(task))
    if (length > 0) task.data = Segments.allocate(length)
    else task.data = noData
    if (out) task.data.set(out)
    unit.execute(task)
    if (!ended) forget = abortWith(options.signal, unit, task)
  })
}
