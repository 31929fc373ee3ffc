import { direct } from '../filter/apply'
import { type Handler, isBlocks, type Mover, type Moving } from '../handler/types'
import type { AfterMove, DirectMedium, Task } from '../scsi'
import type { Status } from '../scsi/status'
import type { Backend } from './backend'
import type { OpHooks } from './ops'

interface State {
  readonly bottom?: unknown
}
/** A task is done with: its data has moved, or failed to. */
export interface DirectOwner {
  ended(task: Task, outcome: Status | Error): void
  /** Nobody looks at tasks when they have ended: the initiator may hear of it before. */
  readonly unwatched: boolean
}

/** READ and WRITE of a handler that says which file holds its medium: from the command to the I/O engine, without a promise (DESIGN T7 A). */
export class DirectPath implements DirectMedium, Mover<Task> {
  private stateOf: unknown = this
  private state: unknown = undefined
  private file: Moving = {}

  constructor(
    private readonly handler: Handler, private readonly behindFilters: boolean, private readonly backend: { readonly state: unknown }, private readonly owner: DirectOwner,
  ) {}

  move(task: Task, write: boolean, after?: AfterMove): boolean {
    if (this.backend.state !== this.stateOf) this.look()
    if (this.file.move === undefined) return false
    const at = this.handler.locate ? this.handler.locate(this.state, task.offset, task.length, write) : task.offset
    if (at < 0) return false
    task.moving = true
    task.afterMove = after
    try {
      this.file.move(write, task.data, at, task.fua, this, task, this.turnOf(task))
    } catch (e) {
      task.moving = false
      task.afterMove = undefined
      throw e
    }
    return true
  }

  private turnOf(task: Task): number {
    return task.afterMove === undefined && task.length === task.data.length && this.owner.unwatched ? task.lend() : 0
  }

  /** The state is another one after a reopen. */
  private look(): void {
    this.stateOf = this.backend.state
    this.state = this.behindFilters ? (this.stateOf as State).bottom : this.stateOf
    this.file = this.handler.file!(this.state)
  }

  moved(task: Task, outcome: Status | Error): void {
    const { afterMove } = task
    if (afterMove === undefined) return this.end(task, outcome)
    task.afterMove = undefined
    try {
      afterMove.moved(task, outcome, this)
    } catch (e) {
      this.end(task, e as Error)
    }
  }

  end(task: Task, outcome: Status | Error): void {
    if (!task.moving) return
    task.moving = false
    this.owner.ended(task, outcome)
  }
}

/** Whether a device has such a path, looked for at its first command: filters tap until then. */
export class DirectPathChoice {
  private chosen: DirectPath | undefined = undefined
  private looked = false

  constructor(private readonly backend: Pick<Backend, 'handler' | 'state'>, private readonly hooks: OpHooks, private readonly owner: DirectOwner) {}

  /** Undefined where `read` or `write` has to be asked each time: the handler has no `file`, or somebody stands in between. */
  get(): DirectPath | undefined {
    if (!this.looked) {
      this.looked = true
      this.chosen = this.look()
    }
    return this.chosen
  }

  private look(): DirectPath | undefined {
    const { backend, backend: { handler }, hooks } = this
    // One that answers commands itself may want to see what becomes of those it hands on.
    if (handler.handleCmd || hooks.read.taps.length > 1 || hooks.write.taps.length > 1) return undefined
    if (!isBlocks(handler)) return handler.file && new DirectPath(handler, false, backend, this.owner)
    const [read, write] = [direct(handler, 'read'), direct(handler, 'write')]
    return read.handler === write.handler && read.handler.file ? new DirectPath(read.handler, read.past, backend, this.owner) : undefined
  }
}
