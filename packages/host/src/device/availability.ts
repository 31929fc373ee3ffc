import type { SyncHook } from 'tapable'
import { isBlocks, type HandlerLog } from '../handler/types'
import { reasonOf } from '../errors'
import type { Task } from '../scsi'
import type { Backend } from './backend'
import { type CommandLimits, Deadlines } from './deadlines'
import type { DeviceEvent } from './hooks'
import type { DeviceFault } from './hosted'
import type { Inflight } from './inflight'
import { type Event, move, type State } from './lifecycle'
import { DeviceLock, type LockMode } from './lock'
import { Recovery, type RecoveryTiming } from './recovery'
import type { Counters } from './statistics'

/** After `close` told live commands to stop, how long their handler has to let go of them. */
const ABORT_GRACE_MS = 2000

export interface AvailabilityParts {
  readonly name: string
  readonly subtype: string
  readonly backend: Backend
  readonly live: Inflight
  readonly event: SyncHook<[DeviceEvent]>
  readonly counters: Counters
  readonly log: HandlerLog
  readonly lockMode: () => LockMode
  /** Work that goes on after its command has ended. */
  readonly background: { stop(): Promise<unknown> }
  readonly limits?: CommandLimits | undefined
  /** False: a lost backend is told of and nothing more. */
  readonly timing?: RecoveryTiming | false | undefined
}

/** Whether a live command may be inside the handler. Those that are answered in recovery never are. */
const mayBeInHandler = (task: Task): boolean => task.row?.allowed?.recovering !== true

/** Whether and why commands of a device reach its handler: life cycle, lock, recovery and time-outs. */
export class Availability {
  /** Commands may reach the handler. */
  open = true
  state: State = 'running'
  /** Why the backend is away, as was heard last; undefined while it is there. */
  fault: DeviceFault | undefined
  readonly lock: DeviceLock | undefined
  readonly deadlines: Deadlines | undefined
  private readonly recovery: Recovery

  constructor(private readonly parts: AvailabilityParts) {
    const { name, backend, live, log, timing, limits } = parts
    this.recovery = new Recovery({ name, backend, log, ...(timing && { timing }), drained: (ms) => this.emptied(ms), failed: (reason) => this.blame(reason), abortAll: () => this.abort(live.filter(mayBeInHandler)) })
    if (isBlocks(backend.handler) && backend.handler.lock) {
      this.lock = new DeviceLock({
        name, backend, log, mode: parts.lockMode, idle: () => this.idle(), reopen: () => this.reopen(),
        connectionLost: (why) => this.loseConnection(why), lost: () => this.count('lock-lost'),
      })
    }
    if (Deadlines.wanted(limits)) {
      this.deadlines = new Deadlines(limits, {
        live: () => live.filter(() => true),
        slow: (task, s) => log.warn(`${name}: ${nameOf(task)} has been under way for ${s.toFixed(0)} s; who sent it gives up after ${limits.peerSeconds} s`),
        late: (task, s) => this.late(task, s),
      })
    }
  }

  private count(kind: 'connection-lost' | 'lock-lost' | 'command-late', why?: string): void {
    const { counters, event } = this.parts
    const counter = ({ 'connection-lost': 'connectionLost', 'lock-lost': 'lockLost', 'command-late': 'late' } as const)[kind]
    counters[counter]++
    event.call({ kind, ...(why !== undefined && { why }) })
  }

  private late(task: Task, seconds: number): void {
    const why = `${nameOf(task)} is not done after ${seconds.toFixed(1)} s`
    this.parts.log.error(`${this.parts.name}: ${why}; its connection counts as lost`)
    this.count('command-late')
    this.loseConnection(why)
  }

  private async idle(): Promise<void> {
    const { live } = this.parts
    await Promise.all(live.filter(mayBeInHandler).map((task) => live.gone(task)))
  }

  /** Commands with the handler, and what they left to be done. */
  private async quiet(): Promise<void> {
    await Promise.all([this.idle(), this.parts.background.stop()])
  }

  private async emptied(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, ms, false)))
    const empty = await Promise.race([this.quiet().then(() => true), late])
    clearTimeout(timer)
    return empty
  }

  private abort(tasks: readonly Task[]): void {
    for (const task of tasks) task.abort()
  }

  private advance(event: Event): void {
    this.state = move(this.state, event, this.parts.name)
    this.open = this.state === 'running' && this.parts.backend.open
    this.parts.event.call({ kind: 'state', state: this.state })
  }

  /** What the handler says of its backend. */
  report(kind: 'connection-lost' | 'lock-lost' | 'space-low', why = `${this.parts.subtype} reports ${kind}`): void {
    this.parts.log.warn(`${this.parts.name}: ${this.parts.subtype} reports ${kind}`)
    if (kind === 'connection-lost') this.loseConnection(why)
    else if (kind === 'space-low') this.parts.event.call({ kind })
    else if (this.lock) this.lock.markLost()
    else this.count(kind)
  }

  /** What is known of the reason by now; it is away since it was lost. */
  private blame(reason: string): void {
    this.fault = { reason, since: this.fault?.since ?? new Date().toISOString() }
  }

  loseConnection(why: string): void {
    if (this.state !== 'running') return
    this.count('connection-lost', why)
    if (this.parts.timing === false) return
    this.blame(why)
    this.advance('connectionLost')
    void this.recovery.run().then((open) => {
      if (!open || this.state !== 'recovering') return
      this.fault = undefined
      this.lock?.reopened()
      this.advance('reopened')
    })
  }

  /** Close and open again, for the lock; whoever calls has seen to it that no command is with the handler. */
  private async reopen(): Promise<void> {
    const { backend, name, log } = this.parts
    this.open = false
    await this.parts.background.stop()
    await backend.close().catch((e: unknown) => log.warn(`${name}: closing it to open it again: ${reasonOf(e)}`))
    try {
      await backend.reopen()
      this.open = this.state === 'running'
    } catch (e) {
      this.loseConnection(`it does not open: ${reasonOf(e)}`)
      throw e
    }
  }

  /** Take nothing new, wait for what is under way, close the handler. After `deadlineMs` live commands are aborted. */
  async close(deadlineMs: number): Promise<void> {
    if (this.state !== 'running' && this.state !== 'recovering') return
    const { live, backend, log, name, subtype } = this.parts
    this.advance('remove')
    this.deadlines?.stop()
    if (!(await live.drained(deadlineMs))) {
      this.abort(live.filter(() => true))
      if (!(await live.drained(ABORT_GRACE_MS))) log.error(`${name}: ${live.count} commands did not end; closing ${subtype} under them`)
    }
    await Promise.race([this.parts.background.stop(), new Promise((r) => setTimeout(r, ABORT_GRACE_MS).unref())])
    await this.recovery.stop(ABORT_GRACE_MS)
    await this.lock?.release()
    this.advance('idle')
    try {
      await backend.close()
    } finally {
      this.advance('closed')
    }
  }
}

const nameOf = (task: Task): string => task.row?.name ?? `operation code 0x${task.cdb[0]!.toString(16)}`
