import { direct } from '../filter/apply'
import { type Handler, isBlocks, type Mover, type Moving } from '../handler/types'
import type { DirectMedium, Result, Task, WhenMoved } from '../scsi'
import { Status } from '../scsi/status'
import type { Backend } from './backend'
import type { OpHooks } from './ops'

interface State {
  readonly bottom?: unknown
}
/** A task's data has moved, or failed to. */
type Ended = (task: Task, outcome: Result | Error) => void

/** READ and WRITE of a handler that says which file holds its medium: from the command to the I/O engine, without a promise (DESIGN T7 A). */
export class DirectPath implements DirectMedium, Mover<Task> {
  private stateOf: unknown = this
  private state: unknown = undefined
  private file: Moving = {}

  constructor(
    private readonly handler: Handler, private readonly behindFilters: boolean, private readonly backend: { readonly state: unknown }, private readonly ended: Ended,
  ) {}

  move(task: Task, write: boolean, whenMoved?: WhenMoved): boolean {
    if (this.backend.state !== this.stateOf) this.look()
    if (this.file.move === undefined) return false
    const at = this.handler.locate ? this.handler.locate(this.state, task.offset, task.length, write) : task.offset
    if (at < 0) return false
    task.moving = true
    task.whenMoved = whenMoved
    try {
      this.file.move(write, task.data, at, task.fua, this, task)
    } catch (e) {
      task.moving = false
      task.whenMoved = undefined
      throw e
    }
    return true
  }

  /** The state is another one after a reopen. */
  private look(): void {
    this.stateOf = this.backend.state
    this.state = this.behindFilters ? (this.stateOf as State).bottom : this.stateOf
    this.file = this.handler.file!(this.state)
  }

  private told(whenMoved: WhenMoved, outcome: Status | Error): Result | Error {
    try {
      const result = whenMoved(outcome === Status.OK)
      return outcome === Status.OK ? result : outcome
    } catch (e) {
      return e as Error
    }
  }

  moved(task: Task, outcome: Status | Error): void {
    task.moving = false
    const { whenMoved } = task
    if (whenMoved === undefined) return this.ended(task, outcome)
    task.whenMoved = undefined
    this.ended(task, this.told(whenMoved, outcome))
  }
}

/** Whether a device has such a path, looked for at its first command: filters tap until then. */
export class DirectPathChoice {
  private chosen: DirectPath | undefined = undefined
  private looked = false

  constructor(private readonly backend: Pick<Backend, 'handler' | 'state'>, private readonly hooks: OpHooks, private readonly ended: Ended) {}

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
    if (!isBlocks(handler)) return handler.file && new DirectPath(handler, false, backend, this.ended)
    const [read, write] = [direct(handler, 'read'), direct(handler, 'write')]
    return read.handler === write.handler && read.handler.file ? new DirectPath(read.handler, read.past, backend, this.ended) : undefined
  }
}
