import { Task } from '../scsi/task'
import type { Nexus } from '../scsi/lun'
import { Segments } from '../wire'

/** Whoever takes commands out of a ring: `finish` comes back here. */
export interface RingOwner {
  /** The kernel does not tell which port a command came through: one nexus for all commands of a ring. */
  readonly nexus: Nexus
  /** A command's result is complete; hand it to `Ring.complete`, now or later. */
  finished(command: Command): void
  /** The initiator aborted these (a TMR entry of that type). They are in flight still and must be completed. */
  aborted?(type: number, commands: readonly Command[]): void
  /** As `Ring.lend`. */
  lend?(command: Command): number
  /** An entry the kernel would not have posted was answered or skipped. */
  malformed?(fault: MalformedEntry): void
}

export interface MalformedEntry {
  /** Bytes from the start of the command ring. */
  readonly position: number
  /** 0 for entries that are no commands. */
  readonly id: number
  readonly reason: string
}

/** A command taken out of a ring. Pooled: dead, data and all, once completed. */
export class Command extends Task {
  readonly nexus: Nexus
  id = 0
  /** Data-In of a bidirectional command; `data` is its Data-Out. */
  readonly bidi: Segments
  /** The memory of `data`, when there is any. */
  readonly segments: Segments
  /** The ring was reset under this command: its result goes nowhere. */
  orphan = false
  /** The kernel has its answer, from the thread that moved its data. */
  answered = false
  /** The next free command of the pool. */
  nextFree: Command | undefined = undefined

  constructor(private readonly owner: RingOwner, former?: Command) {
    super(former)
    this.nexus = owner.nexus
    // Handlers never see it: it can pass from one to the next.
    this.bidi = former?.bidi ?? new Segments()
    this.segments = former ? Segments.successor(former.segments) : new Segments()
  }

  /** The object for the next command: this one, or another where somebody may still have this one. */
  renewed(): Command {
    return this.deferred ? new Command(this.owner, this) : this
  }

  override lend(): number {
    return this.owner.lend?.(this) ?? 0
  }

  override finish(): void {
    this.owner.finished(this)
  }
}

/**
 * Free commands, reused oldest first. A callback that answered by promise and holds on to its command meets revoked data
 * for ever. One that answered at once gets that as long as possible: replacing those too would cost what a command costs.
 */
export class CommandPool {
  private first: Command | undefined = undefined
  private last: Command | undefined = undefined
  constructor(private readonly owner: RingOwner, spare: number) {
    for (let i = 0; i < spare; i++) this.put(new Command(owner))
  }

  take(): Command {
    const command = this.first
    if (command === undefined) return new Command(this.owner)
    this.first = command.nextFree
    if (this.first === undefined) this.last = undefined
    command.nextFree = undefined
    return command
  }

  /** Take a command back whose data is revoked. */
  put(done: Command): void {
    const command = done.renewed()
    if (this.last === undefined) this.first = command
    else this.last.nextFree = command
    this.last = command
  }
}
