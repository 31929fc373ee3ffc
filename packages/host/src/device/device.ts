import { type BlocksHandler, type Change, type CommandsHandler, isBlocks } from '../handler/types'
import type {
  Abilities, Access, BlockOps, CommandRow, Identity, Limits, LogicalUnit, LunExtension, ModeState, Nexus, PortIdentity, Result, SavedModes, Task,
} from '../scsi'
import { CommandTable, rowsFor } from '../scsi/command-table'
import { blockModePages, initialModes, restoreModes } from '../scsi'
import { stage } from '../scsi/lun'
import { CopyJobs } from '../scsi/copy/jobs'
import { Turns } from '../scsi/medium'
import { isStatus, Status } from '../scsi/status'
import { conditionFor, runRow } from './admit'
import { Attentions } from './attention'
import { Complaints } from './complaints'
import { faultOf, isThenable } from './fault'
import { Claim, RangeGate } from './gate'
import { Operations } from './operations'
import { DeviceHistory } from './history'
import { deviceHooks, type DeviceHooks } from './hooks'
import { Inflight } from './inflight'
import { type Event, move, type State } from './lifecycle'
import { abilitiesOf, noAbilities, noOps, wireOps } from './ops'
import { resultOf } from './result'
import { SpaceWatch } from './space-watch'
import { type DeviceParts, identityOf, limitsOf, MAX_TRANSFER_BYTES, MOST_EMULATED, physicalExponentOf, thickLacks } from './spec'
import { count, type Counters, counters } from './statistics'
import { WriteCache } from './write-cache'

/** After `close` told live commands to stop, how long their handler has to let go of them. */
const ABORT_GRACE_MS = 2000


/** One logical unit at run time: one door in (`execute`), one door out (`settle`). Made by `openDevice`. */
export class DeviceRuntime implements LogicalUnit {
  readonly hooks: DeviceHooks = deviceHooks()
  readonly counters: Counters = counters()
  readonly deviceType: number
  readonly abilities: Abilities
  readonly limits: Limits
  readonly identity: Identity
  readonly modes: ModeState = initialModes()
  readonly history = new DeviceHistory(this.counters)
  readonly strictCdb: boolean
  readonly writeCacheDefault: boolean
  readonly savedModes: SavedModes | undefined
  readonly physicalExponent: number
  readonly readOnly: boolean
  readonly rotationRate: number
  readonly unmappedReadsZero: boolean
  stopped = false
  readonly scratch = new Turns(MOST_EMULATED)
  readonly operations = new Operations(
    (e) => this.fault(e, 'FORMAT UNIT or SANITIZE', 'write'), (is) => (this.attentions.held = is),
  )
  readonly copies = new CopyJobs()

  private lifecycle: State = 'running'
  private capacity: number
  private configText: string
  private readonly cache: WriteCache
  private table: CommandTable | undefined
  private readonly extra: CommandRow[] = []
  private portOf: LunExtension['port']
  private unitsOf: LunExtension['units']
  private readonly live = new Inflight()
  private readonly gate = new RangeGate(this.live)
  private readonly attentions = new Attentions()
  private readonly complaints: Complaints
  private readonly space = new SpaceWatch(this, (e) => this.complaints.error('space', `${this.name}: ${faultOf(e, 'none').message}`))

  constructor(private readonly parts: DeviceParts) {
    const { spec, handler, properties: p } = parts
    const blocks = isBlocks(handler) ? handler : undefined
    this.complaints = new Complaints(parts.log)
    this.deviceType = blocks ? 0 : ((handler as CommandsHandler).deviceType ?? 0)
    this.abilities = blocks ? abilitiesOf(blocks, spec.thick ? { ...p, lacking: [...(p.lacking ?? []), ...thickLacks] } : p) : noAbilities
    this.physicalExponent = physicalExponentOf(p, spec)
    this.limits = limitsOf(p, spec.blockSize, this.physicalExponent, spec.maxTransferBlocks)
    this.identity = identityOf(p, parts.serial ?? (() => spec.serial))
    this.configText = spec.config
    this.strictCdb = spec.strictCdb === true
    this.savedModes = parts.savedModes
    this.readOnly = spec.readOnly === true || p.readOnly === true
    this.rotationRate = p.solidState ? 1 : 0
    this.unmappedReadsZero = p.unmappedReadsZero === true
    this.capacity = Math.floor(parts.sizeBytes / spec.blockSize)
    this.writeCacheDefault = p.writeCache ?? blocks?.flush !== undefined
    this.cache = new WriteCache(
      this.writeCacheDefault, blocks ? wireOps(blocks, parts.state, this.hooks.ops) : noOps,
      { reconfigurable: handler.reconfigure !== undefined, reconfigure: (change) => handler.reconfigure?.(parts.state, change), writesDone: () => this.writesDone() },
    )
    this.tapChain(blocks)
  }

  private tapChain(blocks: BlocksHandler | undefined): void {
    const { command } = this.hooks
    const { handler, state } = this.parts
    const condition = (task: Task): Status | undefined => conditionFor(this, task, task.row)
    command.tap({ name: 'unit attention', stage: stage.attention }, (task) => this.attentions.report(task, condition))
    if (handler.handleCmd) {
      command.tap({ name: handler.subtype, stage: stage.owner }, (task) => {
        const result = handler.handleCmd!(state, task, this)
        return result === Status.NOT_HANDLED ? undefined : result
      })
    }
    if (blocks) command.tap({ name: 'generic', stage: stage.generic }, (task) => runRow(this, this.commands, this.gate, task))
  }

  get name(): string { return this.parts.spec.name }
  get subtype(): string { return this.parts.spec.subtype }
  get config(): string {
    return this.configText
  }
  get blockSize(): number {
    return this.parts.spec.blockSize
  }
  get blocks(): number {
    return this.capacity
  }
  get writeCache(): boolean {
    return this.cache.on
  }
  get ops(): BlockOps {
    return this.cache.ops
  }
  get state(): State {
    return this.lifecycle
  }
  get inflight(): number {
    return this.live.count
  }
  get commands(): CommandTable {
    return (this.table ??= new CommandTable([...rowsFor(this.parts.rows, this.abilities), ...this.extra]))
  }

  extend(part: LunExtension): void {
    if (part.rows?.length) {
      this.extra.push(...part.rows)
      this.table = undefined
    }
    if (part.port) this.portOf = part.port
    if (part.units) this.unitsOf = part.units
    const answer = part.answer
    if (answer) this.hooks.command.tap({ name: part.name, stage: part.stage ?? stage.reservation }, (task) => answer(task))
  }

  port(nexus: Nexus): PortIdentity {
    return this.portOf?.(nexus) ?? {}
  }

  neighbours(nexus: Nexus): Iterable<LogicalUnit> {
    return this.unitsOf?.(nexus) ?? [this]
  }

  join(nexus: Nexus): void {
    this.attentions.join(nexus)
  }
  leave(nexus: Nexus): void {
    this.attentions.leave(nexus)
    this.copies.forget(nexus)
    this.parts.handler.nexusLost?.(this.parts.state, nexus)
  }
  async reset(): Promise<void> {
    this.parts.handler.reset?.(this.parts.state)
    this.copies.clear()
    await this.restore()
    this.attention(Status.BUS_DEVICE_RESET)
  }
  attend(nexus: Nexus, status: Status): void {
    this.attentions.attend(nexus, status)
  }
  attention(status: Status, except?: Nexus): void {
    this.attentions.attendAll(status, except)
    if (status === Status.MODE_CHANGED) this.space.update()
  }
  takeAttention(nexus: Nexus): Status | undefined {
    return this.attentions.take(nexus)
  }

  /** Mode parameters as after power on; `onlySaved` leaves those alone that were never saved. */
  async restore(onlySaved = false): Promise<void> {
    if (isBlocks(this.parts.handler)) await restoreModes(this, blockModePages, onlySaved)
    this.space.update()
  }

  transferOf(task: Task): number {
    const row = this.commands.find(task.cdb)
    if (!row || task.cdbLength < row.cdb.size) {
      return this.parts.handler.handleCmd ? Math.min(task.expected, MAX_TRANSFER_BYTES) : 0
    }
    const wanted = row.transfer?.(this.commands.viewOf(row, task.cdb), this) ?? 0
    const most = this.limits.maxTransfer * this.blockSize
    if (row.extent && wanted > 2 * most) return 0
    return Math.min(wanted, task.expected, 2 * most)
  }

  execute(task: Task): void {
    this.perform(task, this.commands.find(task.cdb) ?? undefined)
  }

  perform(task: Task, row: CommandRow | undefined): void {
    this.live.add(task)
    task.row = row
    let result: Result | undefined
    try {
      result = this.lifecycle === 'running' ? this.hooks.command.call(task) : this.unavailable()
    } catch (e) {
      this.settle(task, this.explain(task, e))
      return
    }
    if (typeof result === 'number' || result === undefined) this.settle(task, result ?? Status.INVALID_CMD)
    else this.later(task, result)
  }

  private later(task: Task, result: Promise<Status>): void {
    task.deferred = true
    if (!isThenable(result)) {
      this.settle(task, this.explain(task, new TypeError(`${this.subtype} answered with ${typeof result}, not with a status`)))
      return
    }
    // Of a promise of the handler's own making this makes one that settles once.
    Promise.resolve(result).then(
      (status) => this.settle(task, status ?? Status.OK),
      (e: unknown) => this.settle(task, this.explain(task, e)),
    )
  }

  private unavailable(): Status {
    return this.lifecycle === 'recovering' ? Status.BUSY : Status.NOT_READY
  }

  /** The one place where what a handler threw becomes a status, and is logged. */
  private explain(task: Task, e: unknown): Status {
    if (task.aborted) return Status.ABORTED
    return this.fault(e, task.row?.name ?? `operation code ${task.cdb[0]}`, task.row?.access ?? 'none', { lba: task.lba, blocks: task.blocks })
  }

  private fault(e: unknown, command: string, access: Access, facts: object = {}): Status {
    const { status, message, kind, stack } = faultOf(e, access)
    this.complaints.error(`${command} ${kind}`, `${this.name}: ${command} failed: ${message}`, { ...facts, ...(stack !== undefined && { stack }) })
    return status
  }

  /** The one door out. Waits for I/O that a handler left under way: its memory is still being written to. */
  private settle(task: Task, status: Status): void {
    if (task.data.pinned.pins > 0) {
      this.complaints.error('pins', `${this.name}: ${this.subtype} settled a command before its I/O was done; the host waits for it`)
      setTimeout(() => this.settle(task, status), 1)
      return
    }
    if (status !== Status.OK && !isStatus(status)) status = this.explain(task, new TypeError(`${this.subtype} answered ${String(status)}, which is no status`))
    resultOf(task, task.aborted ? Status.ABORTED : status, this.modes.dSense)
    this.live.remove(task)
    if (task.claim) this.gate.release(task)
    count(this.counters, task)
    if (this.hooks.completed.isUsed()) this.tell(task, status)
    task.finish()
  }

  private tell(task: Task, status: Status): void {
    try {
      this.hooks.completed.call(task, status)
    } catch (e) {
      const { message, stack } = faultOf(e, 'none')
      this.complaints.error('completed', `${this.name}: who listens to completions failed: ${message}`, { stack })
    }
  }

  async abort(which: (task: Task) => boolean): Promise<number> {
    const tasks = this.live.filter(which)
    const done = tasks.map((task) => this.live.gone(task))
    for (const task of tasks) task.abort()
    await Promise.all(done)
    return tasks.length
  }

  /** Resolves when the writes that are live now have ended. */
  private async writesDone(): Promise<void> {
    await Promise.all(this.live.filter((task) => task.claim !== Claim.NONE).map((task) => this.live.gone(task)))
  }

  setWriteCache(on: boolean): Promise<Status> {
    return this.cache.set(on)
  }

  /** Tell the handler of a change; when it agrees, initiators hear of it. */
  async reconfigure(change: Change): Promise<Status> {
    if (change.kind === 'writeCache') return this.setWriteCache(change.on)
    const { handler, state } = this.parts
    if (!handler.reconfigure) return Status.NOT_HANDLED
    const status = (await handler.reconfigure(state, change)) ?? Status.OK
    if (status === Status.OK && change.kind === 'size') this.resized(change.sizeBytes)
    if (status === Status.OK && change.kind === 'config') this.configText = change.config
    return status
  }

  /** The medium has another size now. */
  resized(sizeBytes: number): void {
    const blocks = Math.floor(sizeBytes / this.blockSize)
    if (blocks === this.capacity) return
    this.capacity = blocks
    this.attention(Status.CAPACITY_CHANGED)
    this.hooks.event.call({ kind: 'resized', sizeBytes })
  }

  /** Another medium is in, or none (0 bytes): its capacity is news only when there is one (SPC-4 5.14, MMC-6 4.1.6). */
  mediumChanged(sizeBytes: number): void {
    this.capacity = Math.floor(sizeBytes / this.blockSize)
    if (sizeBytes === 0) return
    this.attention(Status.MEDIUM_CHANGED)
    this.hooks.event.call({ kind: 'resized', sizeBytes })
  }

  private advance(event: Event): void {
    this.lifecycle = move(this.lifecycle, event, this.name)
    this.hooks.event.call({ kind: 'state', state: this.lifecycle })
  }

  /** Take nothing new, wait for what is under way, close the handler. After `deadlineMs` live commands are aborted. */
  async close(deadlineMs: number): Promise<void> {
    if (this.lifecycle !== 'running' && this.lifecycle !== 'recovering') return
    this.advance('remove')
    this.space.stop()
    await this.history.selfTests.background?.stop()
    if (!(await this.live.drained(deadlineMs))) {
      for (const task of this.live.filter(() => true)) task.abort()
      if (!(await this.live.drained(ABORT_GRACE_MS))) {
        this.parts.log.error(`${this.name}: ${this.live.count} commands did not end; closing ${this.subtype} under them`)
      }
    }
    await Promise.race([this.operations.stop(), new Promise((r) => setTimeout(r, ABORT_GRACE_MS).unref())])
    this.advance('idle')
    try {
      await this.parts.handler.close?.(this.parts.state)
    } finally {
      this.advance('closed')
    }
  }
}
