import { Direction, type LogicalUnit, sam, sense, senseKey } from '@tcmu/host/scsi'
import type { BufferPool } from './buffers'
import { BufferShare } from './buffer-share'
import type { Channel } from './channel'
import { type CommandHeader, readCommand } from './command-header'
import { ProtocolError } from './errors'
import type { IscsiNexus } from './nexus'
import type { CommandOrder } from './order'
import { Orphans } from './orphans'
import { DataOut, NO_TAG, RejectReason, ScsiCommand } from './pdu'
import type { Target } from './target'
import { IscsiTask, Phase, type TaskOwner } from './task'
import { respond } from './transfer-in'
import { dataOutDone, dataOutHeader, receive, solicit } from './transfer-out'
import { type CommandWindow, next } from './window'

/** Commands that may be under way besides those of the window. */
const MOST_IMMEDIATE = 32

export interface SessionDeps {
  readonly channel: Channel
  readonly target: Target
  readonly nexus: IscsiNexus
  readonly buffers: BufferPool
  readonly order: CommandOrder
  /** Seconds since the portal began. */
  readonly tick: () => number
  /** End the connection, because of `why`. */
  readonly disconnect: (why: string) => void
}

/** A normal session in full feature phase: its commands from header to answer. */
export class Session implements TaskOwner {
  readonly nexus: IscsiNexus
  readonly window: CommandWindow
  readonly tasks = new Map<number, IscsiTask>()
  readonly buffers: BufferShare
  readonly channel: Channel
  readonly target: Target
  /** The portal is closing: what comes now is left for the initiator to send again elsewhere or later. */
  draining = false
  /** Task management functions under way. */
  managing = 0
  private readonly order: CommandOrder
  private readonly command: CommandHeader
  private readonly dataOut: ReturnType<typeof DataOut.view>
  private readonly free: IscsiTask[] = []
  private readonly orphans = new Orphans()
  /** The command whose PDU is coming in; undefined while one is being ignored. */
  private incoming: IscsiTask | undefined
  /** CmdSN of the command whose PDU is coming in: its turn passes even when it was aborted meanwhile. */
  private arriving: number | undefined
  private immediate = 0
  private nextTag = 0
  private ending: Promise<void> | undefined

  constructor(private readonly deps: SessionDeps) {
    this.channel = deps.channel
    this.target = deps.target
    this.nexus = deps.nexus
    this.order = deps.order
    this.window = deps.order.window
    this.buffers = new BufferShare(deps.buffers)
    this.command = ScsiCommand.view(this.channel.framing.header)
    this.dataOut = DataOut.view(this.channel.framing.header)
  }

  get ended(): boolean { return this.ending !== undefined }

  commandHeader(): void {
    const h = this.command
    const immediate = h.immediate === 1
    this.incoming = this.arriving = undefined
    if (this.draining || (!immediate && !this.order.takes(h.cmdSn))) return
    if (immediate && this.immediate >= MOST_IMMEDIATE) throw new ProtocolError(`more than ${MOST_IMMEDIATE} immediate commands`, RejectReason.TOO_MANY_IMMEDIATE)
    if (h.itt === NO_TAG || this.tasks.has(h.itt)) throw new ProtocolError(`initiator task tag ${h.itt} is in use`, RejectReason.TASK_IN_PROGRESS)
    const task = this.free.pop() ?? new IscsiTask(this)
    task.tick = this.deps.tick()
    readCommand(this.channel, task, h)
    this.address(task)
    this.tasks.set(task.itt, task)
    if (immediate) this.immediate++
    else this.arriving = task.cmdSn
    this.incoming = task
    if (h.dataLength > 0) this.immediateData(task, h.dataLength)
  }

  /** Find who answers, and how much data it wants. A command that moves data the other way is told there is none. */
  private address(task: IscsiTask): void {
    const lu = this.target.unit(task.lunHigh, task.lunLow)
    task.lu = lu
    const way = lu?.commands.find(task.cdb)?.dataDirection
    const agrees = way === undefined || task.direction === Direction.NONE || way === (task.out ? 'out' : 'in')
    task.expected = agrees && !task.bidirectional ? task.edtl : 0
    task.wanted = task.expected === 0 ? 0 : (lu ?? this.target.find(task.lunHigh, task.lunLow)).transferOf(task)
    // What is unsolicited has to be put somewhere at once.
    if (task.wanted > 0 && task.unsolicited) this.provideNow(task)
  }

  private immediateData(task: IscsiTask, length: number): void {
    const { ImmediateData, FirstBurstLength } = this.channel.parameters
    if (!task.out || !ImmediateData) throw new ProtocolError('a command carries immediate data that was not agreed', RejectReason.PROTOCOL)
    if (length > Math.min(FirstBurstLength, task.edtl)) throw new ProtocolError(`a command carries ${length} bytes of immediate data, more than it may`, RejectReason.PROTOCOL)
    if (task.wanted > 0 && !task.buffer) this.provideNow(task)
    receive(this.channel, task, 0, length)
    task.unsolicitedBytes = length
    task.received = Math.min(length, task.wanted)
  }

  private provideNow(task: IscsiTask): void {
    task.buffer = this.buffers.take(task.wanted, true)
    if (task.buffer) return
    task.refused = true
    task.wanted = 0
  }

  commandDone(): void {
    const { incoming: task, arriving } = this
    this.incoming = this.arriving = undefined
    if (arriving === undefined) {
      if (task) this.proceed(task)
    } else if (this.order.isNext(arriving)) {
      this.window.advance()
      if (task) this.turn(task)
      this.order.catchUp()
    } else this.holdBack(arriving, task)
  }

  private holdBack(cmdSn: number, task: IscsiTask | undefined): void {
    const generation = task?.generation
    this.order.hold(cmdSn, () => {
      if (task && task.generation === generation && task.phase === Phase.COLLECTING) this.turn(task)
    })
  }

  private turn(task: IscsiTask): void {
    task.counted = true
    this.window.enter()
    this.proceed(task)
  }

  dataOutHeader(): void {
    const h = this.dataOut
    const task = this.tasks.get(h.itt)
    this.incoming = undefined
    if (task?.phase === Phase.COLLECTING) {
      dataOutHeader(this.channel, task, h)
      this.incoming = task
    } else if (!this.orphans.has(h.itt) && !this.draining) {
      throw new ProtocolError(`Data-Out for initiator task tag ${h.itt}, which wants none`, RejectReason.PROTOCOL)
    }
  }

  dataOutDone(): void {
    const task = this.incoming
    this.incoming = undefined
    if (!task) return
    task.tick = this.deps.tick()
    dataOutDone(task, this.dataOut)
    // A command that came ahead of its turn goes on when its turn comes.
    if (task.immediate || !this.order.holds(task.cmdSn)) this.proceed(task)
  }

  private readonly tag = (): number => {
    this.nextTag = next(this.nextTag)
    if (this.nextTag === NO_TAG) this.nextTag = 0
    return this.nextTag
  }

  /** Take the command as far as it goes: more data, memory for it, the logical unit. */
  private proceed(task: IscsiTask): void {
    if (task.unsolicited) return
    if (task.broken) return this.giveUp(task)
    if (task.refused) return this.refuse(task)
    if (task.wanted > 0 && !task.buffer) {
      task.buffer = this.buffers.take(task.wanted)
      if (!task.buffer) return this.waitForMemory(task)
    }
    if (task.out && task.received < task.wanted) {
      task.tick = this.deps.tick()
      solicit(this.channel, task, this.tag)
      this.channel.flushSoon()
    } else this.execute(task)
  }

  /** RFC 7143 11.4.7.2: protocol service CRC error, once the sequences that are under way have ended. */
  private giveUp(task: IscsiTask): void {
    if (task.r2tCount === 0) task.fail(senseKey.ABORTED_COMMAND, sense.PROTOCOL_SERVICE_CRC_ERROR)
  }

  private waitForMemory(task: IscsiTask): void {
    const { generation } = task
    task.phase = Phase.WAITING
    this.buffers.wait(task.wanted, (buffer) => {
      if (task.generation !== generation || task.phase !== Phase.WAITING) return false
      task.phase = Phase.COLLECTING
      task.buffer = buffer
      this.proceed(task)
      return true
    })
  }

  private execute(task: IscsiTask): void {
    task.phase = Phase.EXECUTING
    if (task.bidirectional) return task.fail(senseKey.ILLEGAL_REQUEST, sense.INVALID_COMMAND_OPERATION_CODE)
    if (task.buffer) task.attach(task.wanted)
    ;(task.lu ?? this.target.find(task.lunHigh, task.lunLow)).execute(task)
  }

  private refuse(task: IscsiTask): void {
    task.phase = Phase.EXECUTING
    task.status = sam.TASK_SET_FULL
    task.finish()
  }

  /** Called by the task when its result is there. */
  completed(task: IscsiTask): void {
    this.forget(task)
    if (!task.silent && !this.ended) {
      respond(this.channel, task)
      this.channel.flushSoon()
    }
    this.recycle(task)
  }

  private forget(task: IscsiTask): void {
    this.tasks.delete(task.itt)
    if (task.immediate) this.immediate--
    else if (task.counted) this.window.leave()
  }

  private recycle(task: IscsiTask): void {
    task.detach()
    if (task.buffer) this.buffers.give(task.buffer)
    task.buffer = undefined
    task.phase = Phase.FREE
    task.generation++
    this.free.push(task)
  }

  /** Those of `tasks` that no logical unit has seen; from here on the memory that others give back starts none of them. */
  private retire(tasks: readonly IscsiTask[]): IscsiTask[] {
    const early = tasks.filter((task) => task.phase !== Phase.EXECUTING)
    for (const task of early) task.phase = Phase.ENDING
    return early
  }

  /** End a command that `retire` gave. With `status` the initiator is told. */
  private drop(task: IscsiTask, status?: number): void {
    if (task.unsolicited || task.r2tCount > 0) this.orphans.add(task.itt)
    if (this.incoming === task) {
      this.incoming = undefined
      this.channel.framing.discard()
    }
    task.silent = status === undefined
    task.status = status ?? task.status
    this.completed(task)
  }

  /**
   * Abort the commands that `which` picks. `told`: they are answered TASK ABORTED, as the control mode page promises
   * for those that another nexus ends (TAS=1). Resolves with how many there were, when they have ended.
   */
  async abort(which: (task: IscsiTask) => boolean, told = false): Promise<number> {
    const picked = [...this.tasks.values()].filter(which)
    const byUnit = new Map<LogicalUnit, Set<unknown>>()
    for (const task of picked) {
      if (task.phase !== Phase.EXECUTING || !task.lu) continue
      task.silent ||= !told
      byUnit.set(task.lu, (byUnit.get(task.lu) ?? new Set()).add(task))
    }
    for (const task of this.retire(picked)) this.drop(task, told ? sam.TASK_ABORTED : undefined)
    await Promise.all([...byUnit].map(([lu, tasks]) => lu.abort((task) => tasks.has(task))))
    return picked.length
  }

  /** Commands that wait for data since before `tick`. */
  stalled(tick: number): boolean {
    for (const task of this.tasks.values()) if (task.phase === Phase.COLLECTING && (task.r2tCount > 0 || task.unsolicited) && task.tick < tick) return true
    return false
  }

  disconnect(why: string): void {
    this.deps.disconnect(why)
  }

  /** The nexus is gone: nothing is answered any more. Resolves when no logical unit works for it. */
  end(): Promise<void> {
    return (this.ending ??= this.tearDown())
  }

  private async tearDown(): Promise<void> {
    await Promise.resolve() // `ending` is set before anything completes
    this.order.clear()
    this.buffers.close()
    for (const task of this.retire([...this.tasks.values()])) this.drop(task)
    await this.target.part(this)
  }
}

