import type { Operation, OperationSpec, UnitCondition, UnitOperations } from '../scsi'
import { Status } from '../scsi/status'

const PARTS = 65536

class Running implements Operation, UnitCondition {
  readonly state = 'formatting'
  private readonly controller = new AbortController()
  private done = 0
  constructor(private readonly spec: OperationSpec) {}

  get status(): Status {
    return this.spec.status
  }
  get progress(): number {
    return Math.min(PARTS - 1, Math.floor((this.done / this.spec.total) * PARTS))
  }
  get signal(): AbortSignal {
    return this.controller.signal
  }
  get aborted(): boolean {
    return this.signal.aborted
  }
  advance(bytes: number): void {
    this.done += bytes
  }
  abort(): void {
    this.controller.abort()
  }
}

/** The long operations of one device. `explain` makes a status of what the handler threw. */
export class Operations implements UnitOperations {
  private current: UnitCondition | undefined = undefined
  private running: { readonly operation: Running; readonly ended: Promise<Status> } | undefined

  /** `changed` hears whether there is a condition now, so that commands need not look. */
  constructor(private readonly explain: (error: unknown) => Status, private readonly changed: (is: boolean) => void) {}

  get condition(): UnitCondition | undefined {
    return this.current
  }
  private become(condition: UnitCondition | undefined): void {
    this.current = condition
    this.changed(condition !== undefined)
  }

  begin(spec: OperationSpec): Promise<Status> {
    if (this.running) return Promise.resolve(this.running.operation.status)
    const operation = new Running(spec)
    this.become(operation)
    const ended = this.run(operation, spec)
    this.running = { operation, ended }
    return ended
  }

  private async run(operation: Running, spec: OperationSpec): Promise<Status> {
    let status: Status
    try {
      status = await spec.work(operation)
    } catch (e) {
      status = this.explain(e)
    }
    if (operation.aborted) status = Status.ABORTED
    this.running = undefined
    const left = status !== Status.OK && status !== Status.ABORTED
    this.become(left ? { ...spec.failed, progress: -1 } : undefined)
    return status
  }

  clear(): void {
    if (!this.running) this.become(undefined)
  }

  async stop(): Promise<void> {
    this.running?.operation.abort()
    await this.running?.ended
  }
}
