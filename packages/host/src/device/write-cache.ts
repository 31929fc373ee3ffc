import type { Answer, Change } from '../handler/types'
import type { BlockOps } from '../scsi'
import { Status } from '../scsi/status'
import { writeThrough } from './ops'

/** What a change of the cache asks of its device. */
export interface CacheOwner {
  /** What the handler's `reconfigure` answers; undefined without one, or when it says nothing. */
  reconfigure(change: Change): Answer
  readonly reconfigurable: boolean
  /** Resolves when the writes that are live now have ended. */
  writesDone(): Promise<void>
}

/** WCE of one device, and the operations that go with it. */
export class WriteCache {
  private current: BlockOps
  private changing: Promise<unknown> = Promise.resolve()

  constructor(private wce: boolean, private readonly plain: BlockOps, private readonly owner: CacheOwner) {
    this.current = plain
  }

  /** Writes may be acknowledged before they are on the medium. */
  get on(): boolean {
    return this.wce
  }

  /** The medium, writing through where the cache is off and the handler cannot do that itself. */
  get ops(): BlockOps {
    return this.current
  }

  /** Each write is followed by a flush. */
  get emulated(): boolean {
    return this.current !== this.plain
  }

  /** One change at a time. Rejects with what the handler threw. */
  set(on: boolean): Promise<Status> {
    const change = this.changing.then(() => this.change(on))
    this.changing = change.catch(() => undefined)
    return change
  }

  private async change(on: boolean): Promise<Status> {
    if (on === this.wce) return Status.OK
    const { owner } = this
    const status = owner.reconfigurable ? ((await owner.reconfigure({ kind: 'writeCache', on })) ?? Status.OK) : Status.NOT_HANDLED
    if (status !== Status.OK && status !== Status.NOT_HANDLED) return status
    if (status === Status.NOT_HANDLED && !this.plain.flush) return Status.NOT_HANDLED
    const emulate = !on && status !== Status.OK
    const flushed = on ? Status.OK : await this.empty(emulate)
    if (flushed !== Status.OK) return flushed
    this.current = emulate ? writeThrough(this.plain) : this.plain
    this.wce = on
    return Status.OK
  }

  /**
   * What was cached while WCE was set has to be on the medium before WCE=0 is reported (SBC-3 6.5.5), and what is
   * answered afterwards too: from here on writes flush, those that began before are waited for.
   */
  private async empty(emulate: boolean): Promise<Status> {
    if (!this.plain.flush) return Status.OK
    const before = this.current
    if (emulate) this.current = writeThrough(this.plain)
    let flushed: Status | undefined
    try {
      await this.owner.writesDone()
      flushed = await this.plain.flush(new AbortController().signal)
    } finally {
      if (flushed !== Status.OK) this.current = before
    }
    return flushed
  }
}
