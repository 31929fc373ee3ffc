import type { BlocksHandler, HandlerLog, LockHolder } from '../handler/types'
import { reasonOf } from '../errors'
import type { Access } from '../scsi/command-table'
import { Status } from '../scsi/status'
import type { Backend } from './backend'

/** States of the exclusive lock of a device and the only ways between them. Reading takes no lock, but a device that was opened since one was lost. */
export const lockStates = {
  unlocked: { read: 'readLocking', write: 'writeLocking' },
  readLocking: { gained: 'readLocked', failed: 'unlocked' },
  readLocked: { write: 'writeLocking', lost: 'unlocked' },
  writeLocking: { gained: 'writeLocked', failed: 'unlocked' },
  writeLocked: { write: 'writeLocking', lost: 'unlocked', released: 'unlocked' },
} as const
export type LockState = keyof typeof lockStates
type LockEvent = { [S in LockState]: keyof (typeof lockStates)[S] }[LockState]

/** Who may move the lock: nobody asks for it, the first command that needs it, or SET TARGET PORT GROUPS alone. */
export type LockMode = 'off' | 'implicit' | 'explicit'

export interface LockParts {
  readonly name: string
  readonly backend: Backend
  readonly mode: () => LockMode
  /** Resolves when no command is under way. */
  readonly idle: () => Promise<void>
  readonly reopen: () => Promise<void>
  readonly connectionLost: (why: string) => void
  /** The lock was lost: counted and told. */
  readonly lost: () => void
  readonly log: HandlerLog
}

/** The exclusive lock of one device (spec: handler model 9): who holds it, and what that lets through. */
export class DeviceLock {
  private current: LockState = 'unlocked'
  /** It was lost: the device has to be opened again before it is taken. */
  private stale = false
  private turn: Promise<unknown> = Promise.resolve()

  constructor(private readonly parts: LockParts) {}

  get state(): LockState {
    return this.current
  }

  private get handler(): BlocksHandler {
    return this.parts.backend.handler as BlocksHandler
  }

  /** Make a move that the table has; others are ignored. */
  private move(event: LockEvent): boolean {
    const next = (lockStates[this.current] as Partial<Record<LockEvent, LockState>>)[event]
    if (!next) return false
    this.current = next
    return true
  }

  /** What a command that uses the medium is told before it runs. */
  admit(access: Access): Status | undefined {
    const mode = this.parts.mode()
    const { current } = this
    if (mode === 'off' || current === 'writeLocked') return undefined
    if (mode === 'explicit') return Status.FENCED
    if (current === 'readLocking' || current === 'writeLocking') return Status.BUSY
    if (access === 'read' && current === 'readLocked') return undefined
    const event = access === 'read' ? 'read' : 'write'
    this.move(event)
    void this.inTurn(() => this.take(event, undefined))
    return Status.BUSY
  }

  /** Take the lock for a port group; what came of it. */
  acquire(tag: number): Promise<Status> {
    return this.inTurn(async () => {
      if (!this.parts.backend.open) return Status.BUSY
      if (this.current === 'writeLocked') return Status.OK
      return this.move('write') ? this.take('write', tag) : Status.BUSY
    })
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work)
    this.turn = result.catch(() => undefined)
    return result
  }

  private async take(event: 'read' | 'write', tag: number | undefined): Promise<Status> {
    let status: Status
    try {
      await this.parts.idle()
      status = await this.gain(event === 'write', tag)
    } catch (e) {
      this.parts.log.error(`${this.parts.name}: the lock was not taken: ${reasonOf(e)}`)
      status = Status.HW_ERR
    }
    this.move(status === Status.OK ? 'gained' : 'failed')
    if (status === Status.TIMEOUT) this.parts.connectionLost('its lock was not had in time')
    return status
  }

  /** FENCED: this host was shut out; after a reopen it is let in again, or not. */
  private async gain(write: boolean, tag: number | undefined): Promise<Status> {
    let status: Status = this.stale ? Status.FENCED : await this.ask(write, tag)
    if (status === Status.FENCED) {
      await this.parts.reopen()
      this.stale = false
      status = await this.ask(write, tag)
    }
    return status
  }

  private async ask(write: boolean, tag: number | undefined): Promise<Status> {
    if (!write) return Status.OK
    return (await this.handler.lock!(this.parts.backend.state, tag)) ?? Status.OK
  }

  /** The backend says that another host has the lock. While it is being taken that is no news. */
  markLost(): void {
    if (this.current === 'writeLocking') return
    this.stale = true
    this.move('lost')
    this.parts.lost()
  }

  /** The device was opened anew. */
  reopened(): void {
    this.stale = false
    if (this.current !== 'writeLocking' && this.current !== 'readLocking') this.current = 'unlocked'
  }

  /** Give it back if it is held. What the handler says of it is logged: there is nothing else to be done. */
  release(): Promise<void> {
    return this.inTurn(async () => {
      if (!this.move('released')) return
      try {
        const status = (await this.handler.unlock?.(this.parts.backend.state)) ?? Status.OK
        if (status !== Status.OK) throw new Error(`status ${status}`)
      } catch (e) {
        this.parts.log.warn(`${this.parts.name}: the lock was not given back: ${reasonOf(e)}`)
      }
    })
  }

  /** Ask the backend whether the lock is still ours. */
  verify(): Promise<void> {
    return this.inTurn(async () => {
      const { backend } = this.parts
      if (this.current !== 'writeLocked' || !this.handler.getLockState || !backend.open) return
      const said = await this.handler.getLockState(backend.state)
      if (said !== 'locked' && this.current === 'writeLocked') this.markLost()
    })
  }

  /** Who holds it; undefined when the handler cannot tell. One who is shut out opens again and asks once more. */
  holder(): Promise<LockHolder | Status | undefined> {
    return this.inTurn(async () => {
      const { backend, reopen } = this.parts
      if (!this.handler.getLockTag) return undefined
      if (!backend.open) return Status.BUSY
      let said = await this.handler.getLockTag(backend.state)
      if (said === Status.FENCED) {
        await this.parts.idle()
        await reopen()
        this.reopened()
        said = await this.handler.getLockTag(backend.state)
      }
      return said
    })
  }

  /** The backend says that another group holds it, or nobody. */
  notOurs(): void {
    if (this.current === 'writeLocked') this.current = 'unlocked'
  }
}
