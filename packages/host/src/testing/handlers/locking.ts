import { type BlocksHandler, defineHandler, type LockHolder, Status } from '../../handler'
import { ramHandler } from './ram'

/** A disk in memory whose exclusive lock and whose connection a test moves, as other hosts and networks would. */
export class LockingBackend {
  /** What the host called, in order: `open`, `reopen`, `close`, `lock TAG`, `unlock`. */
  readonly calls: string[] = []
  /** What `lock` answers, one after the other; then OK. */
  readonly answers: (Status | Error)[] = []
  holder: LockHolder | Status = Status.NO_LOCK_HOLDERS
  state: 'locked' | 'unlocked' | 'unknown' = 'unlocked'
  /** The next so many opens fail. */
  failOpens = 0
  report: (event: 'connection-lost' | 'lock-lost') => void = () => undefined

  handler(more: Partial<BlocksHandler<Uint8Array>> = {}): BlocksHandler<Uint8Array> {
    let disk: Uint8Array | undefined
    return defineHandler<Uint8Array>({
      ...ramHandler,
      open: (dev) => {
        this.calls.push(dev.reopen ? 'reopen' : 'open')
        if (this.failOpens-- > 0) throw Object.assign(new Error('no way there'), { code: 'EHOSTUNREACH' })
        this.report = (e) => dev.report(e)
        return (disk ??= new Uint8Array(dev.sizeBytes))
      },
      close: () => void this.calls.push('close'),
      lock: async (_disk, tag) => this.take(tag),
      unlock: () => {
        this.calls.push('unlock')
        this.state = 'unlocked'
        this.holder = Status.NO_LOCK_HOLDERS
      },
      getLockState: () => this.state,
      getLockTag: () => this.holder,
      ...more,
    })
  }

  private take(tag: number | undefined): Status {
    this.calls.push(`lock ${tag ?? '-'}`)
    const answer = this.answers.shift() ?? Status.OK
    if (answer instanceof Error) throw answer
    if (answer === Status.OK) {
      this.state = 'locked'
      this.holder = { tag }
    }
    return answer
  }
}
