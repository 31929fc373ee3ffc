import type { Nexus } from '../lun'
import { sam, Status } from '../status'
import { copyLimits } from './limits'

/** One copy operation (SPC-4 5.17.4.3) and what RECEIVE COPY tells of it. */
export class CopyJob {
  state: 'running' | 'done' | 'failed' | 'aborted' = 'running'
  segments = 0
  bytes = 0
  /** Commands to sources and destinations that ended well, or their equivalents. */
  operations = 0
  status: number = sam.GOOD
  sense: Uint8Array = new Uint8Array(0)
  private readonly controller = new AbortController()
  private ending: (() => void)[] = []

  /** In the foreground it is aborted with its `command`, in either case by COPY OPERATION ABORT. */
  constructor(readonly serviceAction: number, readonly listIdentifier: number, readonly background: boolean, command: AbortSignal) {
    if (!background) command.addEventListener('abort', () => this.controller.abort(), { once: true })
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }
  get aborted(): boolean {
    return this.signal.aborted
  }

  end(state: CopyJob['state'], status: number, sense: Uint8Array): void {
    Object.assign(this, { state, status, sense })
    for (const fn of this.ending.splice(0)) fn()
  }

  /** Resolves when it has ended. */
  abort(): Promise<void> {
    this.controller.abort()
    return this.state === 'running' ? new Promise((resolve) => void this.ending.push(resolve)) : Promise.resolve()
  }
}

/** Copy operations of one copy manager, by I_T nexus and list identifier; those of a nexus go with it. */
export class CopyJobs {
  private readonly jobs = new Map<Nexus, Map<number, CopyJob>>()
  private running = 0

  /** Take in a job; `named`: by its list identifier, in place of a finished one. A status when that cannot be. */
  begin(nexus: Nexus, job: CopyJob, named: boolean): Status {
    if (this.running >= copyLimits.concurrent) return Status.BUSY
    if (named) {
      const known = this.of(nexus)
      const before = known.get(job.listIdentifier)
      if (before?.state === 'running') return before.serviceAction === job.serviceAction ? Status.OPERATION_IN_PROGRESS : Status.INVALID_PARAM_LIST
      known.delete(job.listIdentifier)
      this.makeRoom(known)
      known.set(job.listIdentifier, job)
    }
    this.running++
    return Status.OK
  }

  /** The job is over, whatever became of it. */
  ended(): void {
    this.running--
  }

  find(nexus: Nexus, listIdentifier: number): CopyJob | undefined {
    return this.jobs.get(nexus)?.get(listIdentifier)
  }

  /** The nexus is lost, and with it what was copied for it and what is known of that (SPC-4 6.24). */
  forget(nexus: Nexus): void {
    for (const job of this.jobs.get(nexus)?.values() ?? []) if (job.state === 'running') void job.abort()
    this.jobs.delete(nexus)
  }

  /** As `forget`, of every nexus: the unit was reset. */
  clear(): void {
    for (const nexus of [...this.jobs.keys()]) this.forget(nexus)
  }

  private of(nexus: Nexus): Map<number, CopyJob> {
    const known = this.jobs.get(nexus) ?? new Map<number, CopyJob>()
    this.jobs.set(nexus, known)
    return known
  }

  /** The result that has waited longest is forgotten (SPC-4 6.24: resources are needed). */
  private makeRoom(known: Map<number, CopyJob>): void {
    if (known.size < copyLimits.concurrent) return
    for (const [id, job] of known) {
      if (job.state === 'running') continue
      known.delete(id)
      return
    }
  }
}
